# Which alarms there are, what they do, and what the dashboard shows, by the inputs. Planned against a mocked account.

mock_provider "aws" {
  source = "./tests/terraform/mocks"
}

run "alarms_and_dashboard_are_what_the_inputs_ask_for" {
  command = plan

  module {
    source = "./tests/terraform/alarms"
  }

  assert {
    condition     = module.observability["none"].alarms == null && module.observability["none"].topic_arn == null && module.observability["none"].dashboard == null && module.observability["none"].silence_minutes == null
    error_message = "something exists without observability"
  }

  # Without actions of one's own, there is a topic; with them, only for addresses.
  assert {
    condition     = length(module.observability["default"].alarms.actions) == 1 && length(module.observability["default"].alarms.ok_actions) == 0 && module.observability["default"].alarms.runbook == "docs/alarms.md"
    error_message = "alarms notify a topic that is created, when a fault begins"
  }

  assert {
    condition     = module.observability["actions"].topic_arn == null && module.observability["actions"].dashboard == null && module.observability["actions"].alarms.ok_actions == tolist(["arn:aws-us-gov:sns:us-gov-west-1:111122223333:on-call"])
    error_message = "got ${jsonencode(module.observability["actions"])}"
  }

  assert {
    condition     = length(module.observability["both"].alarms.actions) == 2
    error_message = "addresses are notified beside the actions"
  }

  assert {
    condition     = module.observability["default"].dashboard == { name = "farm-thingbridge", url = "https://console.amazonaws-us-gov.com/cloudwatch/home?region=us-gov-west-1#dashboards/dashboard/farm-thingbridge" }
    error_message = "got ${jsonencode(module.observability["default"].dashboard)}"
  }

  assert {
    condition     = length(flatten(concat(module.upstream["none"].observed.parts[*].alarms, [module.upstream["none"].observed.alarms]))) == 0
    error_message = "alarms exist without what they do"
  }

  assert {
    condition     = sort(flatten(module.upstream["default"].observed.parts[*].alarms)) == tolist(["farm-upstream-duration", "farm-upstream-errors", "farm-upstream-failures", "farm-upstream-rule-failures", "farm-upstream-rule-throttled", "farm-upstream-throttles", "farm-waiting-age", "farm-waiting-dead-letters", "farm-waiting-duration", "farm-waiting-errors", "farm-waiting-throttles"]) && length(module.upstream["default"].observed.alarms) == 0
    error_message = "got ${jsonencode(module.upstream["default"].observed)}"
  }

  # In batches, what fails often enough is a dead letter of the queue.
  assert {
    condition     = setsubtract(flatten(module.upstream["all"].observed.parts[*].alarms), flatten(module.upstream["default"].observed.parts[*].alarms)) == toset(["farm-upstream-age", "farm-upstream-dead-letters"])
    error_message = "got ${jsonencode(module.upstream["all"].observed)}"
  }

  assert {
    condition     = module.upstream["all"].observed.alarms == ["farm-upstream-connection", "farm-upstream-silence"]
    error_message = "got ${jsonencode(module.upstream["all"].observed.alarms)}"
  }

  # The function waits for the pace by design: its duration is not a fault.
  assert {
    condition     = module.downlink["none"].observed.alarms == [] && length(flatten(module.downlink["none"].observed.parts[*].alarms)) == 0
    error_message = "alarms exist without what they do"
  }

  assert {
    condition     = sort(flatten([module.downlink["all"].observed.parts[*].alarms, module.downlink["all"].observed.alarms])) == tolist(["farm-downlink-age", "farm-downlink-dead-letters", "farm-downlink-errors", "farm-downlink-rule-failures", "farm-downlink-rule-throttled", "farm-downlink-stream", "farm-downlink-throttles", "farm-downlink_push-rule-failures", "farm-downlink_push-rule-throttled", "farm-downlink_replace-rule-failures", "farm-downlink_replace-rule-throttled", "farm-sending-age", "farm-sending-dead-letters"])
    error_message = "got ${jsonencode(module.downlink["all"].observed)}"
  }

  # The comparison uses its time by design: its duration is not a fault.
  assert {
    condition     = sort(flatten([module.registry.observed.parts[*].alarms, module.registry.observed.alarms])) == tolist(["farm-comparison-drift", "farm-comparison-failed", "farm-comparison-refused", "farm-devices-silent", "farm-ends-soon", "farm-new-version", "farm-registry-age", "farm-registry-dead-letters", "farm-registry-duration", "farm-registry-errors", "farm-registry-rule-failures", "farm-registry-rule-throttled", "farm-registry-throttles", "farm-sync-age", "farm-sync-dead-letters", "farm-sync-errors", "farm-sync-throttles"])
    error_message = "got ${jsonencode(module.registry.observed)}"
  }

  assert {
    condition     = length(module.devices["none"].observed.alarms) == 0 && module.devices["all"].observed.alarms == ["farm-alerts-not-delivered", "farm-provisioning-refused", "farm-readings-refused", "farm-records-failures"]
    error_message = "got ${jsonencode(module.devices["all"].observed.alarms)}"
  }

  # Shadows that are written at once have nothing of their own.
  assert {
    condition     = length(module.shadow.observed.parts) == 0
    error_message = "got ${jsonencode(module.shadow.observed)}"
  }
}

