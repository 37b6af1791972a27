# What this module needs to run: Terraform alone (terraform_data is built in), and python3 with pip on the machine that applies.

terraform {
  required_version = ">= 1.11"
}
