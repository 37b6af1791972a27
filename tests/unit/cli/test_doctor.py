"""`thingbridge doctor`: an account in process with one fault, which the first ✗ names."""

import io
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from cli.doctor import examination
from tests.unit.cli.conftest import Result, Run
from tests.unit.conftest import Response
from thingbridge.aws.clients import Clients

HEALTHY = [{"what": "API key", "found": "valid", "fix": None}]
EXTERNAL_ID = "b5b5a2a0"


@dataclass
class Functions:
    """AWS Lambda, which no account in process has without containers. `states` and `sources` by the end of the name."""

    stack: str = "Farm"
    states: dict[str, dict[str, str]] = field(default_factory=dict)
    missing: set[str] = field(default_factory=lambda: set(examination.OPTIONAL_FUNCTIONS))
    sources: dict[str, str] = field(default_factory=dict)
    diagnosis: dict[str, Any] = field(default_factory=lambda: {"mode": "webhook", "findings": HEALTHY})
    error: str | None = None

    def configuration(self, params: dict[str, Any], **_: Any) -> tuple[Response, dict[str, Any]]:
        end = params["url_path"].split("/")[3].removeprefix(f"{self.stack}-")
        if end in self.missing:
            return refused(404, "ResourceNotFoundException")
        environment = {"Variables": {"THING_TYPE_NAME": "lorawan"}}
        return Response(200), {"State": "Active", "Environment": environment, **self.states.get(end, {})}

    def mappings(self, params: dict[str, Any], **_: Any) -> tuple[Response, dict[str, Any]]:
        end = params["query_string"]["FunctionName"].removeprefix(f"{self.stack}-")
        state = self.sources.get(end)
        found = [{"EventSourceArn": f"arn:aws:sqs:eu-west-1:1:Farm-{end}", "State": state}] if state else []
        return Response(200), {"EventSourceMappings": found}

    def invoke(self, params: dict[str, Any], **_: Any) -> tuple[Response, dict[str, Any]]:
        assert json.loads(params["body"]) == {"resource": "diagnosis"}
        answer: Any = {"errorMessage": self.error} if self.error else self.diagnosis
        failed = {"FunctionError": "Unhandled"} if self.error else {}
        return Response(200), {"Payload": io.BytesIO(json.dumps(answer).encode()), **failed}


@dataclass
class Granted:
    """Service Quotas by code; the use of what is called per second is in AWS's own metrics."""

    values: dict[str, float] = field(default_factory=dict)
    readable: bool = True

    def quota(self, params: dict[str, Any], **_: Any) -> tuple[Response, dict[str, Any]]:
        code = json.loads(params["body"])["QuotaCode"]
        if not self.readable:
            return refused(403, "AccessDeniedException")
        if code not in self.values:
            return refused(404, "NoSuchResourceException")
        usage = {"MetricNamespace": "AWS/Usage", "MetricName": "CallCount", "MetricDimensions": {"Resource": code}}
        return Response(200), {"Quota": {"Value": self.values[code], "UsageMetric": usage}}


def refused(status: int, name: str) -> tuple[Response, dict[str, Any]]:
    return Response(status), {"Error": {"Code": name, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}}


@dataclass
class Account:
    """A stack in which all is well, to be broken."""

    clients: Clients
    functions: Functions
    granted: Granted = field(default_factory=Granted)
    skew: float = 0.0
    events: bool = True

    def rule(self, end: str) -> str:
        return f"Farm_{end}"

    def identity(self, **_: Any) -> tuple[Response, dict[str, Any]]:
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=self.skew), usegmt=True)
        return Response(200), {"ResponseMetadata": {"HTTPHeaders": {"date": date}}}

    def event_configurations(self, **_: Any) -> tuple[Response, dict[str, Any]]:
        return Response(200), {"eventConfigurations": {"THING": {"Enabled": self.events}}}

    def used(self, namespace: str, name: str, value: float, **dimensions: str) -> None:
        """A metric had a value a minute ago."""
        named = [{"Name": each, "Value": of} for each, of in dimensions.items()]
        at = datetime.now(UTC) - timedelta(minutes=1)
        metric = {"MetricName": name, "Value": value, "Timestamp": at, "Dimensions": named}
        self.clients("cloudwatch").put_metric_data(Namespace=namespace, MetricData=[metric])

    def log(self, function: str, **entry: Any) -> None:
        logs, group = self.clients("logs"), f"/aws/lambda/Farm-{function}"
        logs.create_log_group(logGroupName=group)
        logs.create_log_stream(logGroupName=group, logStreamName="one")
        event = {"timestamp": int(time.time() * 1000), "message": json.dumps(entry)}
        logs.put_log_events(logGroupName=group, logStreamName="one", logEvents=[event])


