# The dashboard: the state of all alarms, then a row of graphs for each capability. Each capability outputs what is to be seen of it.

locals {
  dashboard_name = "${var.stack.name}-thingbridge"
  has_dashboard  = try(var.settings.dashboard, false)

  console = lookup({ aws-cn = "console.amazonaws.cn", aws-us-gov = "console.amazonaws-us-gov.com" }, var.aws.partition, "console.aws.amazon.com")

  # A graph is 6 of 24 columns wide and 6 rows high, so four of them are a row.
  width  = 6
  height = 6

  sections = [for capability in var.observed : {
    title   = capability.title
    purpose = capability.purpose
    alarms  = concat(flatten(capability.parts[*].alarms), capability.alarms)

    graphs = [for graph in concat(
      [
        {
          title    = "Messages that rules matched"
          stat     = "Sum"
          metrics  = [for rule in flatten(capability.parts[*].rules) : ["AWS/IoT", "TopicMatch", "RuleName", rule]]
          searches = []
        },
        {
          title    = "Failures of rules"
          stat     = "Sum"
          metrics  = [for rule in flatten(capability.parts[*].rules) : ["AWS/IoT", "RuleMessageThrottled", "RuleName", rule]]
          searches = [for rule in flatten(capability.parts[*].rules) : "{AWS/IoT,RuleName,ActionType} RuleName=\"${rule}\" MetricName=\"Failure\""]
        },
        {
          title = "Invocations, errors, throttles"
          stat  = "Sum"
          metrics = [for pair in setproduct(flatten(capability.parts[*].functions), ["Invocations", "Errors", "Throttles"]) :
            ["AWS/Lambda", pair[1], "FunctionName", pair[0]]
          ]
          searches = []
        },
        {
          title    = "Duration (ms, 95 %)"
          stat     = "p95"
          metrics  = [for function in flatten(capability.parts[*].functions) : ["AWS/Lambda", "Duration", "FunctionName", function]]
          searches = []
        },
        {
          title    = "Messages that wait"
          stat     = "Maximum"
          metrics  = [for queue in flatten(capability.parts[*].queues) : ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue]]
          searches = []
        },
        {
          title    = "Age of the oldest message (s)"
          stat     = "Maximum"
          metrics  = [for queue in flatten(capability.parts[*].queues) : ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", queue]]
          searches = []
        },
        {
          title    = "Messages that failed"
          stat     = "Maximum"
          metrics  = [for queue in flatten(capability.parts[*].failures) : ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue]]
          searches = []
        },
      ],
      capability.graphs,
    ) : graph if length(graph.metrics) + length(graph.searches) > 0]
  } if length(capability.parts) + length(capability.graphs) > 0]

  # A widget shows at most 100 alarms.
  alarm_widgets = [for number, names in chunklist(flatten(local.sections[*].alarms), 100) : {
    type   = "alarm"
    x      = 0
    y      = number * local.height
    width  = 24
    height = local.height
    properties = {
      title  = "Alarms of ${var.stack.name}"
      alarms = [for name in names : "${local.alarms}:${name}"]
    }
  }]

  # A section is a line of text and its rows of graphs.
  section_heights = [for section in local.sections : 1 + local.height * ceil(length(section.graphs) / 4)]
  section_starts  = [for number, _ in local.sections : local.height * length(local.alarm_widgets) + sum(concat([0], slice(local.section_heights, 0, number)))]

  section_widgets = flatten([for number, section in local.sections : concat(
    [{
      type       = "text"
      x          = 0
      y          = local.section_starts[number]
      width      = 24
      height     = 1
      properties = { markdown = "## ${section.title}: ${section.purpose}" }
    }],
    [for place, graph in section.graphs : {
      type   = "metric"
      x      = local.width * (place % 4)
      y      = local.section_starts[number] + 1 + local.height * floor(place / 4)
      width  = local.width
      height = local.height
      properties = {
        title   = graph.title
        view    = "timeSeries"
        region  = var.aws.region
        stat    = graph.stat
        period  = 300
        metrics = concat(graph.metrics, [for search in graph.searches : [{ expression = "SEARCH('${search}', '${graph.stat}', 300)" }]])
      }
    }],
  )])
}

resource "aws_cloudwatch_dashboard" "this" {
  count = local.has_dashboard ? 1 : 0

  dashboard_name = local.dashboard_name
  dashboard_body = jsonencode({ widgets = concat(local.alarm_widgets, local.section_widgets) })
}
