# The function that registers a device for whoever may invoke it: one call, one answer that holds the credentials.

locals {
  # Also read by the command line, which registers devices with the rights of the person who runs it.
  configuration = {
    ca_certificate = var.ca_certificate
    endpoint       = var.iot_endpoint
    policies       = concat(aws_iot_policy.own[*].name, [aws_iot_policy.this.name])
    region         = var.aws.region
    locations = {
      for location, group in aws_iot_thing_group.location : location => group.name
    }
    types = {
      for type, settings in var.types : type => {
        group          = aws_iot_thing_group.type[type].name
        initial_shadow = settings.initial_shadow_json == null ? null : jsondecode(settings.initial_shadow_json)
        thing_type     = aws_iot_thing_type.this[type].name
      }
    }
  }

  environment = merge(
    {
      DEVICES    = jsonencode(local.configuration)
      STACK_NAME = var.stack.name
    },
    # For the command line: it records what it rotates.
    { for table in module.rotations : "ROTATIONS_TABLE" => table.name },
  )
}

module "function" {
  source = "../function"

  name        = "${var.stack.name}-devices"
  description = "Registers a device: thing, certificate and initial shadow"
  handler     = "handlers.devices.handler"
  timeout     = 30
  functions   = var.functions
  policy_json = data.aws_iam_policy_document.rights.json
  alarms      = var.alarms
  aws         = var.aws
  tags        = var.tags

  environment = local.environment

  # A new device inherits no level of alert from an earlier one of its name.
  uses = {
    alert_states = one(module.telemetry_states[*].deletion)
  }
}

data "aws_iam_policy_document" "rights" {
  # Neither creating a certificate nor attaching one to a thing has a resource level in IAM.
  statement {
    sid = "IssueCertificates"
    actions = [
      "iot:AttachThingPrincipal",
      "iot:CreateCertificateFromCsr",
      "iot:CreateKeysAndCertificate",
      "iot:DetachThingPrincipal",
    ]
    resources = ["*"]
  }

  # A certificate's ARN holds its fingerprint, which is not known before it is created. IAM checks AttachPolicy on the certificate alone.
  statement {
    sid = "KeepDeviceCertificates"
    actions = [
      "iot:AttachPolicy",
      "iot:DeleteCertificate",
      "iot:DescribeCertificate",
      "iot:DetachPolicy",
      "iot:UpdateCertificate",
    ]
    resources = ["${local.iot_arn}:cert/*"]
  }

  # Checked on no resource that could name the certificate.
  statement {
    sid       = "ReadAttachedPolicies"
    actions   = ["iot:ListAttachedPolicies"]
    resources = ["*"]
  }

  statement {
    sid       = "RegisterDevices"
    actions   = ["iot:CreateThing", "iot:DescribeThing", "iot:ListThingPrincipals"]
    resources = ["${local.iot_arn}:thing/*"]
  }

  statement {
    sid     = "JoinGroups"
    actions = ["iot:AddThingToThingGroup"]
    resources = [
      "${local.iot_arn}:thing/*",
      "${local.iot_arn}:thinggroup/${var.stack.name}:type:*",
      "${local.iot_arn}:thinggroup/${var.stack.name}:location:*",
    ]
  }

  statement {
    sid       = "WriteInitialShadows"
    actions   = ["iot:GetThingShadow", "iot:UpdateThingShadow"]
    resources = ["${local.iot_arn}:thing/*"]
  }
}
