# Nothing is asked of AWS: `terraform test` in ../ needs no credentials.

mock_provider "aws" {}

variables {
  region         = "eu-central-1"
  hub_account_id = "111122223333"
  code_keys = {
    planner      = "planner/0.1.0-${sha256("planner")}.zip"
    exporter     = "exporter/0.1.0-${sha256("exporter")}.zip"
    sse-enforcer = "sse-enforcer/0.1.0-${sha256("sse-enforcer")}.zip"
    sealer       = "sealer/0.1.0-${sha256("sealer")}.zip"
  }
  sources = {
    shop     = { account_id = "444455556666", schedule = "rate(1 day)" }
    Pay_ment = { account_id = "555566667777", schedule = "cron(10 3 * * ? *)", role_arn = "arn:aws:iam::555566667777:role/logs/collect" }
  }
}

run "each_source_has_a_stack" {
  command = plan

  assert {
    condition = { for profile, stack in aws_cloudformation_stack.exporter : profile => stack.name } == {
      shop = "logferry-exporter-shop", Pay_ment = "logferry-exporter-pay-ment"
    }
    error_message = "Its name is the profile's, in lower case and without underscores."
  }
  assert {
    condition     = aws_cloudformation_stack.archive.parameters["SourceRoleArnPatterns"] == "arn:aws:iam::*:role/logferry-source,arn:aws:iam::*:role/logs/collect"
    error_message = "The archive lets in each source's role, whatever the account."
  }
}

run "each_partition_has_its_own_arns" {
  command = plan

  variables {
    region  = "cn-north-1"
    sources = { shop = { account_id = "444455556666", schedule = "rate(1 day)" } }
  }
  assert {
    condition     = output.source_role_arns["shop"] == "arn:aws-cn:iam::444455556666:role/logferry-source"
    error_message = "China's is aws-cn."
  }
}

run "a_parameter_has_room_for_300_accounts" {
  command = plan

  variables {
    organization_id = "o-a1b2c3d4e5"
    sources         = { for n in range(301) : "p${n}" => { account_id = format("%012d", n), schedule = "rate(1 day)" } }
  }
  assert {
    condition     = length(split(",", aws_cloudformation_stack.archive.parameters["SourceAccountIds"])) == 300
    error_message = "300 accounts fill the first parameter."
  }
  assert {
    condition     = length(split(",", aws_cloudformation_stack.archive.parameters["MoreSourceAccountIds"])) == 1
    error_message = "The second parameter has the rest."
  }
}

run "more_than_200_sources_need_an_organization" {
  command = plan

  variables {
    sources = { for n in range(201) : "p${n}" => { account_id = format("%012d", n), schedule = "rate(1 day)" } }
  }
  expect_failures = [aws_cloudformation_stack.archive]
}

run "a_selection_may_be_too_long_for_a_schedule" {
  command = plan

  variables {
    sources = {
      shop = { account_id = "444455556666", schedule = "rate(1 day)", selection = { include = [for n in range(200) : "/aws/lambda/some-function-${n}"] } }
    }
  }
  expect_failures = [aws_cloudformation_stack.exporter]
}