@pytest.fixture
def account(stack: Any, clients: Clients) -> Account:
    made = Account(clients, Functions())
    for operation, answer in (
        ("lambda.GetFunctionConfiguration", made.functions.configuration),
        ("lambda.ListEventSourceMappings", made.functions.mappings),
        ("lambda.Invoke", made.functions.invoke),
    ):
        clients("lambda").meta.events.register(f"before-call.{operation}", answer)
    clients("service-quotas").meta.events.register("before-call.service-quotas.GetServiceQuota", made.granted.quota)
    clients("sts").meta.events.register("before-call.sts.GetCallerIdentity", made.identity)
    iot = clients("iot")
    for end in examination.RULES:
        iot.create_topic_rule(ruleName=made.rule(end), topicRulePayload={"sql": "SELECT *", "actions": []})
    searchable = {"searchableAttributes": ["devEUI", "stackName", "deviceID"]}
    iot.create_thing_type(thingTypeName="lorawan", thingTypeProperties=searchable)
    iot.meta.events.register("before-call.iot.DescribeEventConfigurations", made.event_configurations)
    clients("sqs").create_queue(QueueName="Farm-upstream-failures")
    return made


def faults(result: Result) -> list[dict[str, Any]]:
    return [each for each in json.loads(result.stdout) if not each["ok"]]


def test_a_stack_in_which_all_is_well_ends_with_success(run: Run, account: Account) -> None:
    done = run("doctor", "--json")
    assert (done.exit_code, faults(done)) == (0, [])
    assert [each["what"] for each in json.loads(done.stdout)] == [
        *("clock", "functions", "rules", "registry events", "thing type lorawan", "API key"),
        *("quotas", "messages", "queues of failures", "comparison"),
    ]
    table = run("doctor")
    assert table.exit_code == 0
    assert "✗" not in table.output


def ahead(account: Account) -> None:
    account.skew = -600


def function_missing(account: Account) -> None:
    account.functions.missing.add("downlink")


def function_failed(account: Account) -> None:
    account.functions.states["upstream"] = {"State": "Failed", "StateReason": "The key is disabled"}


def update_failed(account: Account) -> None:
    account.functions.states["registry"] = {"LastUpdateStatus": "Failed", "LastUpdateStatusReason": "Invalid zip"}


def source_disabled(account: Account) -> None:
    account.functions.sources["registry"] = "Disabled"


def rule_disabled(account: Account) -> None:
    account.clients("iot").disable_topic_rule(ruleName="Farm_upstream")


def rule_deleted(account: Account) -> None:
    account.clients("iot").delete_topic_rule(ruleName="Farm_registry")


def events_off(account: Account) -> None:
    account.events = False


def type_deprecated(account: Account) -> None:
    account.clients("iot").deprecate_thing_type(thingTypeName="lorawan")


def type_missing(account: Account) -> None:
    account.clients("iot").delete_thing_type(thingTypeName="lorawan")


def key_refused(account: Account) -> None:
    fault = {"what": "API key", "found": "The Things Stack refuses it", "fix": "give another"}
    account.functions.diagnosis = {"mode": "webhook", "findings": [fault]}


def configure_fails(account: Account) -> None:
    account.functions.error = "Task timed out after 60.00 seconds"


def role_missing(account: Account) -> None:
    role = "arn:aws:iam::111122223333:role/Farm-things-stack"
    account.functions.diagnosis = {"mode": "pubsub", "role_arn": role, "external_id": None, "findings": HEALTHY}


def role_of_another(account: Account) -> None:
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::1:root"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    made = account.clients("iam").create_role(RoleName="Farm-things-stack", AssumeRolePolicyDocument=document)
    role = made["Role"]["Arn"]
    account.functions.diagnosis = {"mode": "pubsub", "role_arn": role, "external_id": "another", "findings": HEALTHY}


def concurrency_is_used_up(account: Account) -> None:
    account.used("AWS/Lambda", "ConcurrentExecutions", 850)


def a_new_account(account: Account) -> None:
    account.granted.values["L-B99A9384"] = 10
    account.used("AWS/Lambda", "ConcurrentExecutions", 9)


def rules_are_used_up(account: Account) -> None:
    account.granted.values["L-954FA751"] = len(examination.RULES) + 1


def things_are_created_fast(account: Account) -> None:
    account.granted.values["L-64CBACAC"] = 50
    account.used("AWS/Usage", "CallCount", 41 * 60, Resource="L-64CBACAC")


def searches_above_the_quota(account: Account) -> None:
    account.functions.states["sync"] = {"Environment": {"Variables": {"LIST_THINGS_RATE": "16"}}}
    account.functions.missing.discard("sync")


def a_full_connection(account: Account) -> None:
    name = "/thethings/lorawan/Farm/configure/wanted/integration"
    account.clients("ssm").put_parameter(Name=name, Value='{"mode": "mqtt"}', Type="String")
    account.used("AWS/IoT", "TopicMatch", 85 * 60, RuleName="Farm_upstream")


def shadows_are_written_fast(account: Account) -> None:
    for protocol in ("HTTP", "MQTT"):
        account.used("AWS/IoT", "UpdateThingShadow.Accepted", 170 * 60, Protocol=protocol)


