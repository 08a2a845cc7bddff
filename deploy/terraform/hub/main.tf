# The hub's stacks, each after those that it needs. What a stack is made of is in its template; here
# is which stacks there are, and with which parameters.

locals {
  templates = "${path.module}/../.."

  # By what their Regions begin with; all others are in "aws".
  partitions      = { "cn-" = "aws-cn", "us-gov-" = "aws-us-gov", "us-iso-" = "aws-iso", "us-isob-" = "aws-iso-b" }
  partition       = concat([for prefix, name in local.partitions : name if startswith(var.region, prefix)], ["aws"])[0]
  archive_bucket  = "${var.name}-archive-${var.hub_account_id}-${var.region}"
  artifact_bucket = "${var.name}-artifacts-${var.hub_account_id}-${var.region}"

  # A stack's parameter is never null.
  organization_id  = var.organization_id == null ? "" : var.organization_id
  external_id      = var.external_id == null ? "" : var.external_id
  alarm_action_arn = var.alarm_action_arn == null ? "" : var.alarm_action_arn

  source_role_arns = {
    for profile, source in var.sources : profile => coalesce(
      source.role_arn,
      "arn:${local.partition}:iam::${source.account_id}:role/${var.name}-source",
    )
  }
  # With * for the account, which leaves few of many: the policies have no room for all.
  source_role_arn_patterns = join(",", sort(distinct([
    for arn in values(local.source_role_arns) : replace(arn, "/::[0-9]{12}:/", "::*:")
  ])))

  # A stack parameter's value has room for 4,096 bytes; an account id and its comma take 13.
  # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
  accounts_per_parameter = 300
  source_account_ids = [
    for ids in chunklist([for source in values(var.sources) : source.account_id], local.accounts_per_parameter) :
    join(",", ids)
  ]

  tags         = { application = var.name }
  capabilities = ["CAPABILITY_NAMED_IAM"]

  function_parameters = {
    Name               = var.name
    Architecture       = var.architecture
    AlarmActionArn     = local.alarm_action_arn
    ArtifactBucketName = "/${var.name}/artifacts/bucket"
    ArchiveBucketName  = "/${var.name}/archive/bucket"
    ControlBucketName  = "/${var.name}/control/bucket"
    KeyArn             = "/${var.name}/kms/key-arn"
    TopicArn           = "/${var.name}/topic/arn"
  }
}

# The zips are put into this stack's bucket before the services' stacks are made: see ../README.md.
resource "aws_cloudformation_stack" "artifacts" {
  name          = "${var.name}-artifacts"
  template_body = file("${local.templates}/artifacts.yaml")
  capabilities  = local.capabilities
  parameters    = { Name = var.name }
  tags          = local.tags

  lifecycle {
    # What it retains is of use to no other stack.
    prevent_destroy = true

    postcondition {
      condition     = self.outputs["BucketName"] == local.artifact_bucket
      error_message = "The provider is not in account ${var.hub_account_id} and Region ${var.region}: it made ${self.outputs["BucketName"]}."
    }
  }
}

resource "aws_cloudformation_stack" "archive" {
  name          = "${var.name}-archive"
  template_body = file("${local.templates}/archive.yaml")
  capabilities  = local.capabilities
  tags          = local.tags

  # Days of what is not wanted are the template's.
  parameters = {
    Name                   = var.name
    SourceAccountIds       = local.source_account_ids[0]
    MoreSourceAccountIds   = try(local.source_account_ids[1], "")
    SourceRoleArnPatterns  = local.source_role_arn_patterns
    OrganizationId         = local.organization_id
    DefaultRetentionMode   = try(var.archive.default_retention.mode, "NONE")
    DefaultRetentionDays   = tostring(try(var.archive.default_retention.days, 1))
    SigningKeySpec         = var.archive.signing_key_spec
    SigningKeyArn          = var.archive.signing_key_arn == null ? "" : var.archive.signing_key_arn
    TransitionStorageClass = try(var.archive.transition.storage_class, "NONE")
    TransitionDays         = tostring(try(var.archive.transition.after_days, 30))
  }

  depends_on = [aws_cloudformation_stack.artifacts]

  lifecycle {
    # The buckets and the key would stay, without the policies that let anybody write there.
    prevent_destroy = true

    precondition {
      condition = alltrue([
        for arn in concat(values(local.source_role_arns), [var.queue_key_arn, var.alarm_action_arn, var.observability.page_action_arn]) :
        arn == null || try(startswith(arn, "arn:${local.partition}:"), true)
      ])
      error_message = "An ARN is not in partition ${local.partition}, which ${var.region} is in: look at role_arn, queue_key_arn, alarm_action_arn and page_action_arn."
    }
    precondition {
      condition     = var.organization_id != null || length(var.sources) <= 200
      error_message = "More than 200 sources need organization_id: the archive's bucket policy has no room for each account's ARN."
    }
  }
}

