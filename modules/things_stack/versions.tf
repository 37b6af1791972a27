# What this module needs to run: Terraform alone.

terraform {
  required_version = ">= 1.11"
}
