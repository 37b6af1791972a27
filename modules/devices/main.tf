# Devices with an identity of their own, which connect to AWS IoT Core themselves: thing types, thing groups, and the policy that every
# certificate carries (policy.tf). The function that registers a device is in registration.tf; what devices send is read in telemetry.tf.

locals {
  # ":" can't be part of a stack's or a type's name, so no two stacks share a name.
  thing_type_names = { for type in keys(var.types) : type => "${var.stack.name}:${type}" }
  type_groups      = { for type in keys(var.types) : type => "${var.stack.name}:type:${type}" }
  location_groups  = { for location in var.locations : location => "${var.stack.name}:location:${location}" }

  # + stands for the type, then for the thing; a device has only those of its own name.
  topics = {
    configuration = "${var.stack.name}/device/config/+"
    sensor        = "${var.stack.name}/sensor/+/+"
    status        = "${var.stack.name}/device/status/+"
  }
}

resource "aws_iot_thing_type" "this" {
  for_each = var.types

  name = local.thing_type_names[each.key]
  tags = var.tags

  properties {
    description           = each.value.description
    searchable_attributes = each.value.searchable_attributes
  }
}

# All devices of a stack, by type: what is sent to the parent, such as a job, reaches each of them.
resource "aws_iot_thing_group" "devices" {
  name = "${var.stack.name}:devices"
  tags = var.tags

  properties {
    description = "Devices of the stack ${var.stack.name}"
  }
}

resource "aws_iot_thing_group" "type" {
  for_each = var.types

  name              = local.type_groups[each.key]
  parent_group_name = aws_iot_thing_group.devices.name
  tags              = var.tags

  properties {
    description = "Devices of the type ${each.key} of the stack ${var.stack.name}"
  }
}

# Beside them, as AWS IoT has no thing twice in one hierarchy of groups.
resource "aws_iot_thing_group" "location" {
  for_each = var.locations

  name = local.location_groups[each.key]
  tags = var.tags

  properties {
    description = "Devices at ${each.key} of the stack ${var.stack.name}"
  }
}

# An account and region has one index. It is written as a whole: what another place has set there is lost.
resource "aws_iot_indexing_configuration" "this" {
  count = var.fleet_indexing ? 1 : 0

  thing_indexing_configuration {
    thing_indexing_mode              = "REGISTRY_AND_SHADOW"
    thing_connectivity_indexing_mode = "STATUS"
  }

  thing_group_indexing_configuration {
    thing_group_indexing_mode = "ON"
  }
}