run "silence_and_a_full_connection_are_seen_within_minutes" {
  command = plan

  module {
    source = "./modules/upstream"
  }

  variables {
    stack                = { name = "farm-1" }
    base_topic           = "thethings/lorawan/farm-1"
    iot_endpoint         = "example-ats.iot.eu-west-1.amazonaws.com"
    directory            = { environment = {}, policy_json = "{}" }
    shadow               = { environment = {}, policy_json = "{}" }
    silence_minutes      = 30
    publishes_per_second = 100
    alarms               = { actions = ["arn:aws:sns:eu-west-1:111122223333:on-call"] }
    functions            = { code = { filename = "functions.zip" } }
    things_log           = { environment = { THINGS_LOG_GROUP = "/things" }, policy_json = "{}" }
    aws                  = { partition = "aws", region = "eu-west-1", account_id = "111122223333" }
  }

  # Many short periods, not a long one: CloudWatch looks some periods further back when data is missing.
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["silence"].period * aws_cloudwatch_metric_alarm.this["silence"].evaluation_periods == 30 * 60 && aws_cloudwatch_metric_alarm.this["silence"].treat_missing_data == "breaching" && aws_cloudwatch_metric_alarm.this["silence"].comparison_operator == "LessThanThreshold"
    error_message = "got ${jsonencode(aws_cloudwatch_metric_alarm.this["silence"])}"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["connection"].threshold == 4800 && aws_cloudwatch_metric_alarm.this["connection"].dimensions == tomap({ RuleName = "farm_1_upstream" })
    error_message = "got ${jsonencode(aws_cloudwatch_metric_alarm.this["connection"])}"
  }

  assert {
    condition     = endswith(aws_cloudwatch_metric_alarm.this["silence"].alarm_description, " docs/alarms.md#silence") && aws_cloudwatch_metric_alarm.this["silence"].alarm_actions == toset(["arn:aws:sns:eu-west-1:111122223333:on-call"])
    error_message = "got ${aws_cloudwatch_metric_alarm.this["silence"].alarm_description}"
  }
}

