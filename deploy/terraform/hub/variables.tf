variable "name" {
  description = "What the names of stacks, buckets, roles and parameters begin with; another one for each Region of an account, since roles are of all Regions."
  type        = string
  default     = "logferry"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,18}[a-z0-9]$", var.name))
    error_message = "name: 2 to 20 lower-case letters, digits and hyphens, beginning with a letter and not ending with a hyphen."
  }
}

variable "region" {
  description = "The provider's Region: of the hub, its archive and the log groups."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^(us|eu|ap|sa|ca|me|af|il|mx|cn|us-gov|us-iso|us-isob)-[a-z]+-[0-9]+$", var.region))
    error_message = "region: a Region such as eu-central-1, in partition aws, aws-cn, aws-us-gov, aws-iso or aws-iso-b: of the others it is not known what CloudWatch Logs is called in policies."
  }
}

variable "hub_account_id" {
  description = "The provider's account: of the archive and the services."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.hub_account_id))
    error_message = "hub_account_id: 12 digits, in quotes."
  }
}

variable "organization_id" {
  description = "The organisation of all accounts; null for accounts without one."
  type        = string
  default     = null

  validation {
    condition     = var.organization_id == null || can(regex("^o-[a-z0-9]{10,32}$", var.organization_id))
    error_message = "organization_id: an organisation's id such as o-a1b2c3d4e5, or null."
  }
}

variable "external_id" {
  description = "What the sources' roles ask for; null when they ask for nothing."
  type        = string
  default     = null

  validation {
    condition     = var.external_id == null || can(regex("^[A-Za-z0-9+=,.@:/_-]+$", var.external_id)) && try(length(var.external_id) >= 2 && length(var.external_id) <= 1224, false)
    error_message = "external_id: 2 to 1,224 letters, digits and characters of +=,.@:/_-, or null."
  }
}

variable "time_zone" {
  description = "The IANA time zone whose days are exported, where a source does not say it."
  type        = string
  default     = "Asia/Seoul"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9+_/-]{1,64}$", var.time_zone))
    error_message = "time_zone: an IANA time zone such as Europe/Berlin."
  }
}

variable "settle_minutes" {
  description = "How long after its end a window waits before it is exported, where a source does not say it."
  type        = number
  default     = 1440
  nullable    = false

  validation {
    condition     = var.settle_minutes >= 0 && var.settle_minutes <= 20160 && floor(var.settle_minutes) == var.settle_minutes
    error_message = "settle_minutes: a whole number from 0 to 20160."
  }
}

variable "lookback_days" {
  description = "For how many days schedules may stand still without a loss, where a source does not say it."
  type        = number
  default     = 14
  nullable    = false

  validation {
    condition     = var.lookback_days >= 1 && var.lookback_days <= 400 && floor(var.lookback_days) == var.lookback_days
    error_message = "lookback_days: a whole number from 1 to 400."
  }
}

variable "provisioning" {
  description = "Whether the planner makes and mends queues and functions where execution variables carry QueueOptions: ENABLED or DISABLED."
  type        = string
  default     = "DISABLED"
  nullable    = false

  validation {
    condition     = contains(["DISABLED", "ENABLED"], var.provisioning)
    error_message = "provisioning: ENABLED or DISABLED."
  }
}

variable "queue_key_arn" {
  description = "The key that QueueOptions name, where it is not the archive's; null where it is."
  type        = string
  default     = null

  validation {
    condition     = var.queue_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.queue_key_arn))
    error_message = "queue_key_arn: the ARN of a KMS key, not of an alias, or null."
  }
}

variable "architecture" {
  description = "What the zips were built for: arm64 or x86_64."
  type        = string
  default     = "arm64"
  nullable    = false

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture: arm64 or x86_64, as the zips were built."
  }
}

variable "code_keys" {
  description = "The services' zips in the artifact bucket, each named by its version and content: <service>/<version>-<SHA-256 in hex>.zip."
  nullable    = false

  type = object({
    planner      = string
    exporter     = string
    sse-enforcer = string
    sealer       = string
    recounter    = optional(string)
  })

  validation {
    condition = alltrue([
      for service, key in var.code_keys : key == null || can(regex("^${service}/[0-9][0-9A-Za-z.+]*-[0-9a-f]{64}\\.zip$", key))
    ])
    error_message = "code_keys: <service>/<version>-<SHA-256 in hex>.zip for each service, as in planner/1.2.3-<64 hex digits>.zip."
  }
}

