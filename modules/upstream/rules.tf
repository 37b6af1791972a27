# With mode "rules": uplinks of known devices pass no function. The rule publishes each message again: an uplink that names its thing on the
# topic of the thing, everything else on a topic of the stack, from which another rule invokes the function. A third rule writes shadows.
#
# A rule can't look things up: it takes the name that the stack gives a thing. The function handles what may make a thing, and what is not
# for the shadow: joins, and uplinks that are simulated or the first of their session, whose counter 0 The Things Stack leaves out.

locals {
  by_rules = var.mode == "rules"

  # Not below base_topic, which the rule reads; and no other stack's, as no name of a stack has an underscore.
  function_topic = "${var.base_topic}_function"

  # By thing_name_scheme: what names a thing, and its name.
  thing_id   = var.stack.thing_name_scheme == "DevEUI" ? "end_device_ids.dev_eui" : "end_device_ids.device_id"
  thing_name = var.stack.thing_name_scheme == "DevEUI" ? "upper(${local.thing_id})" : "concat('${var.stack.name}_', ${local.thing_id})"

  # The names that the stack can give. The text in a message may be any: these are the topics that the rules may publish on.
  thing_names = var.stack.thing_name_scheme == "DevEUI" ? "????????????????" : "${var.stack.name}_*"

  # True or false whatever a message has: with an operand that is neither, AND would be Undefined.
  names_its_thing = "NOT isUndefined(${local.thing_id}) AND NOT isNull(${local.thing_id}) AND NOT isUndefined(uplink_message.f_cnt) AND isUndefined(simulated)"

  # The topic that the rule of the function reads is taken from that rule: it reads there before anything is published.
  next_topic = [for filter in local.others_filter[*] : <<-SQL
    CASE (topic() = '${var.base_topic}/uplink' AND ${local.names_its_thing}) WHEN true
    THEN concat('lorawan/', ${local.thing_name}, '/uplink')
    ELSE replace(topic(), '${var.base_topic}/', '${trimsuffix(filter, "#")}') END
  SQL
  ]

  # Fields of the shadow that an uplink has by itself, as lambda_src/thingbridge/shadow/state.py reports them.
  reported = {
    devAddr   = "end_device_ids.dev_addr"
    fCntUp    = "uplink_message.f_cnt"
    lastSeen  = "CASE isUndefined(uplink_message.received_at) WHEN true THEN received_at ELSE uplink_message.received_at END"
    sessionID = "uplink_message.session_key_id"
  }

  republish = one([for topic in local.next_topic : {
    topic  = "$${${replace(trimspace(topic), "\n", " ")}}"
    topics = ["lorawan/${local.thing_names}/uplink", "${local.function_topic}/*"]
  }])
}

module "others" {
  source = "../topic_rule"
  count  = local.by_rules ? 1 : 0

  name         = "${var.stack.name}-upstream-others"
  description  = "Messages that the rule ${var.stack.name}_upstream leaves to the function"
  select       = "replace(topic(), '${local.function_topic}/', '${var.base_topic}/') AS topic, encode(*, 'base64') AS payload"
  topic_filter = "${local.function_topic}/#"
  action       = { function = { arn = module.function.arn } }
  error_queue  = module.function.failure_queue
  alarms       = var.alarms
  aws          = var.aws
  tags         = var.tags
}

module "shadows" {
  source = "../topic_rule"
  count  = local.by_rules && var.shadow_metrics ? 1 : 0

  name         = "${var.stack.name}-upstream-shadows"
  description  = "Uplinks of the stack ${var.stack.name}, reported in the shadows of their things"
  select       = join(", ", [for field, value in local.reported : "${value} AS state.reported.${field}"])
  topic_filter = "${var.base_topic}/uplink"
  where        = local.names_its_thing
  error_queue  = module.function.failure_queue
  alarms       = var.alarms
  aws          = var.aws
  tags         = var.tags

  # $$ stands for $ in a reserved topic.
  action = { republish = {
    topic  = "$$aws/things/$${${local.thing_name}}/shadow/name/lorawan/update"
    topics = ["$aws/things/${local.thing_names}/shadow/name/lorawan/update"]
  } }
}
