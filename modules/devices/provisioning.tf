# Devices that register themselves: by claim, with a function that admits those of a list, and just in time, with certificates of a user's own
# authority. Without provisioning, none of these exists. Claim certificates and authorities have keys of their own, so neither is created here.

locals {
  provisions = var.provisioning != null

  # AWS takes 36 characters for the name of a template. "_" can't be part of a stack's name: the line b-claim of the stack farm and the claim
  # template of the stack farm-b have different names.
  template_wanted = local.provisions ? merge(
    { claim = "${var.stack.name}-claim" },
    { for name in keys(var.provisioning.just_in_time) : "just_in_time:${name}" => "${var.stack.name}_${name}" },
  ) : {}
  template_names = { for key, name in local.template_wanted : key => length(name) <= 36 ? name : "${substr(name, 0, 27)}-${substr(sha256(name), 0, 8)}" }

  # Computed: the function's permission and the role's trust name the templates, which name both.
  template_arns = { for key, name in local.template_names : key => "${local.iot_arn}:provisioningtemplate/${name}" }

  # Roles belong to the account, not to a region. AWS takes 64 characters, and does not distinguish names by case: with a capital, the name has
  # a digest, so that the stacks farm and Farm have roles of their own.
  provisioning_role_wanted = "${var.stack.name}-fleet-${var.aws.region}"
  provisioning_role_name   = length(local.provisioning_role_wanted) <= 64 && local.provisioning_role_wanted == lower(local.provisioning_role_wanted) ? local.provisioning_role_wanted : "${substr(var.stack.name, 0, 48 - length(var.aws.region))}-fleet-${substr(sha256(var.stack.name), 0, 8)}-${var.aws.region}"

  # No device can have such a client id, as the name of a thing has no ".": a claim can't end the connection of a device.
  claim_client_ids = "${var.stack.name}.claim.*"

  # What this function and `rotations` need of the settings that they share with `devices`: a function's environment has 4 KB.
  admission = jsonencode(merge(local.configuration, { ca_certificate = null }))

  # A device gives its Name, and may give its Type. The function answers with the rest, and replaces what a device gives for it.
  claim_template = {
    Parameters = merge(
      {
        Name      = { Type = "String" }
        Type      = { Type = "String", Default = "*" }
        ThingType = { Type = "String", Default = "-" }
        TypeGroup = { Type = "String", Default = "-" }
      },
      length(var.locations) > 0 ? {
        Location      = { Type = "String", Default = "-" }
        LocationGroup = { Type = "String", Default = "-" }
      } : {},
      { "AWS::IoT::Certificate::Id" = { Type = "String" } },
    )
    Resources = merge(local.template_certificate, {
      thing = {
        Type             = "AWS::IoT::Thing"
        OverrideSettings = local.override_settings
        Properties = {
          ThingName        = { Ref = "Name" }
          ThingTypeName    = { Ref = "ThingType" }
          ThingGroups      = concat([{ Ref = "TypeGroup" }], length(var.locations) > 0 ? [{ Ref = "LocationGroup" }] : [])
          AttributePayload = merge({ deviceType = { Ref = "Type" } }, length(var.locations) > 0 ? { location = { Ref = "Location" } } : {})
        }
      }
    })
  }

  just_in_time_templates = { for name, line in try(var.provisioning.just_in_time, {}) : name => {
    Parameters = {
      "AWS::IoT::Certificate::CommonName" = { Type = "String" }
      "AWS::IoT::Certificate::Id"         = { Type = "String" }
    }
    Resources = merge(local.template_certificate, {
      thing = {
        Type             = "AWS::IoT::Thing"
        OverrideSettings = local.override_settings
        Properties = {
          ThingName        = { Ref = "AWS::IoT::Certificate::CommonName" }
          ThingTypeName    = try(local.thing_type_names[line.type], "")
          ThingGroups      = concat([try(local.type_groups[line.type], "")], [for location in line.location[*] : local.location_groups[location] if contains(var.locations, location)])
          AttributePayload = merge({ deviceType = line.type }, line.location == null ? {} : { location = line.location })
        }
      }
    })
  } }

  # A thing of another type is never changed: it belongs to another stack or another product.
  override_settings = { AttributePayload = "MERGE", ThingGroups = "MERGE", ThingTypeName = "FAIL" }

  template_certificate = merge(
    { certificate = { Type = "AWS::IoT::Certificate", Properties = { CertificateId = { Ref = "AWS::IoT::Certificate::Id" }, Status = "ACTIVE" } } },
    { for number, policy in local.configuration.policies : "policy${number + 1}" => { Type = "AWS::IoT::Policy", Properties = { PolicyName = policy } } },
  )
}