run "only_alarms_of_the_stack_may_use_topic_and_key" {
  command = plan

  module {
    source = "./modules/observability"
  }

  variables {
    stack    = { name = "farm" }
    settings = { emails = ["a@example.com", "b@example.com"] }
    aws      = { partition = "aws", region = "eu-west-1", account_id = "111122223333" }
  }

  assert {
    condition = alltrue([for statement in concat(data.aws_iam_policy_document.topic[0].statement, slice(data.aws_iam_policy_document.key[0].statement, 1, 2)) :
      { for condition in statement.condition : condition.variable => one(condition.values) } == { "aws:SourceAccount" = "111122223333", "aws:SourceArn" = "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:farm-*" }
    ])
    error_message = "got ${jsonencode(data.aws_iam_policy_document.topic[0].statement)} and ${jsonencode(data.aws_iam_policy_document.key[0].statement)}"
  }

  assert {
    condition     = keys(aws_sns_topic_subscription.email) == ["a@example.com", "b@example.com"] && aws_kms_key.alarms[0].enable_key_rotation && aws_kms_alias.alarms[0].name == "alias/farm-alarms"
    error_message = "got ${jsonencode(keys(aws_sns_topic_subscription.email))}"
  }

  # With nothing to be seen, the dashboard is empty and yet valid.
  assert {
    condition     = jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body) == { widgets = [] }
    error_message = "got ${aws_cloudwatch_dashboard.this[0].dashboard_body}"
  }
}

run "a_key_of_the_user_serves_the_topic_and_none_is_created" {
  command = plan

  module {
    source = "./modules/observability"
  }

  variables {
    stack    = { name = "farm" }
    settings = {}
    aws      = { partition = "aws", region = "eu-west-1", account_id = "111122223333", kms_key = { arn = "arn:aws:kms:eu-west-1:111122223333:key/1" } }
  }

  assert {
    condition     = length(aws_kms_key.alarms) == 0 && aws_sns_topic.alarms[0].kms_master_key_id == "arn:aws:kms:eu-west-1:111122223333:key/1"
    error_message = "got ${aws_sns_topic.alarms[0].kms_master_key_id}"
  }
}

run "graphs_stand_beside_each_other_and_none_is_empty" {
  command = plan

  module {
    source = "./modules/observability"
  }

  variables {
    stack    = { name = "farm" }
    settings = { alarm_actions = ["arn:aws:sns:eu-west-1:111122223333:on-call"] }
    aws      = { partition = "aws", region = "eu-west-1", account_id = "111122223333" }

    observed = [
      { title = "nothing", purpose = "nothing", alarms = [], graphs = [], parts = [] },
      {
        title   = "first"
        purpose = "functions"
        alarms  = ["farm-drift"]
        graphs  = [{ title = "Own", stat = "Maximum", metrics = [["Thingbridge", "Drift", "StackName", "farm"]], searches = [] }]
        parts   = [{ alarms = ["farm-a-errors"], failures = ["farm-a-failures"], functions = ["farm-a"], queues = ["farm-a"], rules = [] }]
      },
      { title = "second", purpose = "rules", alarms = [], graphs = [], parts = [{ alarms = [], failures = [], functions = [], queues = [], rules = ["farm_b"] }] },
    ]
  }

  assert {
    condition = [for widget in jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets : "${widget.type} ${widget.x} ${widget.y}"] == [
      "alarm 0 0",
      "text 0 6", "metric 0 7", "metric 6 7", "metric 12 7", "metric 18 7", "metric 0 13", "metric 6 13",
      "text 0 19", "metric 0 20", "metric 6 20",
    ]
    error_message = "got ${aws_cloudwatch_dashboard.this[0].dashboard_body}"
  }

  assert {
    condition     = jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets[0].properties.alarms == ["arn:aws:cloudwatch:eu-west-1:111122223333:alarm:farm-a-errors", "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:farm-drift"]
    error_message = "got ${aws_cloudwatch_dashboard.this[0].dashboard_body}"
  }

  assert {
    condition     = jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets[10].properties.metrics == [["AWS/IoT", "RuleMessageThrottled", "RuleName", "farm_b"], [{ expression = "SEARCH('{AWS/IoT,RuleName,ActionType} RuleName=\"farm_b\" MetricName=\"Failure\"', 'Sum', 300)" }]]
    error_message = "got ${aws_cloudwatch_dashboard.this[0].dashboard_body}"
  }
}
