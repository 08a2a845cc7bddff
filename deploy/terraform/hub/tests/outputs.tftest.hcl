# Nothing is asked of AWS: `terraform test` in ../ needs no credentials.

mock_provider "aws" {
  # Applied stacks could not be destroyed again: two are not to be.
  override_during = plan

  override_resource {
    target = aws_cloudformation_stack.artifacts
    values = { outputs = { BucketName = "logferry-artifacts-111122223333-eu-central-1" } }
  }
  override_resource {
    target = aws_cloudformation_stack.archive
    values = {
      outputs = {
        ArchiveBucketName = "the-archive"
        ControlBucketName = "the-ledger"
        KeyArn            = "the-key"
        TopicArn          = "the-topic"
      }
    }
  }
  override_resource {
    target = aws_cloudformation_stack.planner
    values = { outputs = { FunctionName = "the-planner" } }
  }
  override_resource {
    target = aws_cloudformation_stack.sealer
    values = { outputs = { FunctionName = "the-sealer" } }
  }
  override_resource {
    target = aws_cloudformation_stack.sse_enforcer
    values = { outputs = { FunctionName = "the-enforcer", SweepFunctionName = "the-sweep" } }
  }
  override_resource {
    target = aws_cloudformation_stack.observability
    values = { outputs = { AlarmName = "the-alarm", DashboardUrl = "the-dashboard" } }
  }
  override_resource {
    target = aws_cloudformation_stack.exporter
    values = {
      outputs = {
        QueueUrl           = "the-queue"
        DirectQueueUrl     = "the-direct-queue"
        DeadLetterQueueUrl = "the-dead-letter-queue"
        FunctionName       = "the-exporter"
        DirectFunctionName = "the-direct-exporter"
        ScheduleName       = "the-schedule"
      }
    }
  }
}

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

run "a_provider_elsewhere_is_found_out_by_its_first_stack" {
  command = plan

  variables {
    region = "eu-west-1"
  }
  expect_failures = [aws_cloudformation_stack.artifacts]
}

run "what_was_made_can_be_used" {
  command = plan

  assert {
    condition = [
      output.artifact_bucket_name, output.archive_bucket_name, output.control_bucket_name, output.key_arn, output.topic_arn
    ] == ["logferry-artifacts-111122223333-eu-central-1", "the-archive", "the-ledger", "the-key", "the-topic"]
    error_message = "The archive's outputs are other stacks'."
  }
  assert {
    condition     = [output.archive_at_risk_alarm_name, output.dashboard_url] == ["the-alarm", "the-dashboard"]
    error_message = "The alarm or the dashboard is another stack's."
  }
  assert {
    condition = output.function_names == {
      planner = "the-planner", sse-enforcer = "the-enforcer", sse-enforcer-sweep = "the-sweep", sealer = "the-sealer"
    }
    error_message = "The functions' names are others'."
  }
  assert {
    condition = output.exporters["Pay_ment"] == {
      queue_url             = "the-queue"
      direct_queue_url      = "the-direct-queue"
      dead_letter_queue_url = "the-dead-letter-queue"
      function_name         = "the-exporter"
      direct_function_name  = "the-direct-exporter"
      schedule_name         = "the-schedule"
    }
    error_message = "The exporter's outputs are not its stack's."
  }
  assert {
    condition = output.source_role_arns == {
      shop     = "arn:aws:iam::444455556666:role/logferry-source"
      Pay_ment = "arn:aws:iam::555566667777:role/logs/collect"
    }
    error_message = "A source has its own role, or the one that is made for it."
  }
}
