"""The entry point of each function: it starts with the environment that Terraform gives it, and has a handler."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests import events
from tests.unit.aws.scripted_server import Says, scripted_server

LAMBDA_SRC = Path(__file__).parents[3] / "lambda_src"
THINGS = {"THING_TYPE_NAME": "lorawan", "THING_NAME_SCHEME": "DevEUI", "DIRECTORY_TABLE": "farm-directory"}
THINGS_STACK = {
    "CLUSTER_ADDRESS": "https://eu1.cloud.thethings.network",
    "IDENTITY_SERVER_ADDRESS": "https://eu1.cloud.thethings.network",
    "APPLICATION_ID": "farm-app",
    "API_KEY_SECRET_ARN": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:farm/ApplicationAPIKey-AbCdEf",
}
ENCRYPTION = {"SESSIONS_TABLE": "farm-sessions", "KEY_ENCRYPTION_KEY_SECRET_ARN": "arn:kek"}
SHADOW = {"SHADOW": '{"metrics": true, "min_interval_seconds": 60}'}
WORK_QUEUE = {"MAXIMUM_RECEIVE_COUNT": "10"}
PACED = {"SHADOW_STATES_TABLE": "farm-shadow-states", "SHADOW_QUEUE_URL": "https://sqs/farm-shadow"}
WAITING = {"WAITING_TABLE": "farm-waiting", "WAITING_QUEUE_URL": "https://sqs/farm-waiting.fifo"}
DEVICES = (
    '{"ca_certificate": null, "endpoint": "example.com", "locations": {}, "policies": ["farm-device"], '
    '"region": "eu-west-1", "types": {}}'
)
ENVIRONMENTS = {
    "authorizer": {"AUTHORIZER_POLICY": "{}"},
    "configure": {"PARAMETER_PATH": "/thethings/lorawan/farm/configure"},
    "devices": {"DEVICES": DEVICES, "TELEMETRY_STATES_TABLE": "farm-telemetry-states", "ROTATIONS_TABLE": "r"},
    "directory": {**THINGS, **WORK_QUEUE},
    "downlink": {
        **THINGS_STACK,
        **WORK_QUEUE,
        "DELTA_F_PORT": "20",
        "DOWNLINK": '{"concurrency": 2, "hold_seconds": 0.5, "maximum_age_seconds": 3600, "rate_per_minute": null}',
        "DOWNLINKS_TABLE": "farm-downlinks",
        "SENDING_QUEUE_URL": "https://sqs/farm-sending.fifo",
    },
    "provision": {"DEVICES": DEVICES, "NAME_PATTERN": "probe-.*", "ALLOWED_DEVICES_TABLE": "farm-allowed-devices"},
    "registry": {
        **THINGS_STACK,
        **THINGS,
        **WORK_QUEUE,
        "DEFAULT_FREQUENCY_PLAN_ID": "EU_863_870_TTN",
        "ON_THING_DELETED": "delete",
        "SCRUB_KEYS": "true",
        "LOOK_UPS_RATE": "0.4",
        "REGISTRY_QUEUE_URL": "https://sqs/farm-registry",
    },
    "requeue": {**THINGS_STACK, **THINGS, **ENCRYPTION, **WORK_QUEUE},
    "rotations": {"DEVICES": DEVICES, "ROTATIONS_TABLE": "farm-rotations", "END_AFTER_HOURS": "24"},
    "shadow": {**SHADOW, **PACED, **WORK_QUEUE, "SHADOW_WRITES_RATE": "20"},
    "sync": {
        **THINGS_STACK,
        **THINGS,
        **WORK_QUEUE,
        "REGISTRY_QUEUE_URL": "https://sqs/farm-registry",
        "SYNC_QUEUE_URL": "https://sqs/farm-sync.fifo",
        "ON_THING_DELETED": "delete",
        "SYNC_MODE": "apply",
        "LIST_THINGS_RATE": "8",
    },
    "telemetry": {
        "TELEMETRY_STATES_TABLE": "farm-telemetry-states",
        "TELEMETRY_TYPES": '{"temperature": {"fields": {"temperature": {"levels": [{"name": "HIGH", "above": 80}]}}}}',
        "SETTINGS_SECONDS": "300",
    },
    "upstream": {**THINGS, **SHADOW, **PACED, **ENCRYPTION, **WAITING},
    "waiting": {
        **THINGS,
        **SHADOW,
        **PACED,
        **ENCRYPTION,
        **WORK_QUEUE,
        "WAITING_TABLE": "farm-waiting",
        "WAITING_DEAD_LETTERS_URL": "https://sqs/farm-waiting-dead-letters.fifo",
        "CREATE_THING_RATE": "8",
        "LIST_THINGS_RATE": "0.4",
    },
    "webhook": {"WEBHOOK_SECRET_ARN": "arn:secret"},
}


STARTED = "print(handler.__code__.co_argcount)"


def start(function: str, environment: dict[str, str], then: str = STARTED) -> subprocess.CompletedProcess[str]:
    """Start a function as Lambda does: import its module, in a process with its environment and no other."""
    program = f"from handlers.{function} import handler; {then}"
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**inherited, "PYTHONPATH": str(LAMBDA_SRC), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_function_has_an_environment_here() -> None:
    entry_points = {path.stem for path in (LAMBDA_SRC / "handlers").glob("*.py")}
    assert entry_points - {"__init__", "batches", "composition", "context", "settings"} == ENVIRONMENTS.keys()


@pytest.mark.parametrize("function", ENVIRONMENTS)
def test_a_function_starts_with_its_environment(function: str) -> None:
    started = start(function, {"STACK_NAME": "farm", "THINGS_LOG_GROUP": "/farm/things", **ENVIRONMENTS[function]})
    assert (started.returncode, started.stdout) == (0, "2\n"), started.stderr


def test_a_function_without_a_setting_does_not_start_and_names_the_variable() -> None:
    started = start("upstream", {"STACK_NAME": "farm", "THINGS_LOG_GROUP": "/farm/things", **SHADOW})
    assert started.returncode != 0
    assert "ValueError: the environment variable THING_TYPE_NAME is missing" in started.stderr


# What Lambda and Terraform give `upstream` and `webhook`, which must not wait for boto3.
DIRECT = {
    "IOT_ENDPOINT": "a1b2-ats.iot.eu-west-1.amazonaws.com",
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
}
SLOW_TO_IMPORT = "import sys; print(sorted({'dataclasses', 'inspect'} & sys.modules.keys()))"
HEAVY = "import sys; print(sorted({'boto3', 'botocore', 'requests', 'urllib3', 'logging'} & sys.modules.keys()))"


@pytest.mark.parametrize(
    ("function", "environment"),
    [
        ("upstream", {**THINGS, **WAITING, "SHADOW": "{}"}),
        ("upstream", {**THINGS, **WAITING, **SHADOW, **PACED}),
        ("upstream", {**THINGS, **WAITING, "SHADOW": "{}", **WORK_QUEUE}),
        ("webhook", ENVIRONMENTS["webhook"]),
    ],
    ids=["upstream", "upstream with paced shadows", "upstream with a queue", "webhook"],
)
def test_a_message_costs_no_import_of_boto3(function: str, environment: dict[str, str]) -> None:
    message = {**events.load("things_stack/uplink"), "received_at": events.just_now()}
    dev_eui = message["end_device_ids"]["dev_eui"]
    posted = events.load("function_url/uplink")
    secret = {"SecretString": posted["headers"]["x-thingbridge-secret"], "VersionId": "1", "CreatedDate": 1.0}
    known = {"Item": {"device": {"S": dev_eui}, "thing": {"S": "barn"}, "as_of": {"N": f"{time.time_ns() // 1000}"}}}
    event, first = (posted, secret) if function == "webhook" else (events.rule_output(message), known)
    with scripted_server() as server:
        server.script.append(Says(body=json.dumps(first).encode()))
        if function == "upstream":
            # No message of the device waits.
            server.script.append(Says(body=b"{}"))
        started = start(
            function,
            {"STACK_NAME": "farm", "THINGS_LOG_GROUP": "/farm/things", **environment, **DIRECT}
            | {"AWS_ENDPOINT_URL": server.url},
            f"import json; handler(json.loads({json.dumps(json.dumps(event))}), None); {HEAVY}",
        )
    assert (started.returncode, started.stdout) == (0, "[]\n"), started.stderr
    assert any(asked.target.startswith("/topics/") for asked in server.asked)


def test_the_cold_start_of_an_uplink_makes_no_dataclass() -> None:
    environment = {"STACK_NAME": "farm", "THINGS_LOG_GROUP": "/farm/things", **THINGS, "SHADOW": "{}", **DIRECT}
    started = start("upstream", environment, SLOW_TO_IMPORT)
    assert (started.returncode, started.stdout) == (0, "[]\n"), started.stderr


@pytest.mark.parametrize("source", ["stream", "ticket"])
def test_a_downlink_costs_no_import_of_boto3(source: str) -> None:
    if source == "stream":
        keys = {"thing": {"S": "tank-7"}, "id": {"S": "1"}}
        records = [{"eventSource": "aws:dynamodb", "eventID": "1", "dynamodb": {"Keys": keys}}]
        batch, answer = {"Records": records}, {"MessageId": "1"}
    else:
        batch, answer = events.sqs_batch('{"thing": "tank-7", "ids": ["1"]}'), {"Items": []}
        batch["Records"][0]["eventSourceARN"] += ".fifo"
    with scripted_server() as server:
        server.script.extend([Says(body=json.dumps(answer).encode())] * 2)
        started = start(
            "downlink",
            {"STACK_NAME": "farm", "THINGS_LOG_GROUP": "/farm/things", **ENVIRONMENTS["downlink"], **DIRECT}
            | {"AWS_ENDPOINT_URL": server.url},
            f"import json; handler(json.loads({json.dumps(json.dumps(batch))}), None); "
            "import sys; print(sorted({'boto3', 'botocore'} & sys.modules.keys()))",
        )
    assert (started.returncode, started.stdout) == (0, "[]\n"), started.stderr
    assert server.asked


def test_a_batch_of_messages_is_handled_in_the_order_they_were_sent_and_only_what_failed_comes_again() -> None:
    message = {**events.load("things_stack/uplink"), "received_at": events.just_now()}
    dev_eui = message["end_device_ids"]["dev_eui"]
    kinds = ("uplink", "downlink/queued", "downlink/sent")
    bodies = [json.dumps(events.rule_output(message, f"thethings/lorawan/farm/{kind}")) for kind in kinds]
    batch = events.sqs_batch(bodies[2], "not of the rule", bodies[0], bodies[1])
    for record, sent in zip(batch["Records"], ("3", "4", "1", "2"), strict=True):
        record["attributes"] = {**record["attributes"], "SentTimestamp": sent}
    environment = {**THINGS, **WORK_QUEUE, **DIRECT, "SHADOW": '{"metrics": false}'}
    now = f"{time.time_ns() // 1000}"
    known = {"Item": {"device": {"S": dev_eui}, "thing": {"S": dev_eui}, "as_of": {"N": now}}}
    with scripted_server() as server:
        server.script.append(Says(body=json.dumps(known).encode()))
        started = start(
            "upstream",
            {"STACK_NAME": "farm", "THINGS_LOG_GROUP": "/farm/things", **environment, "AWS_ENDPOINT_URL": server.url},
            "import json, types; context = types.SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000); "
            f"print(handler(json.loads({json.dumps(json.dumps(batch))}), context))",
        )
    assert started.stdout.splitlines()[-1:] == ["{'batchItemFailures': [{'itemIdentifier': '1'}]}"], started.stderr
    published = [unquote(asked.target) for asked in server.asked if asked.target.startswith("/topics/")]
    assert published == [f"/topics/lorawan/{dev_eui}/{kind}?qos=1" for kind in kinds]