resource "aws_cloudformation_stack" "planner" {
  name          = "${var.name}-planner"
  template_body = file("${local.templates}/planner.yaml")
  capabilities  = local.capabilities
  tags          = local.tags

  parameters = merge(local.function_parameters, {
    CodeKey                  = var.code_keys.planner
    SourceRoleArnPatterns    = local.source_role_arn_patterns
    SettleMinutes            = tostring(var.settle_minutes)
    LookbackDays             = tostring(var.lookback_days)
    GapHours                 = tostring(var.observability.gap_hours)
    DirectLaneMaxBytes       = tostring(var.direct_lane.planned_bytes)
    DirectLaneCallsPerSecond = tostring(var.direct_lane.calls_per_second)
    Provisioning             = var.provisioning
    QueueKeyArn              = var.queue_key_arn == null ? "" : var.queue_key_arn
    TimeZone                 = var.time_zone
    ExternalId               = local.external_id
  })

  # The exporters read what it sends: whoever reads a message is changed before its writer.
  depends_on = [aws_cloudformation_stack.exporter]
}

resource "aws_cloudformation_stack" "sealer" {
  name          = "${var.name}-sealer"
  template_body = file("${local.templates}/sealer.yaml")
  capabilities  = local.capabilities
  tags          = local.tags

  parameters = merge(local.function_parameters, {
    CodeKey              = var.code_keys.sealer
    TimeZone             = var.time_zone
    SealAfterHours       = tostring(var.sealer.seal_after_hours)
    SettleMinutes        = tostring(var.settle_minutes)
    OpenAfterDays        = tostring(var.sealer.open_after_days)
    LookBackDays         = tostring(var.sealer.look_back_days)
    FunctionTimeout      = tostring(var.sealer.function_timeout_s)
    VisibilityTimeout    = tostring(var.sealer.visibility_timeout_s)
    SigningKeyArn        = "/${var.name}/seals/key-arn"
    FormerSigningKeyArns = join(",", var.sealer.former_signing_key_arns)
    RecountWithinHours   = tostring(var.recount.state == "ENABLED" ? var.recount.within_hours : 0)
  })

  depends_on = [aws_cloudformation_stack.archive]
}

resource "aws_cloudformation_stack" "recounter" {
  for_each = { for profile, source in var.sources : profile => source if var.recount.state == "ENABLED" }

  # A stack's name takes no underscore.
  name          = "${var.name}-recounter-${replace(lower(each.key), "_", "-")}"
  template_body = file("${local.templates}/recounter.yaml")
  capabilities  = local.capabilities
  tags          = local.tags

  # It neither reads the archive nor publishes.
  parameters = merge(
    { for name, value in local.function_parameters : name => value if !contains(["ArchiveBucketName", "TopicArn"], name) },
    {
      CodeKey                  = var.code_keys.recounter
      Profile                  = each.key
      LowercaseProfile         = lower(each.key)
      SourceAccountId          = each.value.account_id
      SourceRoleArn            = local.source_role_arns[each.key]
      ExternalId               = local.external_id
      SharePermille            = tostring(var.recount.share_permille)
      LookBackDays             = tostring(var.recount.look_back_days)
      RevisitDays              = length(var.recount.revisit_days) == 0 ? "none" : join(",", var.recount.revisit_days)
      RevisitPermille          = tostring(var.recount.revisit_permille)
      OpenAfterDays            = tostring(var.sealer.open_after_days)
      DirectLaneCallsPerSecond = tostring(var.direct_lane.calls_per_second)
      AddMbPerDay              = tostring(var.recount.add_mb_per_day)
      StopPermille             = tostring(var.recount.stop_permille)
      LagMinutes               = tostring(var.recount.lag_minutes)
    }
  )

  # The sealer reads what it writes.
  depends_on = [aws_cloudformation_stack.sealer]

  lifecycle {
    precondition {
      condition     = var.code_keys.recounter != null
      error_message = "recount.state is ENABLED, and code_keys has no recounter."
    }
    precondition {
      condition     = var.recount.add_mb_per_day == 0 || var.sealer.look_back_days >= max(30, var.recount.look_back_days) + 2
      error_message = "sealer.look_back_days is less than ${max(30, var.recount.look_back_days) + 2}: what recount adds to later no seal would have."
    }
  }
}

