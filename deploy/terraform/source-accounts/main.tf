# The role by which the hub reaches a source's logs, in every account of organizational units.

resource "aws_cloudformation_stack_set" "source" {
  name             = "${var.name}-source"
  description      = "The role by which logferry in ${var.hub_account_id} exports an account's logs"
  permission_model = "SERVICE_MANAGED"
  call_as          = var.call_as
  template_body    = file("${path.module}/../../source-account.yaml")
  capabilities     = ["CAPABILITY_NAMED_IAM"]
  tags             = { application = var.name }

  parameters = {
    Name                = var.name
    HubAccountId        = var.hub_account_id
    Profile             = var.unlisted_profile
    LowercaseProfile    = var.unlisted_profile
    ExternalId          = var.external_id == null ? "" : var.external_id
    OrganizationId      = var.organization_id == null ? "" : var.organization_id
    ProvisionedExporter = var.provisioning
  }

  # An account that joins gets its role by itself. One that leaves keeps it: its last days may not be
  # in the archive yet.
  auto_deployment {
    enabled                          = true
    retain_stacks_on_account_removal = true
  }

  # One operation at a time otherwise: a second one would fail.
  managed_execution {
    active = true
  }

  # All at once: no more are begun at a time than may fail.
  operation_preferences {
    failure_tolerance_percentage = 100
    max_concurrent_percentage    = 100
    region_concurrency_type      = "PARALLEL"
  }

  lifecycle {
    precondition {
      condition     = !contains([for profile in keys(var.sources) : lower(profile)], var.unlisted_profile)
      error_message = "A source is called ${var.unlisted_profile}, as accounts are that are no source yet: choose another unlisted_profile."
    }

    # AWS's own; the provider's older versions read it back as a change.
    # https://github.com/hashicorp/terraform-provider-aws/issues/23464
    ignore_changes = [administration_role_arn]
  }
}

# A profile differs from account to account, so each source is a target of its own; so is its unit,
# since other targets replace an instance, and with it the role. The stack is made in the provider's
# Region, which has to be the hub's.
resource "aws_cloudformation_stack_set_instance" "source" {
  for_each = var.sources

  stack_set_name = aws_cloudformation_stack_set.source.name
  call_as        = var.call_as

  deployment_targets {
    organizational_unit_ids = [each.value.organizational_unit_id]
    accounts                = [each.value.account_id]
    account_filter_type     = "INTERSECTION"
  }

  parameter_overrides = {
    Profile          = each.key
    LowercaseProfile = lower(each.key)
  }
}
