# What the variables refuse, before anything is planned.

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
  sources = { shop = { account_id = "444455556666", schedule = "rate(1 day)" } }
}

run "values_out_of_range" {
  command = plan

  variables {
    name             = "Logferry"
    region           = "Frankfurt"
    hub_account_id   = "1111"
    organization_id  = "o-short"
    external_id      = "two words"
    time_zone        = "Europe/Berlin (summer)"
    settle_minutes   = 20161
    lookback_days    = 1.5
    provisioning     = "on"
    architecture     = "arm"
    alarm_action_arn = "on-call"
    archive          = { transition = { storage_class = "STANDARD_IA", after_days = 29 } }
    direct_lane      = { planned_bytes = -1, most_bytes = 0 }
    exporter         = { visibility_timeout_s = 119 }
    sse_enforcer     = { hold = "never" }
    observability    = { gap_hours = 0, plan_within_hours = 169, page_action_arn = "pager" }
    code_keys        = { planner = "planner.zip", exporter = "exporter.zip", sse-enforcer = "sse-enforcer.zip", sealer = "sealer.zip" }
    sources          = {}
  }
  expect_failures = [
    var.name,
    var.region,
    var.hub_account_id,
    var.organization_id,
    var.external_id,
    var.time_zone,
    var.settle_minutes,
    var.lookback_days,
    var.provisioning,
    var.architecture,
    var.alarm_action_arn,
    var.archive,
    var.direct_lane,
    var.exporter,
    var.sse_enforcer,
    var.observability,
    var.code_keys,
    var.sources,
  ]
}

run "a_zip_of_another_service" {
  command = plan

  variables {
    code_keys = {
      planner      = "exporter/0.1.0-${sha256("exporter")}.zip"
      exporter     = "exporter/0.1.0-${sha256("exporter")}.zip"
      sse-enforcer = "sse-enforcer/0.1.0-${sha256("sse-enforcer")}.zip"
      sealer       = "sealer/0.1.0-${sha256("sealer")}.zip"
    }
  }
  expect_failures = [var.code_keys]
}

run "profiles_with_one_and_the_same_stack" {
  command = plan

  variables {
    sources = {
      pay_ment = { account_id = "444455556666", schedule = "rate(1 day)" }
      Pay-Ment = { account_id = "555566667777", schedule = "rate(1 day)" }
    }
  }
  expect_failures = [var.sources]
}

run "two_sources_of_one_account" {
  command = plan

  variables {
    sources = {
      shop = { account_id = "444455556666", schedule = "rate(1 day)" }
      shed = { account_id = "444455556666", schedule = "rate(1 day)" }
    }
  }
  expect_failures = [var.sources]
}

run "a_role_of_another_account" {
  command = plan

  variables {
    sources = {
      shop = { account_id = "444455556666", schedule = "rate(1 day)", role_arn = "arn:aws:iam::555566667777:role/logs" }
    }
  }
  expect_failures = [var.sources]
}

run "cron_with_five_fields" {
  command = plan

  variables {
    sources = { shop = { account_id = "444455556666", schedule = "cron(10 3 * * *)" } }
  }
  expect_failures = [var.sources]
}

run "a_schedule_that_may_be_a_day_late" {
  command = plan

  variables {
    sources = { shop = { account_id = "444455556666", schedule = "rate(1 day)", schedule_flexible_minutes = 1441 } }
  }
  expect_failures = [var.sources]
}

run "windows_of_a_week" {
  command = plan

  variables {
    sources = {
      shop = { account_id = "444455556666", schedule = "rate(1 day)", window_rule = { unit = "week", time_zone = "UTC" } }
    }
  }
  expect_failures = [var.sources]
}

run "a_selection_that_selects_nothing" {
  command = plan

  variables {
    sources = {
      shop = { account_id = "444455556666", schedule = "rate(1 day)", selection = { include = [] } }
    }
  }
  expect_failures = [var.sources]
}

run "who_is_paged_is_not_told_by_each_alarm_as_well" {
  command = plan

  variables {
    alarm_action_arn = "arn:aws:sns:eu-central-1:111122223333:on-call"
    observability    = { page_action_arn = "arn:aws:sns:eu-central-1:111122223333:on-call" }
  }
  expect_failures = [aws_cloudformation_stack.observability]
}

run "an_arn_of_another_partition" {
  command = plan

  variables {
    region           = "cn-north-1"
    alarm_action_arn = "arn:aws:sns:cn-north-1:111122223333:on-call"
  }
  expect_failures = [aws_cloudformation_stack.archive]
}