variable "alarm_action_arn" {
  description = "What each alarm of a service or a source notifies, such as an SNS topic; null for nothing."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_action_arn == null || can(regex("^arn:aws[a-z-]*:[a-z-]+:", var.alarm_action_arn))
    error_message = "alarm_action_arn: an ARN, or null."
  }
}

variable "archive" {
  description = <<-EOT
    The archive's bucket.
    default_retention: Object Lock's, GOVERNANCE or COMPLIANCE for so many days; null for legal holds alone. With one, S3 refuses to encrypt an object in place that arrived under a wrong key.
    transition: the storage class that objects go to after so many days; null to leave them in STANDARD.
    signing_key_spec: of the key that seals are signed with, which is made once: another one is another key.
    signing_key_arn: a key that is there already, such as one of another account; null for one in the archive's stack.
  EOT
  default     = {}
  nullable    = false

  type = object({
    default_retention = optional(object({ mode = string, days = number }))
    transition        = optional(object({ storage_class = string, after_days = optional(number, 30) }))
    signing_key_spec  = optional(string, "ECC_NIST_P256")
    signing_key_arn   = optional(string)
  })

  validation {
    condition     = contains(["ECC_NIST_P256", "RSA_2048", "RSA_3072", "RSA_4096"], var.archive.signing_key_spec)
    error_message = "archive.signing_key_spec: ECC_NIST_P256, RSA_2048, RSA_3072 or RSA_4096."
  }
  validation {
    condition     = var.archive.signing_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.archive.signing_key_arn))
    error_message = "archive.signing_key_arn: the ARN of a KMS key, not of an alias, or null."
  }

  validation {
    condition     = try(contains(["GOVERNANCE", "COMPLIANCE"], var.archive.default_retention.mode), var.archive.default_retention == null)
    error_message = "archive.default_retention.mode: GOVERNANCE or COMPLIANCE."
  }
  validation {
    condition = try(
      var.archive.default_retention.days >= 1 && var.archive.default_retention.days <= 36500,
      var.archive.default_retention == null,
    )
    error_message = "archive.default_retention.days: from 1 to 36500."
  }
  validation {
    condition = try(
      contains(["STANDARD_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"], var.archive.transition.storage_class),
      var.archive.transition == null,
    )
    error_message = "archive.transition.storage_class: STANDARD_IA, INTELLIGENT_TIERING, GLACIER_IR, GLACIER or DEEP_ARCHIVE."
  }
  validation {
    condition = try(
      var.archive.transition.after_days >= (var.archive.transition.storage_class == "STANDARD_IA" ? 30 : 0) && var.archive.transition.after_days <= 36500,
      var.archive.transition == null,
    )
    error_message = "archive.transition.after_days: from 0 to 36500, and 30 at least for STANDARD_IA."
  }
}

variable "direct_lane" {
  description = <<-EOT
    The lane in which windows are read, beside the export tasks.
    planned_bytes: windows that are guessed to have fewer bytes of events may take it; 0 for none.
    most_bytes: how much is read at once; a window that has more is read in parts.
    calls_per_second: of FilterLogEvents, by all of logferry; the account's quota is 5 to 25, by Region.
    function_timeout_s and visibility_timeout_s: how long its function may take, and when a message that it crashed on comes back.
  EOT
  default     = {}
  nullable    = false

  type = object({
    planned_bytes        = optional(number, 1000000000000)
    most_bytes           = optional(number, 1000000000)
    calls_per_second     = optional(number, 5)
    function_timeout_s   = optional(number, 900)
    visibility_timeout_s = optional(number, 1800)
  })

  validation {
    condition     = var.direct_lane.planned_bytes >= 0 && var.direct_lane.planned_bytes <= 1000000000000000
    error_message = "direct_lane.planned_bytes: from 0 to 1000000000000000."
  }
  validation {
    condition     = var.direct_lane.most_bytes >= 1 && var.direct_lane.most_bytes <= 1000000000
    error_message = "direct_lane.most_bytes: from 1 to 1000000000."
  }
  validation {
    condition     = var.direct_lane.calls_per_second >= 1 && var.direct_lane.calls_per_second <= 1000
    error_message = "direct_lane.calls_per_second: from 1 to 1000."
  }
  validation {
    condition     = var.direct_lane.function_timeout_s >= 5 && var.direct_lane.function_timeout_s <= 900
    error_message = "direct_lane.function_timeout_s: from 5 to 900."
  }
  validation {
    condition     = var.direct_lane.visibility_timeout_s >= var.direct_lane.function_timeout_s && var.direct_lane.visibility_timeout_s <= 43200
    error_message = "direct_lane.visibility_timeout_s: from function_timeout_s to 43200."
  }
}