def message_failed(account: Account) -> None:
    sqs = account.clients("sqs")
    url = sqs.get_queue_url(QueueName="Farm-upstream-failures")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="{}")


def comparison_failed(account: Account) -> None:
    account.functions.missing.discard("sync")
    account.log("sync", event="synchronised", Failed=2)


def deletions_refused(account: Account) -> None:
    account.functions.missing.discard("sync")
    account.log("sync", event="synchronised", Refused=40)


@pytest.mark.parametrize(
    ("fault", "what", "found", "fix"),
    [
        (ahead, "clock", " s ahead of AWS's", "set the clock"),
        (function_missing, "function Farm-downlink", "does not exist", "terraform apply"),
        (function_failed, "function Farm-upstream", "Failed: The key is disabled", "terraform apply"),
        (update_failed, "function Farm-registry", "Invalid zip", "terraform apply"),
        (source_disabled, "function Farm-registry", "gets nothing from Farm-registry (Disabled)", "event source"),
        (rule_disabled, "rule Farm_upstream", "is disabled", "enable-topic-rule --rule-name Farm_upstream"),
        (rule_deleted, "rule Farm_registry", "does not exist", "terraform apply"),
        (events_off, "registry events", "switched off", "update-event-configurations"),
        (type_deprecated, "thing type lorawan", "deprecated", "--undo-deprecate"),
        (type_missing, "thing type lorawan", "does not exist", "thing_type[0]"),
        (key_refused, "API key", "refuses it", "give another"),
        (configure_fails, "The Things Stack", "can't be examined", "timed out"),
        (role_missing, "role Farm-things-stack", "does not exist", "terraform apply"),
        (role_of_another, "role Farm-things-stack", "another external id", "terraform apply"),
        (concurrency_is_used_up, "quota concurrent executions of Lambda", "850 of 1,000 are used", "L-B99A9384"),
        (a_new_account, "quota concurrent executions of Lambda", "9 of 10 are used", "Service Quotas"),
        (rules_are_used_up, "quota rules of AWS IoT", "7 of 8 are used", "L-954FA751"),
        (things_are_created_fast, "quota CreateThing per second", "41 of 50 are used", "L-64CBACAC"),
        (
            searches_above_the_quota,
            "quota ListThings per second",
            "may make 16, and the account is granted 10",
            "limits.",
        ),
        (a_full_connection, "quota messages per second of a connection", "85 of 100 are used", "two applications"),
        (shadows_are_written_fast, "quota requests of shadows per second", "340 of 400 are used", "L-6CC6395A"),
        (message_failed, "queue upstream_failures", "1 message failed", "failures list upstream_failures"),
        (comparison_failed, "comparison", "2 things can't become a device", "things list --failed"),
        (deletions_refused, "comparison", "refused 40 deletions", "sync --stack Farm --dry-run"),
    ],
)
def test_a_fault_is_the_first_one_named_with_its_fix_and_the_command_fails(
    run: Run, account: Account, fault: Callable[[Account], None], what: str, found: str, fix: str
) -> None:
    fault(account)
    done = run("doctor", "--json")
    first, *_ = faults(done)
    assert done.exit_code == 1
    assert first["what"] == what
    assert found in first["found"]
    assert fix in first["fix"]
    shown = run("doctor")
    assert shown.exit_code == 1
    assert "✗" in shown.stdout
    assert f"first of all {what}" in shown.stderr


def test_the_functions_and_rules_are_those_of_a_stack_with_the_defaults() -> None:
    names = (Path(__file__).parents[3] / "tests/terraform/inventories/minimal.json").read_text(encoding="utf-8")
    functions = set(re.findall(r'"function_name": "farm-([a-z]+)"', names))
    assert set(examination.FUNCTIONS) <= functions <= {*examination.FUNCTIONS, *examination.OPTIONAL_FUNCTIONS}
    assert set(re.findall(r'"name": "farm_([a-z_]+)"', names)) == set(examination.RULES)


def test_without_the_right_to_read_quotas_the_defaults_of_aws_count(run: Run, account: Account) -> None:
    account.granted.readable = False
    (quotas,) = [each for each in json.loads(run("doctor", "--json").stdout) if each["what"] == "quotas"]
    assert "AWS's defaults" in quotas["found"]
    concurrency_is_used_up(account)
    assert faults(run("doctor", "--json"))[0]["found"] == "850 of 1,000 are used"


def test_the_time_of_the_last_message_is_said(run: Run, account: Account) -> None:
    assert "none has been handled yet" in run("doctor").stdout
    account.log("upstream", event="any")
    assert "the last one was handled" in run("doctor").stdout


def test_a_stack_that_does_not_exist_is_said(run: Run, account: Account) -> None:
    done = run("doctor", "--stack", "Missing")
    assert done.exit_code == 1
    assert "the stacks there are Farm" in done.output
