# A hub and three sources: the same as ../../../examples/organization.yaml, in Terraform.

terraform {
  required_version = ">= 1.3"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.66"
    }
  }
}

locals {
  region          = "ap-northeast-2" # of the hub, its archive and the log groups
  hub_account_id  = "111122223333"
  organization_id = "o-a1b2c3d4e5" # its accounts may subscribe to the topic
  external_id     = "a-word-between-the-hub-and-its-sources"

  sources = {
    shop = { # its prefix in the archive
      account_id         = "444455556666"
      schedule           = "cron(10 3 * * ? *)"
      schedule_time_zone = "Asia/Seoul"
    }
    payments = {
      account_id  = "555566667777"
      schedule    = "rate(1 hour)"
      window_rule = { unit = "hour", time_zone = "Asia/Seoul", settle_minutes = 1440 }
      selection   = { exclude = ["/aws/lambda/*-debug", "/scratch/*"] }
    }
    platform = {
      account_id         = "777788889999"
      role_arn           = "arn:aws:iam::777788889999:role/CollectCloudWatchLogsRole" # one that exists already
      schedule           = "cron(40 3 * * ? *)"
      schedule_time_zone = "Asia/Seoul"
      state              = "DISABLED"
    }
  }
}

provider "aws" {
  region              = local.region
  allowed_account_ids = [local.hub_account_id]
}

# Stack sets are made in the organisation's management account, or in one that administers them for it.
provider "aws" {
  alias  = "management"
  region = local.region
}

module "hub" {
  source = "../../hub"

  region          = local.region
  hub_account_id  = local.hub_account_id
  organization_id = local.organization_id
  external_id     = local.external_id
  time_zone       = "Asia/Seoul" # whose days are exported
  settle_minutes  = 1440         # how long after its end a day is exported
  lookback_days   = 14           # so many days may schedules stand still without a loss
  architecture    = "arm64"
  code_keys       = var.code_keys
  sources         = local.sources
}

module "source_accounts" {
  source    = "../../source-accounts"
  providers = { aws = aws.management }

  hub_account_id  = local.hub_account_id
  organization_id = local.organization_id
  external_id     = local.external_id

  sources = {
    for profile, source in local.sources : profile => {
      account_id             = source.account_id
      organizational_unit_id = "ou-ab12-c3d4e5f6"
    }
    if !can(source.role_arn)
  }
}