resource "aws_iot_provisioning_template" "claim" {
  count = local.provisions ? 1 : 0

  name                  = local.template_names["claim"]
  description           = "Devices of the stack ${var.stack.name}, provisioned by claim"
  enabled               = true
  provisioning_role_arn = aws_iam_role.provisioning[0].arn
  template_body         = jsonencode(local.claim_template)
  tags                  = var.tags

  pre_provisioning_hook {
    payload_version = "2020-04-01"
    target_arn      = module.provision_function[0].arn
  }

  depends_on = [aws_iam_role_policy.provisioning, aws_lambda_permission.provision]
}

# AWS runs no function before it provisions just in time: who gets a certificate of the authority is the list.
resource "aws_iot_provisioning_template" "just_in_time" {
  for_each = local.just_in_time_templates

  name                  = local.template_names["just_in_time:${each.key}"]
  description           = "Devices of the stack ${var.stack.name}, provisioned just in time: ${each.key}"
  enabled               = true
  type                  = "JITP"
  provisioning_role_arn = aws_iam_role.provisioning[0].arn
  template_body         = jsonencode(each.value)
  tags                  = var.tags

  depends_on = [aws_iam_role_policy.provisioning]
}

# The policy of claim certificates: the topics of provisioning by this template, and nothing else.
resource "aws_iot_policy" "claim" {
  count = local.provisions ? 1 : 0

  name = "${var.stack.name}-claim"
  tags = var.tags

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = "iot:Connect"
        Resource = "${local.iot_arn}:client/${local.claim_client_ids}"
      },
      {
        Effect = "Allow"
        Action = "iot:Publish"
        Resource = [for request in [
          "certificates/create",
          "certificates/create-from-csr",
          "provisioning-templates/${local.template_names["claim"]}/provision",
        ] : "${local.iot_arn}:topic/$aws/${request}/json"]
      },
      {
        Effect = "Allow"
        Action = ["iot:Receive", "iot:Subscribe"]
        Resource = flatten([for request in [
          "certificates/create",
          "certificates/create-from-csr",
          "provisioning-templates/${local.template_names["claim"]}/provision",
        ] : [for kind in ["topic", "topicfilter"] : "${local.iot_arn}:${kind}/$aws/${request}/json/*"]])
      },
    ]
  })

  timeouts {
    delete = "6m"
  }
}

# Admission: one function, and the list that it reads.

module "provision_function" {
  source = "../function"
  count  = local.provisions ? 1 : 0

  # AWS waits five seconds for its answer.
  name        = "${var.stack.name}-provision"
  description = "Admits devices that provision themselves: those of the list, each once"
  handler     = "handlers.provision.handler"
  timeout     = 5
  functions   = var.functions
  policy_json = data.aws_iam_policy_document.provision[0].json
  alarms      = var.alarms
  aws         = var.aws
  tags        = var.tags

  environment = {
    DEVICES      = local.admission
    NAME_PATTERN = var.provisioning.name_pattern
    STACK_NAME   = var.stack.name
  }

  uses = {
    allowed    = module.allowed_devices[0].use
    things_log = var.things_log
  }
}

# It can be restored: without it, nobody knows which names were used.
module "allowed_devices" {
  source = "../table"
  count  = local.provisions ? 1 : 0