resource "aws_cloudformation_stack" "sse_enforcer" {
  name          = "${var.name}-sse-enforcer"
  template_body = file("${local.templates}/sse-enforcer.yaml")
  capabilities  = local.capabilities
  tags          = local.tags

  parameters = merge(local.function_parameters, {
    CodeKey                  = var.code_keys["sse-enforcer"]
    FunctionTimeout          = tostring(var.sse_enforcer.function_timeout_s)
    VisibilityTimeout        = tostring(var.sse_enforcer.visibility_timeout_s)
    Hold                     = var.sse_enforcer.hold
    SweepState               = var.sse_enforcer.sweep.state
    SweepEveryHours          = tostring(var.sse_enforcer.sweep.every_hours)
    SweepFullEveryDays       = tostring(var.sse_enforcer.sweep.full_every_days)
    SweepObjectsPerSecond    = tostring(var.sse_enforcer.sweep.objects_per_second)
    SweepReservedConcurrency = var.sse_enforcer.sweep.reserved_concurrency ? "1" : ""
  })

  depends_on = [aws_cloudformation_stack.sealer]
}

resource "aws_cloudformation_stack" "exporter" {
  for_each = var.sources

  # A stack's name takes no underscore.
  name          = "${var.name}-exporter-${replace(lower(each.key), "_", "-")}"
  template_body = file("${local.templates}/exporter.yaml")
  capabilities  = local.capabilities
  tags          = local.tags

  parameters = merge(local.function_parameters, {
    CodeKey                  = var.code_keys.exporter
    Profile                  = each.key
    LowercaseProfile         = lower(each.key)
    SourceAccountId          = each.value.account_id
    SourceRoleArn            = local.source_role_arns[each.key]
    ScheduleExpression       = each.value.schedule
    ScheduleTimeZone         = each.value.schedule_time_zone
    ScheduleFlexibleMinutes  = tostring(coalesce(each.value.schedule_flexible_minutes, startswith(each.value.schedule, "at(") ? 0 : 15))
    ScheduleInput            = local.schedule_inputs[each.key]
    ScheduleState            = each.value.state
    FunctionTimeout          = tostring(var.exporter.function_timeout_s)
    VisibilityTimeout        = tostring(var.exporter.visibility_timeout_s)
    DirectFunctionTimeout    = tostring(var.direct_lane.function_timeout_s)
    DirectVisibilityTimeout  = tostring(var.direct_lane.visibility_timeout_s)
    WindowUnit               = local.window_rules[each.key].unit
    PlanWithinHours          = tostring(var.observability.plan_within_hours)
    RetryBackoffSeconds      = tostring(var.exporter.retry_backoff_s)
    SplitAfterHours          = tostring(var.exporter.split_after_hours)
    DirectLaneMaxBytes       = tostring(var.direct_lane.most_bytes)
    DirectLaneCallsPerSecond = tostring(var.direct_lane.calls_per_second)
    DirectFunctionMemory     = tostring(var.direct_lane.calls_per_second <= 5 ? 256 : var.direct_lane.calls_per_second <= 10 ? 384 : 1024)
  })

  depends_on = [aws_cloudformation_stack.sse_enforcer]

  lifecycle {
    precondition {
      condition     = length(local.schedule_inputs[each.key]) <= 4096
      error_message = "The selection of ${each.key} is too long: a stack's parameter has room for 4,096 bytes."
    }
  }
}

resource "aws_cloudformation_stack" "observability" {
  name          = "${var.name}-observability"
  template_body = file("${local.templates}/observability.yaml")
  capabilities  = local.capabilities
  tags          = local.tags

  parameters = {
    Name            = var.name
    GapHours        = tostring(var.observability.gap_hours)
    PlanWithinHours = tostring(var.observability.plan_within_hours)
    ScheduleState   = anytrue([for source in values(var.sources) : source.state == "ENABLED"]) ? "ENABLED" : "DISABLED"
    PageActionArn   = var.observability.page_action_arn == null ? "" : var.observability.page_action_arn
  }

  # Its one alarm is over alarms of theirs.
  depends_on = [aws_cloudformation_stack.planner, aws_cloudformation_stack.sse_enforcer]

  lifecycle {
    precondition {
      condition     = var.observability.page_action_arn == null || var.observability.page_action_arn != var.alarm_action_arn
      error_message = "observability.page_action_arn is alarm_action_arn, which would be told twice."
    }
  }
}
