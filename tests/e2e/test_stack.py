"""The stack itself: what a second plan says, what it does to the account, and what its roles may not do."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import boto3
import pytest

from local.mqtt import Credentials, MqttError, connect
from local.package import bill_of_materials, sources
from local.stack import ROOT, Stack
from local.things_stack import AwsAccess, foreign_account_credentials
from tests.e2e.conftest import Bridge
from tests.e2e.polling import eventually

EMULATOR_DIFFERENCES = {
    "aws_cloudwatch_metric_alarm": "it keeps no queries, and may describe alarms without period, dimensions, actions",
}
"""Differences of a second plan that are the local AWS's own: type of resource → cause."""


@pytest.mark.soak  # A plan of an applied stack takes a twentieth of the processor time of `make test`.
def test_a_second_plan_is_empty(farm_stack: Stack) -> None:
    differences = [f"{each.address}.{each.attribute}" for each in farm_stack.plan_changes()]
    assert [each for each in differences if not any(f".{type_}." in each for type_ in EMULATOR_DIFFERENCES)] == []


def test_the_zip_is_the_one_of_make_package_and_consists_of_what_is_listed(farm_stack: Stack) -> None:
    (archive,) = (
        each for each in (farm_stack.directory / ".terraform").rglob("*.zip") if not each.stem.endswith("-layer")
    )
    listed = json.loads(bill_of_materials(archive, "1"))["components"]
    prefixes = tuple(f"{each['name'].replace('-', '_')}{end}" for each in listed for end in ("/", "-"))
    with zipfile.ZipFile(archive) as packed:
        own = [name for name in packed.namelist() if not name.startswith(prefixes)]
    assert own == sources()


def test_no_secret_is_in_the_state(farm_stack: Stack, farm: Bridge) -> None:
    state = (farm_stack.directory / "terraform.tfstate").read_text()
    secrets = farm.aws.client("secretsmanager")
    assert secrets.get_secret_value(SecretId="Farm/ApplicationAPIKey")["SecretString"] not in state


def test_thing_events_are_on_and_the_accounts_other_event_types_are_as_they_were(farm: Bridge) -> None:
    events = farm.aws.client("iot").describe_event_configurations()["eventConfigurations"]
    assert {name for name, configuration in events.items() if configuration["Enabled"]} == {"THING"}


def test_the_thing_type_has_the_documented_searchable_attributes(farm: Bridge) -> None:
    found = farm.aws.client("iot").describe_thing_type(thingTypeName="lorawan")
    assert sorted(found["thingTypeProperties"]["searchableAttributes"]) == ["devEUI", "deviceID", "stackName"]


@pytest.fixture
def role(farm: Bridge, foreign: AwsAccess) -> Any:
    """Credentials of the cross-account role, assumed as The Things Stack assumes it."""
    (integration,) = [
        each
        for (application, _), each in farm.things_stack.servers.application.pubsubs.items()
        if application == farm.application_id
    ]
    assume_role = integration["aws_iot"]["assume_role"]
    sts = foreign.client("sts", farm.aws.region)
    return sts.assume_role(RoleArn=assume_role["arn"], ExternalId=assume_role["external_id"], RoleSessionName="test")[
        "Credentials"
    ]


def test_the_role_can_not_be_assumed_without_its_external_id_or_from_another_account(
    farm: Bridge, foreign: AwsAccess
) -> None:
    arn = farm.outputs["cross_account_role_arn"]
    sts = foreign.client("sts", farm.aws.region)
    for external in ({}, {"ExternalId": "guessed"}):
        with pytest.raises(sts.exceptions.ClientError, match="AccessDenied"):
            sts.assume_role(RoleArn=arn, RoleSessionName="test", **external)
    other = foreign_account_credentials(farm.aws.endpoint_url, "111122223333").client("sts", farm.aws.region)
    (integration,) = [
        each
        for (application, _), each in farm.things_stack.servers.application.pubsubs.items()
        if application == farm.application_id
    ]
    right = integration["aws_iot"]["assume_role"]["external_id"]
    with pytest.raises(sts.exceptions.ClientError, match="AccessDenied"):
        other.assume_role(RoleArn=arn, RoleSessionName="test", ExternalId=right)


def test_the_role_publishes_for_its_own_stack_and_for_nobody_else(farm: Bridge, role: Any) -> None:
    credentials = Credentials(role["AccessKeyId"], role["SecretAccessKey"], role["SessionToken"])
    host = farm.aws.iot_host()

    def publish(topic: str) -> None:
        with connect(farm.aws.endpoint_url, host, farm.aws.region, credentials, "thethings-Farm-test") as client:
            client.publish(topic, {"from": "the role"}, timeout=3)

    publish("thethings/lorawan/Farm/uplink")
    for topic in ("thethings/lorawan/orchard/uplink", "lorawan/downlink", "$aws/things/x/shadow/update"):
        with pytest.raises(MqttError):
            publish(topic)


