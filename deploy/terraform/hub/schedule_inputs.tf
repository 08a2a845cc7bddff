# What each source's schedule asks the planner for, as JSON text: execution variables where they say
# all of it; a PlanRequest where the source has a selection or a window rule.

locals {
  execution_variables = {
    for profile, source in var.sources : profile => jsonencode({
      loggingBucketName = local.archive_bucket
      roleArn           = local.source_role_arns[profile]
      Prefix            = profile
    })
  }

  # Absent is not null: what a source does not say is left out.
  selections = {
    for profile, source in var.sources : profile => source.selection == null ? {} : {
      selection = {
        for name, value in merge(source.selection, {
          tag_filters = source.selection.tag_filters == null ? null : [
            for filter in source.selection.tag_filters : { for name, value in filter : name => value if value != null }
          ]
        }) : name => value if value != null
      }
    }
  }
  window_rules = {
    for profile, source in var.sources : profile => {
      for name, value in coalesce(source.window_rule, { unit = "day", time_zone = var.time_zone, settle_minutes = null, lookback_days = null }) :
      name => value if value != null
    }
  }

  # EventBridge Scheduler fills in the id and the time.
  # https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
  plan_requests = {
    for profile, source in var.sources : profile => jsonencode({
      specversion     = "1.0"
      id              = "<aws.scheduler.execution-id>"
      source          = "urn:logferry:schedule:${profile}"
      type            = "logferry.plan.requested.v1"
      time            = "<aws.scheduler.scheduled-time>"
      datacontenttype = "application/json"
      dataschema      = "urn:logferry:schema:plan-request:1.2"
      data = merge(
        {
          source = merge(
            {
              profile    = profile
              account_id = source.account_id
              region     = var.region
              role_arn   = local.source_role_arns[profile]
            },
            var.external_id == null ? {} : { external_id = var.external_id },
          )
          bucket      = local.archive_bucket
          window_rule = local.window_rules[profile]
        },
        local.selections[profile],
      )
    })
  }

  schedule_inputs = {
    for profile, source in var.sources : profile => (
      source.selection == null && source.window_rule == null
      ? local.execution_variables[profile]
      # jsonencode writes < and > as \u003c and \u003e, which the Scheduler would not know again.
      : replace(replace(local.plan_requests[profile], "\\u003c", "<"), "\\u003e", ">")
    )
  }
}
