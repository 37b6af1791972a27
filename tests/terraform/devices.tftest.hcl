# Devices with certificates of their own: types, groups and the policy that ties each to its own name. Planned against a mocked account.

mock_provider "aws" {
  source = "./tests/terraform/mocks"
}

variables {
  # The longest names that there are: the policy must fit with them.
  aws          = { partition = "aws-us-gov", region = "us-gov-west-1", account_id = "111122223333" }
  stack        = { name = "a123456789b123456789c123456789d123456789e123456789f12" }
  functions    = { code = { filename = "functions.zip" } }
  iot_endpoint = "example-ats.iot.us-gov-west-1.amazonaws.com"
  things_log   = { environment = { THINGS_LOG_GROUP = "/things" }, policy_json = "{}" }
  locations    = ["hall-1"]

  types = {
    temperature = { initial_shadow_json = "{\"desired\": {\"reporting_interval\": 60}}" }
    pressure    = { description = "Pressure sensor", searchable_attributes = ["model"] }
  }
}

run "types_and_groups_belong_to_the_stack" {
  command = plan

  module {
    source = "./modules/devices"
  }

  assert {
    condition     = output.thing_type_names == { pressure = "${var.stack.name}:pressure", temperature = "${var.stack.name}:temperature" }
    error_message = "got ${jsonencode(output.thing_type_names)}"
  }

  assert {
    condition     = aws_iot_thing_type.this["temperature"].properties[0].searchable_attributes == toset(["location", "manufacturer", "model"])
    error_message = "got ${jsonencode(aws_iot_thing_type.this["temperature"].properties[0])}"
  }

  assert {
    condition     = output.groups == { all = "${var.stack.name}:devices", by_location = { hall-1 = "${var.stack.name}:location:hall-1" }, by_type = { pressure = "${var.stack.name}:type:pressure", temperature = "${var.stack.name}:type:temperature" } }
    error_message = "got ${jsonencode(output.groups)}"
  }

  assert {
    condition     = aws_iot_thing_group.type["temperature"].parent_group_name == "${var.stack.name}:devices" && aws_iot_thing_group.location["hall-1"].parent_group_name == null
    error_message = "a device would be in one hierarchy twice"
  }

  assert {
    condition     = length(aws_iot_indexing_configuration.this) == 0 && length(aws_iot_policy.own) == 0
    error_message = "what is the account's is changed without being asked for"
  }
}

run "a_device_may_use_what_has_its_own_name" {
  command = plan

  module {
    source = "./modules/devices"
  }

  assert {
    condition     = length(aws_iot_policy.this.policy) <= 2048
    error_message = "AWS takes 2048 characters; got ${length(aws_iot_policy.this.policy)}"
  }

  assert {
    condition     = alltrue([for resource in flatten(jsondecode(aws_iot_policy.this.policy).Statement[*].Resource) : length(split("$${iot:Connection.Thing.ThingName}", resource)) == 2])
    error_message = "a resource is not the device's own; got ${aws_iot_policy.this.policy}"
  }

  assert {
    condition     = jsondecode(aws_iot_policy.this.policy).Statement[0].Condition == { Bool = { "iot:Connection.Thing.IsAttached" = "true" } }
    error_message = "a certificate without a thing could connect"
  }

  # The name of the thing is filled in for MQTT alone: an action of HTTPS would promise what AWS never allows.
  assert {
    condition     = toset(flatten(jsondecode(aws_iot_policy.this.policy).Statement[*].Action)) == toset(["iot:Connect", "iot:Publish", "iot:Receive", "iot:Subscribe"])
    error_message = "got ${aws_iot_policy.this.policy}"
  }

  # The function and the command line read the policies in the order in which a certificate gets them: the one that lets it connect is last.
  assert {
    condition     = local.configuration.policies == ["${var.stack.name}-device"] && local.configuration.types.temperature.initial_shadow == { desired = { reporting_interval = 60 } } && local.configuration.types.pressure.initial_shadow == null
    error_message = "got ${jsonencode(local.configuration)}"
  }
}