  name                   = "${var.stack.name}-allowed-devices"
  hash_key               = "thing"
  point_in_time_recovery = true
  use                    = { sid = "AdmitAllowedDevices", environment_variable = "ALLOWED_DEVICES_TABLE" }
  aws                    = var.aws
  tags                   = var.tags
}

resource "aws_lambda_permission" "provision" {
  count = local.provisions ? 1 : 0

  statement_id   = "template"
  action         = "lambda:InvokeFunction"
  function_name  = module.provision_function[0].name
  principal      = "iot.amazonaws.com"
  source_arn     = local.template_arns["claim"]
  source_account = var.aws.account_id
}

data "aws_iam_policy_document" "provision" {
  count = local.provisions ? 1 : 0

  statement {
    sid       = "LookForThings"
    actions   = ["iot:DescribeThing"]
    resources = ["${local.iot_arn}:thing/*"]
  }

  statement {
    sid       = "WriteInitialShadows"
    actions   = ["iot:GetThingShadow", "iot:UpdateThingShadow"]
    resources = ["${local.iot_arn}:thing/*"]
  }
}

# What AWS IoT may do to provision a device: create and add, and take nothing away.

data "aws_iam_policy_document" "provisioning_trust" {
  count = local.provisions ? 1 : 0

  statement {
    sid     = "TheseTemplatesAssume"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["iot.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.aws.account_id]
    }
  }
}

resource "aws_iam_role" "provisioning" {
  count = local.provisions ? 1 : 0

  name                 = local.provisioning_role_name
  path                 = var.aws.roles.path
  description          = "Role in which AWS IoT provisions devices of the stack ${var.stack.name}"
  assume_role_policy   = data.aws_iam_policy_document.provisioning_trust[0].json
  permissions_boundary = var.aws.roles.permissions_boundary_arn
  tags                 = var.tags
}

data "aws_iam_policy_document" "provisioning" {
  count = local.provisions ? 1 : 0

  statement {
    sid       = "ProvisionThings"
    actions   = ["iot:CreateThing", "iot:DescribeThing", "iot:ListThingGroupsForThing", "iot:ListThingPrincipals", "iot:UpdateThing"]
    resources = ["${local.iot_arn}:thing/*"]
  }

  statement {
    sid     = "ProvisionIntoGroups"
    actions = ["iot:AddThingToThingGroup", "iot:DescribeThingGroup"]
    resources = [
      "${local.iot_arn}:thing/*",
      "${local.iot_arn}:thinggroup/${var.stack.name}:type:*",
      "${local.iot_arn}:thinggroup/${var.stack.name}:location:*",
    ]
  }

  statement {
    sid       = "ReadTypesAndPolicies"
    actions   = ["iot:DescribeThingType", "iot:GetPolicy"]
    resources = concat(["${local.iot_arn}:thingtype/${var.stack.name}:*"], [for policy in local.configuration.policies : "${local.iot_arn}:policy/${policy}"])
  }

  statement {
    sid       = "ActivateCertificates"
    actions   = ["iot:AttachPolicy", "iot:DescribeCertificate", "iot:UpdateCertificate"]
    resources = ["${local.iot_arn}:cert/*"]
  }

  # No resource level in IAM, or none that names the certificate.
  statement {
    sid = "RegisterCertificates"
    actions = [
      "iot:AttachPrincipalPolicy",
      "iot:AttachThingPrincipal",
      "iot:ListAttachedPolicies",
      "iot:ListPrincipalPolicies",
      "iot:ListPrincipalThings",
      "iot:RegisterCertificate",
      "iot:RegisterThing",
    ]
    resources = ["*"]
  }
}

resource "aws_iam_role_policy" "provisioning" {
  # checkov:skip=CKV_AWS_289: the actions that register certificates have no resource level in IAM, or none that names the certificate
  # checkov:skip=CKV_AWS_355: the actions that register certificates have no resource level in IAM, or none that names the certificate

  count = local.provisions ? 1 : 0

  name   = "rights"
  role   = aws_iam_role.provisioning[0].name
  policy = data.aws_iam_policy_document.provisioning[0].json
}
