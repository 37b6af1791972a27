# What the readings of devices need, by the inputs of the module devices. Planned against a mocked account.

mock_provider "aws" {
  source = "./tests/terraform/mocks"
}

run "readings_have_what_their_inputs_ask_for" {
  command = plan

  module {
    source = "./tests/terraform/telemetry"
  }

  assert {
    condition     = module.devices["none"].telemetry_function_name == null && module.devices["none"].alert_topic_arn == null && module.devices["none"].telemetry_topics == null && length(module.devices["none"].failures) == 0 && length(module.devices["none"].telemetry_ready) == 0
    error_message = "telemetry = null creates something"
  }

  assert {
    condition     = module.devices["default"].telemetry_function_name == "farm-telemetry" && keys(module.devices["default"].failures) == ["telemetry_failures"] && length(module.devices["default"].telemetry_ready) == 2
    error_message = "readings have more or less than a function, its failures and two rules"
  }

  assert {
    condition     = module.devices["default"].telemetry_topics == { record = "farm/record/+/+", rejected = "farm/device/rejected/+", sensor = "farm/sensor/+/+", status = "farm/device/status/+" }
    error_message = "got ${jsonencode(module.devices["default"].telemetry_topics)}"
  }

  assert {
    condition     = module.devices["own_topic"].alert_topic_arn == "arn:aws-us-gov:sns:us-gov-west-1:111122223333:on-call.fifo" && module.devices["quiet"].alert_topic_arn == null
    error_message = "a topic is created beside the given one, or without notifications"
  }

  assert {
    condition     = keys(module.devices["own_topic"].failures) == ["records_failures", "telemetry_failures"] && length(module.devices["own_topic"].telemetry_ready) == 3 && length(module.devices["quiet"].telemetry_ready) == 3
    error_message = "records are not handed on to the stream"
  }
}

run "the_function_has_the_types_and_the_rights_that_it_needs" {
  command = plan

  module {
    source = "./modules/devices"
  }

  variables {
    stack        = { name = "farm" }
    iot_endpoint = "example-ats.iot.eu-west-1.amazonaws.com"
    types        = { temperature = {} }
    telemetry    = { stream = { queue = { arn = "arn:aws:sqs:eu-west-1:111122223333:readings", url = "https://sqs/readings" } } }
    functions    = { code = { filename = "functions.zip" } }
    things_log   = { environment = { THINGS_LOG_GROUP = "/things" }, policy_json = "{}" }
    aws          = { partition = "aws", region = "eu-west-1", account_id = "111122223333" }
  }

  override_resource {
    target          = aws_sns_topic.alerts
    override_during = plan
    values          = { arn = "arn:aws:sns:eu-west-1:111122223333:farm-alerts" }
  }

  # The levels in this order: the most severe comes first.
  assert {
    condition     = jsonencode(local.reading_types.temperature.fields.temperature.levels[*].name) == jsonencode(["HIGH", "MEDIUM", "LOW"]) && local.reading_types.temperature.fields.temperature.maximum == 150 && keys(local.reading_types.status.fields) == ["battery_level"]
    error_message = "got ${jsonencode(local.reading_types)}"
  }

  assert {
    condition     = aws_sns_topic.alerts[0].name == "farm-alerts" && output.alert_topic_arn == "arn:aws:sns:eu-west-1:111122223333:farm-alerts"
    error_message = "got ${output.alert_topic_arn}"
  }

  assert {
    condition     = { for statement in data.aws_iam_policy_document.telemetry[0].statement : statement.sid => statement.actions } == { FollowDeviceShadows = toset(["iot:GetThingShadow", "iot:UpdateThingShadow"]), NotifyAlerts = toset(["sns:Publish"]), PublishRecords = toset(["iot:Publish"]) }
    error_message = "got ${jsonencode(data.aws_iam_policy_document.telemetry[0].statement)}"
  }

  assert {
    condition     = output.failures.records_failures.replay_to.queue_url == "https://sqs/readings"
    error_message = "got ${jsonencode(output.failures)}"
  }
}

run "a_stream_has_one_partition_for_each_device" {
  command = plan

  module {
    source = "./modules/topic_rule"
  }

  variables {
    name         = "farm-records"
    topic_filter = "farm/record/+/+"
    action       = { kinesis = { arn = "arn:aws:kinesis:eu-west-1:111122223333:stream/readings", name = "readings" } }
    error_queue  = { arn = "arn:aws:sqs:eu-west-1:111122223333:farm", url = "https://sqs/farm" }
    aws          = { partition = "aws", region = "eu-west-1", account_id = "111122223333" }
  }

  assert {
    condition     = one(aws_iot_topic_rule.this.kinesis).partition_key == "$${topic(4)}" && one(aws_iot_topic_rule.this.kinesis).stream_name == "readings"
    error_message = "got ${jsonencode(aws_iot_topic_rule.this.kinesis)}"
  }

  assert {
    condition     = contains(flatten([for statement in data.aws_iam_policy_document.queues.statement : statement.actions]), "kinesis:PutRecord")
    error_message = "the rule may not put records"
  }
}