run "a_policy_of_ones_own_and_the_index_are_added_on_request" {
  command = plan

  module {
    source = "./modules/devices"
  }

  variables {
    own_policy_json = "{\"Version\": \"2012-10-17\", \"Statement\": []}"
    fleet_indexing  = true
  }

  assert {
    condition     = local.configuration.policies == ["${var.stack.name}-device-own", "${var.stack.name}-device"]
    error_message = "got ${jsonencode(local.configuration.policies)}"
  }

  assert {
    condition     = aws_iot_indexing_configuration.this[0].thing_indexing_configuration[0].thing_connectivity_indexing_mode == "STATUS"
    error_message = "connectivity is not indexed"
  }
}

run "devices_register_themselves_only_on_request" {
  command = plan

  module {
    source = "./modules/devices"
  }

  assert {
    condition     = output.provisioning == null && output.provision_function_name == null && length(aws_iot_policy.claim) == 0 && length(aws_iam_role.provisioning) == 0
    error_message = "what provisions devices exists without being asked for"
  }
}

run "a_claim_may_only_provision_and_the_template_gives_what_a_registration_gives" {
  command = apply

  module {
    source = "./modules/devices"
  }

  variables {
    own_policy_json = "{\"Version\": \"2012-10-17\", \"Statement\": []}"
    provisioning    = { name_pattern = "probe-[0-9]+", just_in_time = { line-1 = { type = "pressure", location = "hall-1" } } }
  }

  assert {
    condition     = length(aws_iot_policy.claim[0].policy) <= 2048 && length(output.provisioning.template_name) <= 36 && length(output.provisioning.just_in_time_templates["line-1"]) <= 36
    error_message = "AWS takes 2048 characters for a policy, 36 for a name; got ${aws_iot_policy.claim[0].policy} and ${jsonencode(output.provisioning)}"
  }

  assert {
    condition     = length(aws_iam_role.provisioning[0].name) <= 64 && length(output.provision_function_name) <= 64
    error_message = "AWS takes 64 characters; got ${aws_iam_role.provisioning[0].name} and ${output.provision_function_name}"
  }

  # A claim is shared by many devices: it connects as no device, and has no topic but those of provisioning by this template.
  assert {
    condition     = alltrue([for resource in flatten(jsondecode(aws_iot_policy.claim[0].policy).Statement[*].Resource) : can(regex("(:client/${var.stack.name}[.]claim[.][*]|[$]aws/certificates/create(-from-csr)?/json(/[*])?|[$]aws/provisioning-templates/${output.provisioning.template_name}/provision/json(/[*])?)$", resource))])
    error_message = "a claim may do more; got ${aws_iot_policy.claim[0].policy}"
  }

  assert {
    condition     = [for resource in values(jsondecode(aws_iot_provisioning_template.claim[0].template_body).Resources) : resource.Properties.PolicyName if resource.Type == "AWS::IoT::Policy"] == ["${var.stack.name}-device-own", "${var.stack.name}-device"]
    error_message = "got ${aws_iot_provisioning_template.claim[0].template_body}"
  }

  assert {
    condition     = jsondecode(aws_iot_provisioning_template.claim[0].template_body).Resources.thing.OverrideSettings.ThingTypeName == "FAIL" && aws_iot_provisioning_template.claim[0].pre_provisioning_hook[0].payload_version == "2020-04-01" && aws_iot_provisioning_template.claim[0].pre_provisioning_hook[0].target_arn == module.provision_function[0].arn
    error_message = "a thing of another owner would be changed, or anybody admitted"
  }

  # A device gives its name and its type; the function answers with every parameter.
  assert {
    condition     = jsondecode(aws_iot_provisioning_template.claim[0].template_body).Resources.thing.Properties == { AttributePayload = { deviceType = { Ref = "Type" }, location = { Ref = "Location" } }, ThingGroups = [{ Ref = "TypeGroup" }, { Ref = "LocationGroup" }], ThingName = { Ref = "Name" }, ThingTypeName = { Ref = "ThingType" } }
    error_message = "got ${aws_iot_provisioning_template.claim[0].template_body}"
  }

  assert {
    condition     = aws_iot_provisioning_template.just_in_time["line-1"].type == "JITP" && jsondecode(aws_iot_provisioning_template.just_in_time["line-1"].template_body).Resources.thing.Properties == { AttributePayload = { deviceType = "pressure", location = "hall-1" }, ThingGroups = ["${var.stack.name}:type:pressure", "${var.stack.name}:location:hall-1"], ThingName = { Ref = "AWS::IoT::Certificate::CommonName" }, ThingTypeName = "${var.stack.name}:pressure" }
    error_message = "got ${aws_iot_provisioning_template.just_in_time["line-1"].template_body}"
  }

  # The function may be invoked by the one template that has it as its hook.
  assert {
    condition     = aws_lambda_permission.provision[0].principal == "iot.amazonaws.com" && aws_lambda_permission.provision[0].source_account == var.aws.account_id && endswith(aws_lambda_permission.provision[0].source_arn, ":provisioningtemplate/${output.provisioning.template_name}")
    error_message = "got ${jsonencode(aws_lambda_permission.provision[0])}"
  }
}