variable "exporter" {
  description = <<-EOT
    Every exporter's settings.
    function_timeout_s and visibility_timeout_s: how long the function may take, and when a message that it crashed on comes back.
    retry_backoff_s: the pause after the first failed task of a window; it doubles.
    split_after_hours: the age at which a task is given up and its window split.
  EOT
  default     = {}
  nullable    = false

  type = object({
    function_timeout_s   = optional(number, 120)
    visibility_timeout_s = optional(number, 720)
    retry_backoff_s      = optional(number, 60)
    split_after_hours    = optional(number, 22)
  })

  validation {
    condition     = var.exporter.function_timeout_s >= 5 && var.exporter.function_timeout_s <= 900
    error_message = "exporter.function_timeout_s: from 5 to 900."
  }
  validation {
    condition     = var.exporter.visibility_timeout_s >= var.exporter.function_timeout_s && var.exporter.visibility_timeout_s <= 43200
    error_message = "exporter.visibility_timeout_s: from function_timeout_s to 43200."
  }
  validation {
    condition     = var.exporter.retry_backoff_s >= 0 && var.exporter.retry_backoff_s <= 900
    error_message = "exporter.retry_backoff_s: from 0 to 900."
  }
  validation {
    condition     = var.exporter.split_after_hours >= 1 && var.exporter.split_after_hours <= 23
    error_message = "exporter.split_after_hours: from 1 to 23."
  }
}

variable "sse_enforcer" {
  description = <<-EOT
    The sse-enforcer's settings.
    hold: when an object gets its legal hold: on_completion, on_creation or off.
    sweep: the look at the archive itself, on schedule or not (state), from the start of one to the
    start of the next (every_hours), at everything again after full_every_days. One execution is
    reserved for it, but for reserved_concurrency = false: an account whose quota is not above 100 has none.
  EOT
  default     = {}
  nullable    = false

  type = object({
    function_timeout_s   = optional(number, 300)
    visibility_timeout_s = optional(number, 600)
    hold                 = optional(string, "on_completion")
    sweep = optional(object({
      state                = optional(string, "ENABLED")
      every_hours          = optional(number, 24)
      full_every_days      = optional(number, 90)
      objects_per_second   = optional(number, 100)
      reserved_concurrency = optional(bool, true)
    }), {})
  })

  validation {
    condition     = var.sse_enforcer.function_timeout_s >= 60 && var.sse_enforcer.function_timeout_s <= 900
    error_message = "sse_enforcer.function_timeout_s: from 60 to 900."
  }
  validation {
    condition     = var.sse_enforcer.visibility_timeout_s >= var.sse_enforcer.function_timeout_s && var.sse_enforcer.visibility_timeout_s <= 43200
    error_message = "sse_enforcer.visibility_timeout_s: from function_timeout_s to 43200."
  }
  validation {
    condition     = contains(["on_completion", "on_creation", "off"], var.sse_enforcer.hold)
    error_message = "sse_enforcer.hold: on_completion, on_creation or off."
  }
  validation {
    condition     = contains(["DISABLED", "ENABLED"], var.sse_enforcer.sweep.state)
    error_message = "sse_enforcer.sweep.state: ENABLED or DISABLED."
  }
  validation {
    condition = alltrue([
      for value in [var.sse_enforcer.sweep.every_hours, var.sse_enforcer.sweep.full_every_days] : value >= 0 && value <= 9999
    ])
    error_message = "sse_enforcer.sweep.every_hours and full_every_days: from 0 to 9999."
  }
  validation {
    condition     = var.sse_enforcer.sweep.objects_per_second >= 1 && var.sse_enforcer.sweep.objects_per_second <= 9999
    error_message = "sse_enforcer.sweep.objects_per_second: from 1 to 9999."
  }
}

