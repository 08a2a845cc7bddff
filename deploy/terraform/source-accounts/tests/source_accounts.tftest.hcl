# Nothing is asked of AWS: `terraform test` in ../ needs no credentials.

mock_provider "aws" {}

variables {
  hub_account_id  = "111122223333"
  organization_id = "o-a1b2c3d4e5"
  sources = {
    shop     = { account_id = "444455556666", organizational_unit_id = "ou-ab12-c3d4e5f6" }
    Pay_ment = { account_id = "555566667777", organizational_unit_id = "r-ab12" }
  }
}

run "each_source_has_its_own_profile" {
  command = plan

  assert {
    condition = { for profile, instance in aws_cloudformation_stack_set_instance.source : profile => instance.parameter_overrides } == {
      shop     = tomap({ Profile = "shop", LowercaseProfile = "shop" })
      Pay_ment = tomap({ Profile = "Pay_ment", LowercaseProfile = "pay_ment" })
    }
    error_message = "A source's role is for its own exporter and its own part of the archive."
  }
  assert {
    condition = alltrue([
      for profile, instance in aws_cloudformation_stack_set_instance.source :
      one(instance.deployment_targets).account_filter_type == "INTERSECTION"
      && one(instance.deployment_targets).accounts == toset([var.sources[profile].account_id])
      && one(instance.deployment_targets).organizational_unit_ids == toset([var.sources[profile].organizational_unit_id])
    ])
    error_message = "Without INTERSECTION every account of the unit would get this source's profile."
  }
}

run "an_account_that_joins_gets_a_role_for_no_exporter" {
  command = plan

  assert {
    condition     = one(aws_cloudformation_stack_set.source.auto_deployment).enabled
    error_message = "It gets its role by itself."
  }
  assert {
    condition     = aws_cloudformation_stack_set.source.parameters["Profile"] == "unlisted"
    error_message = "It is nobody's source yet."
  }
}

run "values_that_are_refused" {
  command = plan

  variables {
    name             = "logferry-"
    hub_account_id   = "hub"
    organization_id  = "ours"
    external_id      = "x"
    unlisted_profile = "Nobody's"
    call_as          = "ADMIN"
    sources          = { shop = { account_id = "444455556666", organizational_unit_id = "workloads" } }
  }
  expect_failures = [
    var.name,
    var.hub_account_id,
    var.organization_id,
    var.external_id,
    var.unlisted_profile,
    var.call_as,
    var.sources,
  ]
}

run "two_sources_of_one_account" {
  command = plan

  variables {
    sources = {
      shop = { account_id = "444455556666", organizational_unit_id = "r-ab12" }
      shed = { account_id = "444455556666", organizational_unit_id = "r-ab12" }
    }
  }
  expect_failures = [var.sources]
}

run "a_source_may_not_be_called_as_the_unlisted" {
  command = plan

  variables {
    sources = { Unlisted = { account_id = "444455556666", organizational_unit_id = "r-ab12" } }
  }
  expect_failures = [aws_cloudformation_stack_set.source]
}