def test_the_role_can_do_nothing_else(farm: Bridge, role: Any) -> None:
    iot = boto3.client(
        "iot",
        endpoint_url=farm.aws.endpoint_url,
        region_name=farm.aws.region,
        aws_access_key_id=role["AccessKeyId"],
        aws_secret_access_key=role["SecretAccessKey"],
        aws_session_token=role["SessionToken"],
    )
    with pytest.raises(iot.exceptions.ClientError, match="not authorized|AccessDenied|Forbidden"):
        iot.list_things()


def test_a_queued_message_that_is_no_event_is_recorded_and_not_tried_again(farm: Bridge) -> None:
    queue = farm.outputs["queue_urls"]["registry"]
    farm.aws.client("sqs").send_message(QueueUrl=queue, MessageBody="no event")
    eventually("the record", lambda: [each for each in farm.log("unidentified") if "registry event" in each["reason"]])
    eventually("an empty queue", lambda: set(farm.dead_letters().values()) == {0})


NEEDS_THE_LAYER = frozenset({"requeue"})
FUNCTION_ENVIRONMENT = {
    "STACK_NAME": "Farm",
    "THINGS_LOG_GROUP": "/thethings/lorawan/Farm/things",
    "THING_TYPE_NAME": "lorawan",
    "THING_NAME_SCHEME": "DevEUI",
    "AUTHORIZER_POLICY": "{}",
    "DIRECTORY_TABLE": "Farm-directory",
    "DOWNLINK": '{"concurrency": 2, "hold_seconds": 0.5, "maximum_age_seconds": 3600, "rate_per_minute": null}',
    "DOWNLINKS_TABLE": "downlinks",
    "SENDING_QUEUE_URL": "sending",
    "CLUSTER_ADDRESS": "http://localhost",
    "IDENTITY_SERVER_ADDRESS": "http://localhost",
    "APPLICATION_ID": "farm-app",
    "API_KEY_SECRET_ARN": "key",
    "WEBHOOK_SECRET_ARN": "secret",
    "MAXIMUM_RECEIVE_COUNT": "10",
    "PARAMETER_PATH": "/thethings/lorawan/Farm/configure",
    "ROTATIONS_TABLE": "rotations",
    "END_AFTER_HOURS": "24",
    "SHADOW": "{}",
    "SHADOW_STATES_TABLE": "states",
    "SHADOW_QUEUE_URL": "shadow",
    "DEFAULT_FREQUENCY_PLAN_ID": "EU_863_870_TTN",
    "ON_THING_DELETED": "delete",
    "SCRUB_KEYS": "false",
    "LOOK_UPS_RATE": "1",
    "REGISTRY_QUEUE_URL": "registry",
    "SYNC_QUEUE_URL": "sync",
    "SYNC_MODE": "apply",
    "LIST_THINGS_RATE": "8",
    "DEVICES": '{"ca_certificate": "", "endpoint": "", "locations": {}, "policies": ["p"], "region": "", "types": {}}',
    "TELEMETRY_STATES_TABLE": "states",
    "TELEMETRY_TYPES": "{}",
    "NAME_PATTERN": ".*",
    "ALLOWED_DEVICES_TABLE": "farm-allowed-devices",
    "SETTINGS_SECONDS": "300",
    "WAITING_TABLE": "waiting",
    "WAITING_DEAD_LETTERS_URL": "waiting-dead-letters",
    "CREATE_THING_RATE": "8",
    "SHADOW_WRITES_RATE": "20",
}
"""Settings for every function: handlers read theirs when they are imported."""

PROVIDED_BY_LAMBDA = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six.py")


def test_the_zip_needs_nothing_but_itself_and_the_lambda_runtime(farm_stack: Stack, tmp_path: Path) -> None:
    # The local AWS runs functions with this environment's Python, which would find what the zip lacks.
    (archive,) = (farm_stack.directory / ".terraform" / "thingbridge").rglob("*.zip")
    for name in PROVIDED_BY_LAMBDA:
        (tmp_path / name).symlink_to(Path(boto3.__file__).parents[1] / name)
    handlers = sorted(
        path.stem
        for path in (ROOT / "lambda_src" / "handlers").glob("*.py")
        if path.stem != "__init__" and path.stem not in NEEDS_THE_LAYER
    )
    program = f"import sys; sys.path[:0] = [{str(archive)!r}, {str(tmp_path)!r}]; " + "; ".join(
        f"import handlers.{name}; assert handlers.{name}.__file__.startswith({str(archive)!r})" for name in handlers
    )
    # -S: no site-packages; -I: no PYTHON… variables and no current folder.
    command = [sys.executable, "-S", "-I", "-c", program]
    run = subprocess.run(command, env=FUNCTION_ENVIRONMENT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