variable "sealer" {
  description = <<-EOT
    The sealer's settings.
    seal_after_hours: how long a date has been over before it is sealed.
    open_after_days: how long a date waits for exports that have not ended, from when they are planned on, after settle_minutes: then they are open.
    look_back_days: for how long a sealed date is looked at for truth that comes later.
    former_signing_key_arns: the key that has signed so far, where archive.signing_key_arn names another one now.
  EOT
  default     = {}
  nullable    = false

  type = object({
    seal_after_hours        = optional(number, 24)
    open_after_days         = optional(number, 3)
    look_back_days          = optional(number, 35)
    former_signing_key_arns = optional(list(string), [])
    function_timeout_s      = optional(number, 900)
    visibility_timeout_s    = optional(number, 1800)
  })

  validation {
    condition     = var.sealer.seal_after_hours >= 0 && var.sealer.seal_after_hours <= 8784
    error_message = "sealer.seal_after_hours: from 0 to 8784."
  }
  validation {
    condition     = var.sealer.open_after_days >= 0 && var.sealer.open_after_days <= 366
    error_message = "sealer.open_after_days: from 0 to 366."
  }
  validation {
    condition     = var.sealer.look_back_days >= 1 && var.sealer.look_back_days <= 366
    error_message = "sealer.look_back_days: from 1 to 366."
  }
  validation {
    condition = alltrue([
      for arn in var.sealer.former_signing_key_arns : can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", arn))
    ])
    error_message = "sealer.former_signing_key_arns: ARNs of KMS keys, not of aliases."
  }
  validation {
    condition     = var.sealer.function_timeout_s >= 60 && var.sealer.function_timeout_s <= 900
    error_message = "sealer.function_timeout_s: from 60 to 900."
  }
  validation {
    condition     = var.sealer.visibility_timeout_s >= var.sealer.function_timeout_s && var.sealer.visibility_timeout_s <= 43200
    error_message = "sealer.visibility_timeout_s: from function_timeout_s to 43200."
  }
}

variable "recount" {
  description = <<-EOT
    Whether, and for how much, what was exported is counted in CloudWatch as well.

    - state: ENABLED makes a recounter for each source.
    - share_permille: how many thousandths of what ingesting the events did cost counting may cost.
    - look_back_days: how old the start of a window may be for it to be counted.
    - revisit_days: how many days after its end a window is counted again; after 14 nothing more comes in.
    - revisit_permille: how many thousandths of what ingesting the events did cost such a look may cost; at 0 what costs nothing is counted.
    - add_mb_per_day: how many megabytes may be read again on a day of a source to add what the archive lacks; at 0 nothing is added.
    - stop_permille: where more thousandths of a date's exports lack something, nothing of the source is added.
    - lag_minutes: how long after its end a window is left alone.
    - within_hours: how long after an export was completed its date is not sealed without its recount; at 0 it is sealed without any.
  EOT
  default     = {}
  nullable    = false

  type = object({
    state            = optional(string, "DISABLED")
    share_permille   = optional(number, 10)
    look_back_days   = optional(number, 7)
    revisit_days     = optional(list(number), [3, 14])
    revisit_permille = optional(number, 0)
    add_mb_per_day   = optional(number, 500)
    stop_permille    = optional(number, 20)
    lag_minutes      = optional(number, 120)
    within_hours     = optional(number, 12)
  })

  validation {
    condition     = contains(["DISABLED", "ENABLED"], var.recount.state)
    error_message = "recount.state: DISABLED or ENABLED."
  }
  validation {
    condition     = var.recount.share_permille >= 1 && var.recount.share_permille <= 1000
    error_message = "recount.share_permille: from 1 to 1000."
  }
  validation {
    condition     = var.recount.look_back_days >= 1 && var.recount.look_back_days <= 400
    error_message = "recount.look_back_days: from 1 to 400."
  }
  validation {
    condition     = alltrue([for days in var.recount.revisit_days : days >= 1 && days <= 30 && floor(days) == days])
    error_message = "recount.revisit_days: from 1 to 30."
  }
  validation {
    condition     = var.recount.revisit_permille >= 0 && var.recount.revisit_permille <= 1000
    error_message = "recount.revisit_permille: from 0 to 1000."
  }
  validation {
    condition     = var.recount.add_mb_per_day >= 0 && var.recount.add_mb_per_day <= 100000
    error_message = "recount.add_mb_per_day: from 0 to 100000."
  }
  validation {
    condition     = var.recount.stop_permille >= 0 && var.recount.stop_permille <= 1000
    error_message = "recount.stop_permille: from 0 to 1000."
  }
  validation {
    condition     = var.recount.lag_minutes >= 0 && var.recount.lag_minutes <= 1440
    error_message = "recount.lag_minutes: from 0 to 1440."
  }
  validation {
    condition     = var.recount.within_hours >= 0 && var.recount.within_hours <= 168
    error_message = "recount.within_hours: from 0 to 168."
  }
}

