variable "name" {
  description = "As the hub's."
  type        = string
  default     = "logferry"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,18}[a-z0-9]$", var.name))
    error_message = "name: 2 to 20 lower-case letters, digits and hyphens, beginning with a letter and not ending with a hyphen."
  }
}

variable "hub_account_id" {
  description = "The account of the archive and the services."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.hub_account_id))
    error_message = "hub_account_id: 12 digits, in quotes."
  }
}

variable "organization_id" {
  description = "The organisation that the hub has to be in; null for any."
  type        = string
  default     = null

  validation {
    condition     = var.organization_id == null || can(regex("^o-[a-z0-9]{10,32}$", var.organization_id))
    error_message = "organization_id: an organisation's id such as o-a1b2c3d4e5, or null."
  }
}

variable "external_id" {
  description = "What the hub has to say to be let in; null for nothing."
  type        = string
  default     = null

  validation {
    condition     = var.external_id == null || can(regex("^[A-Za-z0-9+=,.@:/_-]+$", var.external_id)) && try(length(var.external_id) >= 2 && length(var.external_id) <= 1224, false)
    error_message = "external_id: 2 to 1,224 letters, digits and characters of +=,.@:/_-, or null."
  }
}

variable "provisioning" {
  description = "As the hub's: whether exporters that the planner has made are let in, ENABLED or DISABLED."
  type        = string
  default     = "DISABLED"
  nullable    = false

  validation {
    condition     = contains(["DISABLED", "ENABLED"], var.provisioning)
    error_message = "provisioning: ENABLED or DISABLED."
  }
}

variable "sources" {
  description = <<-EOT
    The account of each source by its profile: those of the hub's sources that have no role_arn of their own.
    organizational_unit_id: the unit that has the account, directly or not; the organisation's root has all.
  EOT
  nullable    = false

  type = map(object({
    account_id             = string
    organizational_unit_id = string
  }))

  validation {
    condition     = alltrue([for profile in keys(var.sources) : can(regex("^[A-Za-z0-9_-]{1,32}$", profile))])
    error_message = "sources: a profile is 1 to 32 letters, digits, hyphens and underscores."
  }
  validation {
    condition     = alltrue([for source in var.sources : can(regex("^[0-9]{12}$", source.account_id))])
    error_message = "sources: account_id is 12 digits, in quotes."
  }
  validation {
    condition     = length(distinct([for source in var.sources : source.account_id])) == length(var.sources)
    error_message = "sources: an account can be a source only once."
  }
  validation {
    condition = alltrue([
      for source in var.sources : can(regex("^(ou-[a-z0-9]{4,32}-[a-z0-9]{8,32}|r-[a-z0-9]{4,32})$", source.organizational_unit_id))
    ])
    error_message = "sources: organizational_unit_id is such as ou-ab12-c3d4e5f6, or r-ab12 for the root."
  }
}

variable "unlisted_profile" {
  description = "The profile of accounts that join an organizational unit before they are in sources. No exporter has it, so only the planner gets in there."
  type        = string
  default     = "unlisted"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9_-]{1,32}$", var.unlisted_profile))
    error_message = "unlisted_profile: 1 to 32 lower-case letters, digits, hyphens and underscores."
  }
}

variable "call_as" {
  description = "SELF in the organisation's management account, DELEGATED_ADMIN in an account that administers stack sets for it."
  type        = string
  default     = "SELF"
  nullable    = false

  validation {
    condition     = contains(["DELEGATED_ADMIN", "SELF"], var.call_as)
    error_message = "call_as: SELF or DELEGATED_ADMIN."
  }
}
