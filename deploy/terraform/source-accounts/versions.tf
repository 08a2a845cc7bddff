terraform {
  required_version = ">= 1.3"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # Single accounts of an organizational unit can be targets.
      version = ">= 5.66"
    }
  }
}