variable "observability" {
  description = <<-EOT
    When something is amiss, and who is told.

    - gap_hours: for how long a window may be due without having been planned, and planned without its exports having ended.
    - plan_within_hours: within how many hours a plan of each source has to be completed.
    - page_action_arn: what the one alarm over all of the hub's notifies, such as an SNS topic; not alarm_action_arn, which would be told twice.
  EOT
  type = object({
    gap_hours         = optional(number, 25)
    plan_within_hours = optional(number, 30)
    page_action_arn   = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.observability.gap_hours >= 1 && var.observability.gap_hours <= 8760 && floor(var.observability.gap_hours) == var.observability.gap_hours
    error_message = "observability.gap_hours: a whole number from 1 to 8760."
  }
  validation {
    condition     = var.observability.plan_within_hours >= 1 && var.observability.plan_within_hours <= 168 && floor(var.observability.plan_within_hours) == var.observability.plan_within_hours
    error_message = "observability.plan_within_hours: a whole number from 1 to 168."
  }
  validation {
    condition     = var.observability.page_action_arn == null || can(regex("^arn:aws[a-z-]*:[a-z-]+:", var.observability.page_action_arn))
    error_message = "observability.page_action_arn: an ARN, or null."
  }
}

variable "sources" {
  description = <<-EOT
    The accounts whose logs are collected, by their profiles: short names, which are also their prefixes in the archive.
    role_arn: null for the role that the source-accounts module or logferry deploy-source-account makes there.
    schedule, schedule_time_zone: when the planner is asked to plan it: cron(...), rate(...) or at(...).
    schedule_flexible_minutes: how much later that may be, so that sources do not all begin at once; 0 for on time. Null for 15, and for 0 where the schedule is at(...).
    selection: which log groups, as a PlanRequest has it; null for all of them.
    window_rule: null for the days of time_zone.
  EOT
  nullable    = false

  type = map(object({
    account_id                = string
    role_arn                  = optional(string)
    schedule                  = string
    schedule_time_zone        = optional(string, "UTC")
    schedule_flexible_minutes = optional(number)
    state                     = optional(string, "ENABLED")

    selection = optional(object({
      include           = optional(list(string))
      exclude           = optional(list(string))
      tag_filters       = optional(list(object({ key = string, values = optional(list(string)) })))
      log_group_classes = optional(list(string))
    }))

    window_rule = optional(object({
      unit           = string
      time_zone      = string
      settle_minutes = optional(number)
      lookback_days  = optional(number)
    }))
  }))

  validation {
    condition     = length(var.sources) >= 1 && length(var.sources) <= 500
    error_message = "sources: 1 to 500. The archive's bucket policy has room for no more."
  }
  validation {
    condition     = alltrue([for profile in keys(var.sources) : can(regex("^[A-Za-z0-9_-]{1,32}$", profile))])
    error_message = "sources: a profile is 1 to 32 letters, digits, hyphens and underscores."
  }
  validation {
    condition     = length(distinct([for profile in keys(var.sources) : replace(lower(profile), "_", "-")])) == length(var.sources)
    error_message = "sources: profiles that differ only in case, or in - and _, would have the same stack."
  }
  validation {
    condition     = alltrue([for source in var.sources : can(regex("^[0-9]{12}$", source.account_id))])
    error_message = "sources: account_id is 12 digits, in quotes."
  }
  validation {
    condition     = length(distinct([for source in var.sources : source.account_id])) == length(var.sources)
    error_message = "sources: an account can be a source only once: it has one export task at a time."
  }
  validation {
    condition = alltrue([
      for source in var.sources :
      source.role_arn == null || can(regex("^arn:aws[a-z-]*:iam::${source.account_id}:role/[A-Za-z0-9+=,.@_/-]+$", source.role_arn))
    ])
    error_message = "sources: role_arn is the ARN of a role in the source's own account, or null."
  }
  validation {
    condition = alltrue([
      for source in var.sources : length(source.schedule) <= 256 && can(regex("^(rate\\((1 (minute|hour|day)s?|([2-9]|[1-9][0-9]+) (minute|hour|day)s)\\)|at\\([0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\\)|cron\\((\\*|[0-5]?[0-9](-[0-5]?[0-9])?)(/[1-9][0-9]*)?(,(\\*|[0-5]?[0-9](-[0-5]?[0-9])?)(/[1-9][0-9]*)?)* +(\\*|([01]?[0-9]|2[0-3])(-([01]?[0-9]|2[0-3]))?)(/[1-9][0-9]*)?(,(\\*|([01]?[0-9]|2[0-3])(-([01]?[0-9]|2[0-3]))?)(/[1-9][0-9]*)?)* +((L|(0?[1-9]|[12][0-9]|3[01])W|(\\*|(0?[1-9]|[12][0-9]|3[01])(-(0?[1-9]|[12][0-9]|3[01]))?)(/[1-9][0-9]*)?(,(\\*|(0?[1-9]|[12][0-9]|3[01])(-(0?[1-9]|[12][0-9]|3[01]))?)(/[1-9][0-9]*)?)*) +((\\*|(0?[1-9]|1[0-2]|(?i:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC))(-(0?[1-9]|1[0-2]|(?i:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)))?)(/[1-9][0-9]*)?(,(\\*|(0?[1-9]|1[0-2]|(?i:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC))(-(0?[1-9]|1[0-2]|(?i:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)))?)(/[1-9][0-9]*)?)*) +\\?|\\? +((\\*|(0?[1-9]|1[0-2]|(?i:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC))(-(0?[1-9]|1[0-2]|(?i:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)))?)(/[1-9][0-9]*)?(,(\\*|(0?[1-9]|1[0-2]|(?i:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC))(-(0?[1-9]|1[0-2]|(?i:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)))?)(/[1-9][0-9]*)?)*) +(L|([1-7]|(?i:SUN|MON|TUE|WED|THU|FRI|SAT))L|([1-7]|(?i:SUN|MON|TUE|WED|THU|FRI|SAT))#[1-5]|(\\*|([1-7]|(?i:SUN|MON|TUE|WED|THU|FRI|SAT))(-([1-7]|(?i:SUN|MON|TUE|WED|THU|FRI|SAT)))?)(,(\\*|([1-7]|(?i:SUN|MON|TUE|WED|THU|FRI|SAT))(-([1-7]|(?i:SUN|MON|TUE|WED|THU|FRI|SAT)))?))*)) +(\\*|(19[7-9][0-9]|20[0-9][0-9]|21[0-9][0-9])(-(19[7-9][0-9]|20[0-9][0-9]|21[0-9][0-9]))?)(/[1-9][0-9]*)?(,(\\*|(19[7-9][0-9]|20[0-9][0-9]|21[0-9][0-9])(-(19[7-9][0-9]|20[0-9][0-9]|21[0-9][0-9]))?)(/[1-9][0-9]*)?)*\\))$", source.schedule))
    ])
    error_message = "sources: schedule is rate(5 minutes), at(yyyy-mm-ddThh:mm:ss) or cron(...) as EventBridge Scheduler takes it, with 6 fields, one of the days a ?: minutes hours day month weekday year."
  }
  validation {
    condition = alltrue([
      for source in var.sources : source.schedule_flexible_minutes == null || try(
        source.schedule_flexible_minutes >= 0 && source.schedule_flexible_minutes <= 1440 && floor(source.schedule_flexible_minutes) == source.schedule_flexible_minutes,
        false,
      )
    ])
    error_message = "sources: schedule_flexible_minutes is a whole number from 0 to 1440, or null."
  }
  validation {
    condition     = alltrue([for source in var.sources : contains(["DISABLED", "ENABLED"], source.state)])
    error_message = "sources: state is ENABLED or DISABLED."
  }
  validation {
    condition = alltrue([
      for source in var.sources :
      contains(["day", "hour"], source.window_rule.unit) if source.window_rule != null
    ])
    error_message = "sources: window_rule.unit is day or hour."
  }
  validation {
    condition = alltrue([
      for source in var.sources :
      alltrue([for part in values(source.selection) : try(length(part) > 0, part == null)]) if source.selection != null
    ])
    error_message = "sources: a part of a selection is left out or has something in it; an empty list is neither."
  }
}
