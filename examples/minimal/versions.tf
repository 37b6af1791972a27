# What this example needs to run.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
}

# Region, credentials and endpoint come from the environment.
provider "aws" {}