run "old_certificates_end_by_themselves_only_on_request" {
  command = plan

  module {
    source = "./modules/devices"
  }

  assert {
    condition     = output.rotations_function_name == null && length(output.rotations_ready) == 0 && length(output.failures) == 0 && !contains(keys(local.environment), "ROTATIONS_TABLE")
    error_message = "what ends certificates exists without being asked for; the function gets ${jsonencode(local.environment)}"
  }
}

run "the_command_line_finds_the_table_in_which_the_function_finds_rotations" {
  command = apply

  module {
    source = "./modules/devices"
  }

  variables {
    end_old_certificates = { after_hours = null }
  }

  assert {
    condition     = local.environment.ROTATIONS_TABLE == module.rotations[0].name && module.rotations[0].use.environment.ROTATIONS_TABLE == module.rotations[0].name
    error_message = "got ${jsonencode(local.environment)}"
  }

  assert {
    condition     = length(output.rotations_function_name) <= 64 && output.failures.rotations_failures.replay_to.function_name == output.rotations_function_name
    error_message = "AWS takes 64 characters; got ${jsonencode(output.failures)}"
  }

  # A device may need a day to show that it keeps its new credentials.
  assert {
    condition     = var.end_old_certificates.after_hours == 24
    error_message = "got ${var.end_old_certificates.after_hours}"
  }

  # It may delete certificates of things, and can't be limited to those of the stack: it may not do anything else.
  assert {
    condition     = toset(flatten(data.aws_iam_policy_document.rotations[0].statement[*].actions)) == toset(["dynamodb:Scan", "iot:AttachPolicy", "iot:AttachThingPrincipal", "iot:DeleteCertificate", "iot:DescribeCertificate", "iot:DescribeThing", "iot:DetachPolicy", "iot:DetachThingPrincipal", "iot:ListAttachedPolicies", "iot:ListThingPrincipals", "iot:UpdateCertificate"])
    error_message = "got ${jsonencode(data.aws_iam_policy_document.rotations[0].statement)}"
  }
}


run "just_in_time_names_types_and_locations_that_there_are" {
  command = plan

  module {
    source = "./modules/devices"
  }

  variables {
    provisioning = { name_pattern = "(", just_in_time = { line-1 = { type = "wind" } } }
  }

  expect_failures = [var.provisioning]
}

run "settings_must_fit_into_the_environment_of_a_function" {
  command = plan

  module {
    source = "./modules/devices"
  }

  variables {
    types = { for number in range(50) : "type-with-a-long-name-${number}" => {} }
  }

  expect_failures = [output.function_name]
}
