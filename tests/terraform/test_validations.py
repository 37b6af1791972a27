"""What the root module and every module of it reject, and with which messages.

Validations need no provider: modules are reduced to their variables, every case is one call of such a module, and a
single plan reports the faults of all of them.
"""

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from local.stack import hcl
from tests import cases

# One worker: what the tests share takes longer than all of them.
pytestmark = pytest.mark.xdist_group("validations")

REPOSITORY = Path(__file__).resolve().parents[2]
ROOT = "root"
_MESSAGE = re.compile(r'^    error_message = "((?:[^"\\$]|\\.)*)', re.MULTILINE)
_THINGS_STACK = re.compile(r'^module "things_stack" \{\n.*?^\}\n', re.MULTILINE | re.DOTALL)
_NULL_BY_DEFAULT = re.compile(r'^variable "(\w+)" \{\n(?:  .*\n|\n)*?  default\s+= null$', re.MULTILINE)
_RETENTIONS = (
    "0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653"
)
_CODEC = b"DEVICES = []\n"
_SECRET = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:key-AbCdEf"
_KEY = "arn:aws:kms:eu-west-1:111122223333:key/0f1e2d3c"
_USE = {"environment": {}, "policy_json": "{}"}
_AWS = {"partition": "aws", "region": "eu-west-1", "account_id": "111122223333"}
_FUNCTIONS = {"code": {"filename": "functions.zip"}}
_THINGS_STACK_OBJECT = {
    "application_id": "farm-app",
    "cluster_address": "https://eu1.cloud.thethings.network",
    "identity_server_address": "https://eu1.cloud.thethings.network",
    "api_key": {"secret_arn": _SECRET, "version": 1},
    "use": _USE,
}
# What every module accepts, for the variables that it has.
SHARED = {
    "aws": _AWS,
    "stack": {"name": "farm"},
    "directory": _USE,
    "functions": _FUNCTIONS,
    "things_stack": _THINGS_STACK_OBJECT,
    "things_log": _USE,
    "base_topic": "thethings/lorawan/farm",
}
# What each module needs beside that.
ACCEPTED: dict[str, dict[str, Any]] = {
    ROOT: {
        "stack_name": "farm",
        "cluster_address": "eu1.cloud.thethings.network",
        "application_id": "farm-app",
        "application_api_key": "NNSXS.KEY.SECRET",
    },
    "configure": {},
    "devices": {"iot_endpoint": "example-ats.iot.eu-west-1.amazonaws.com", "types": {"temperature": {}}},
    "directory": {"iot_endpoint": "example-ats.iot.eu-west-1.amazonaws.com"},
    "downlink": {"iot_endpoint": "example-ats.iot.eu-west-1.amazonaws.com"},
    "end_to_end_encryption": {
        "configure_role_name": "farm-configure-eu-west-1",
        "layer": {"filename": "layer.zip", "source_code_hash": "Xx0="},
    },
    "function": {"name": "farm-upstream", "handler": "handlers.upstream.handler"},
    "ingest": {
        "mode": "webhook",
        "configure_role_name": "farm-configure-eu-west-1",
        "iot_endpoint": "example-ats.iot.eu-west-1.amazonaws.com",
    },
    "integration": {
        "configure_function_name": "farm-configure",
        "parameter_path": "/thethings/lorawan/farm/configure",
        "ingest": {"mode": "manual"},
    },
    "log_group": {"name": "/things", "use": {"sid": "WriteLog", "environment_variable": "LOG_GROUP"}},
    "observability": {},
    "package": {"name": "farm", "source_path": "./codecs"},
    "prebuilt": {"package": {"filename": "codecs/soil.py", "sha256": sha256(_CODEC).hexdigest()}},
    "registry": {"default_frequency_plan_id": "EU_863_870", "directory": {"use": _USE, "upkeep": _USE}},
    "schedule": {
        "name": "farm-sync",
        "expression": "rate(10 minutes)",
        "input": "{}",
        "target": {"arn": "arn:aws:sqs:eu-west-1:111122223333:farm", "use": {"policy_json": "{}"}},
    },
    "secret": {"name": "farm/Key", "use": {"sid": "ReadKey", "environment_variable": "KEY"}, "value": "KEY"},
    "shadow": {"iot_endpoint": "example-ats.iot.eu-west-1.amazonaws.com"},
    "table": {
        "name": "farm-states",
        "hash_key": "thing",
        "use": {"sid": "KeepStates", "environment_variable": "TABLE"},
    },
    "things_stack": {
        "stack_name": "farm",
        "application_id": "farm-app",
        "cluster_address": "eu1.cloud.thethings.network",
        "api_key": {"secret_arn": _SECRET, "use": _USE},
    },
    "topic_rule": {
        "name": "farm-upstream",
        "topic_filter": "a/b",
        "action": {"function": {"arn": "arn:aws:lambda:eu-west-1:111122223333:function:farm"}},
        "error_queue": {"arn": "arn:aws:sqs:eu-west-1:111122223333:farm", "url": "https://sqs/farm"},
    },
    "upstream": {"shadow": _USE, "iot_endpoint": "example-ats.iot.eu-west-1.amazonaws.com"},
    "work_queue": {
        "name": "farm-registry",
        "function_arn": "arn:aws:lambda:eu-west-1:111122223333:function:farm",
        "function_timeout": 60,
    },
}


@dataclass(frozen=True)
class Case:
    """A call of `module` with `inputs` that is rejected with exactly these messages, in any order."""

    module: str
    inputs: Mapping[str, Any]
    messages: tuple[str, ...]
    region: str = field(default="eu-west-1", kw_only=True)


def case(module: str, inputs: Mapping[str, Any], *messages: str, region: str = "eu-west-1") -> Case:
    return Case(module, inputs, messages, region=region)


_PUBSUB = {"mode": "pubsub", "pubsub": {"has_aws_iot_provider": True}}
_NOT_THE_KEY = (
    "application_api_key must be the key alone, in printable ASCII characters without spaces or line breaks; "
    "got something else (not shown)."
)
_ONE_KEY = "exactly one of application_api_key and application_api_key_secret_arn must be set; got none or both."
_STACK_NAME = "stack_name must begin with a letter and hold at most 53 letters, digits and dashes; got "
_APPLICATION_ID = (
    "application_id must hold 3 to 36 lower-case letters and digits with single dashes between them, as the Console "
    "shows it; got "
)
_ADDRESS = "must be a host, host:port or URL without a path"
_TYPE_NAME = "thing_type_name must hold 1 to 128 of the characters A-Z a-z 0-9 : _ and -; got "
_EXTERNAL_ID = "external_id must hold 2 to 1224 of the characters A-Z a-z 0-9 _ + = , . @ : / and -; got "
_SOURCE = "package must name either a file (filename) or an object in S3 (s3); got "
_PLAIN_TEXT = "must use https unless it is localhost or 127.0.0.1, as http would send the API key in plain text; got "
_INTERVAL = (
    "shadow.min_interval_seconds must be whole seconds from 1 to 900, the longest a queue delays a message, or 0 for "
    "each message; got "
)
_PUBSUB_REGIONS = (
    "af-south-1, ap-east-1, ap-northeast-1, ap-northeast-2, ap-south-1, ap-southeast-1, ap-southeast-2, ca-central-1, "
    "eu-central-1, eu-north-1, eu-south-1, eu-west-1, eu-west-2, eu-west-3, me-south-1, sa-east-1, us-east-1, "
    "us-east-2, us-west-1, us-west-2"
)

ROOT_CASES = [
    case(
        ROOT,
        {
            "stack_name": "1farm",
            "cluster_address": "https://eu1.cloud.thethings.network/console",
            "identity_server_address": "https://identity.example.com/api/v3",
            "application_id": "Farm",
            "application_api_key": "NNSXS.KEY.SECRET\n",
            "application_api_key_version": 1.5,
            "thing_type_name": "lorawan device",
            "external_id": "a b",
            "default_frequency_plan_id": "eu868",
            "trusted_account_id": "123456789012",
        },
        _STACK_NAME + '"1farm".',
        f"cluster_address {_ADDRESS}, e.g. eu1.cloud.thethings.network; "
        'got "https://eu1.cloud.thethings.network/console".',
        f'identity_server_address {_ADDRESS}, or null; got "https://identity.example.com/api/v3".',
        _APPLICATION_ID + '"Farm".',
        _NOT_THE_KEY,
        "application_api_key_version must be a whole number from 1; got 1.5.",
        _TYPE_NAME + '"lorawan device".',
        _EXTERNAL_ID + '"a b".',
        "default_frequency_plan_id must be a frequency plan ID of The Things Stack, upper-case letters, digits and _, "
        'e.g. EU_863_870_TTN; got "eu868".',
    ),
    case(
        ROOT,
        {
            "stack_name": "a123456789-123456789-123456789-123456789-123456789-1234",
            "application_id": "a123456789-123456789-123456789-1234567",
            "thing_type_name": 129 * "x",
            "external_id": 1226 * "x",
            "functions": {"memory_size": 10241},
        },
        _STACK_NAME + '"a123456789-123456789-123456789-123456789-123456789-1234".',
        _APPLICATION_ID + '"a123456789-123456789-123456789-1234567".',
        f'{_TYPE_NAME}"{129 * "x"}".',
        f'{_EXTERNAL_ID}"{1226 * "x"}".',
        "functions.memory_size must be a whole number from 128 to 10240, or null; got 10241.",
    ),
    case(
        ROOT,
        {
            "stack_name": "",
            "cluster_address": "",
            "application_id": "ab",
            "application_api_key": "",
            "application_api_key_version": 0,
            "thing_type_name": "",
            "external_id": "x",
            "functions": {"memory_size": 64},
            "trusted_account_id": "123456789012",
        },
        _STACK_NAME + '"".',
        f'cluster_address {_ADDRESS}, e.g. eu1.cloud.thethings.network; got "".',
        _APPLICATION_ID + '"ab".',
        _NOT_THE_KEY,
        "application_api_key_version must be a whole number from 1; got 0.",
        _TYPE_NAME + '"".',
        _EXTERNAL_ID + '"x".',
        "functions.memory_size must be a whole number from 128 to 10240, or null; got 64.",
    ),
    case(
        ROOT,
        {
            "ingest": {"mode": "nats"},
            "thing_name_scheme": "devEUI",
            "on_thing_deleted": "keep",
            "functions": {"architecture": "riscv"},
        },
        'ingest.mode must be "pubsub", "package", "webhook", "mqtt" or "manual"; got "nats".',
        'thing_name_scheme must be "DevEUI" or "DeviceID"; got "devEUI".',
        'on_thing_deleted must be "delete" or "retain"; got "keep".',
        'functions.architecture must be "arm64" or "x86_64"; got "riscv".',
    ),
    case(
        ROOT,
        {
            "functions": {"log_level": "WARNING"},
            "cluster_address": "http://eu1.cloud.thethings.network",
            "identity_server_address": "http://localhost.example.com",
            "trusted_account_id": "123456789012",
            "application_api_key": None,
            "application_api_key_secret_arn": "farm/key",
        },
        'functions.log_level must be "DEBUG", "INFO", "WARN" or "ERROR"; got "WARNING".',
        f'cluster_address {_PLAIN_TEXT}"http://eu1.cloud.thethings.network".',
        f'identity_server_address {_PLAIN_TEXT}"http://localhost.example.com".',
        "application_api_key_secret_arn must be the ARN of a secret, "
        'arn:<partition>:secretsmanager:<region>:<account>:secret:<name>-<suffix>; got "farm/key".',
    ),
    case(
        ROOT,
        {
            "functions": {"runtime": "python3.9"},
            "cluster_address": "eu1.cloud.thethings.industries",
            "trusted_account_id": "123456789012",
            "application_api_key": None,
            "registry_sync": {"mode": "dry-run", "schedule": "10 minutes"},
            "shadow": {"min_interval_seconds": 901},
            "ingest": {"mode": "mqtt", "mqtt": {"server_url": "mqtt://broker.example.com:1883"}},
        },
        'functions.runtime must be "python3.11" or a later Python of Lambda; got "python3.9".',
        "cluster_address of The Things Stack Cloud must include your tenant and a cluster, "
        '<tenant>.<cluster>.cloud.thethings.industries; got "eu1.cloud.thethings.industries".',
        _ONE_KEY,
        'registry_sync.mode must be "apply" or "report"; got "dry-run".',
        "registry_sync.schedule must be a rate or a cron expression, e.g. rate(10 minutes) or cron(0 * * * ? *); "
        'got "10 minutes".',
        _INTERVAL + "901.",
        "ingest.mqtt.server_url must be mqtts://host or mqtts://host:port, or null for AWS IoT's own; "
        'got "mqtt://broker.example.com:1883".',
    ),
    case(ROOT, {"application_api_key_secret_arn": _SECRET}, _ONE_KEY),
    case(
        ROOT,
        {"ingest": {"mode": "manual", "basic_ingest": True}, "trusted_account_id": "123456789012"},
        'ingest.basic_ingest must be false unless ingest.mode is "webhook" or "mqtt": with the others The Things Stack '
        'decides on the topics; got true with ingest.mode "manual".',
    ),
    case(
        ROOT,
        {"ingest": {"mode": "webhook", "webhook": {"receiver": "lambda"}}},
        'ingest.webhook.receiver must be "function" or "iot_core"; got "lambda".',
    ),
    case(
        ROOT,
        {"ingest": {"mode": "webhook", "webhook": {"receiver": "iot_core", "reserved_concurrency": 20}}},
        'ingest.webhook.reserved_concurrency must be null with ingest.webhook.receiver "iot_core", as no function '
        "receives; got 20.",
    ),
    case(
        ROOT,
        {"ingest": {"mode": "webhook", "basic_ingest": True}, "end_to_end_encryption": True},
        "ingest.basic_ingest must be false with end_to_end_encryption: downlinks that The Things Stack returns are "
        "read by rules of their own, which Basic Ingest does not start; got true.",
    ),
    case(
        ROOT,
        {"trusted_account_id": "1234"},
        'trusted_account_id must be an AWS account of 12 digits; got "1234".',
    ),
    case(
        ROOT,
        {"cluster_address": "lorawan.example.com", "ingest": _PUBSUB},
        "trusted_account_id must be set unless cluster_address is a hosted The Things Stack, whose account is known, "
        'or ingest.mode is "webhook" or "mqtt", which need none; got null with cluster_address "lorawan.example.com" '
        'and mode "pubsub".',
    ),
    case(ROOT, {"shadow": {"min_interval_seconds": 1.5}}, _INTERVAL + "1.5."),
    case(
        ROOT,
        {"downlink": {"concurrency": 1, "hold_seconds": 61, "maximum_age_seconds": 59, "rate_per_minute": 0.1}},
        "downlink.concurrency must be a whole number from 2, the least of Lambda, to 1000; got 1.",
        "downlink.hold_seconds must be 0 to 60; got 61.",
        "downlink.maximum_age_seconds must be 60 to 21600; got 59.",
        "downlink.rate_per_minute must be at least 1, or null for a part of the limit that The Things Stack reports; "
        "got 0.1.",
        "downlink.concurrency must be at most four times rate_per_minute, so that each instance sends within an "
        "invocation; got 1.",
    ),
    case(
        ROOT,
        {
            "limits": {
                "create_thing_per_second": 0.5,
                "list_things_per_second": 1,
                "registry_concurrency": 2.5,
                "shadow_writes_per_second": 19,
            }
        },
        "limits.create_thing_per_second must be 1 to 8000; got 0.5.",
        "limits.list_things_per_second must be 2 to 1000; got 1.",
        "limits.registry_concurrency must be a whole number from 2, the least of Lambda, to 1000; got 2.5.",
        "limits.shadow_writes_per_second must be 20 to 20000; got 19.",
    ),
    case(
        ROOT,
        {"shadow": {"min_interval_seconds": 60, "metrics": False}},
        "shadow.min_interval_seconds must be 0 unless shadow.metrics or shadow.decoded_payload is true; got 60.",
    ),
    case(
        ROOT,
        {"shadow": {"delta_f_port": 224}},
        "shadow.delta_f_port must be an FPort of applications, 1 to 223, or null; got 224.",
    ),
    case(
        ROOT,
        {"shadow": {"delta_f_port": 0}},
        "shadow.delta_f_port must be an FPort of applications, 1 to 223, or null; got 0.",
    ),
    case(
        ROOT,
        {"shadow": {"delta_f_port": 10}, "end_to_end_encryption": True},
        "shadow.delta_f_port must be null with end_to_end_encryption, as a desired state passes through an encoder in "
        "The Things Stack, which has no key; got 10.",
    ),
    case(
        ROOT,
        {"uplink_mode": "queued", "uplink_batches": {"size": 101, "window_seconds": 4, "maximum_concurrency": 1}},
        'uplink_mode must be "function", "batched" or "rules"; got "queued".',
        "uplink_batches.size must be a whole number from 1 to 10, or up to 100 with a window_seconds of at least 1; "
        "got 101.",
        "uplink_batches.window_seconds must be 0, 1, 2 or 3, as a message that is handled more than 5 seconds after "
        "its receipt counts as late; got 4.",
        "uplink_batches.maximum_concurrency must be a whole number from 2 to 1000; got 1.",
    ),
    case(
        ROOT,
        {
            "uplink_mode": "rules",
            "end_to_end_encryption": True,
            "codecs": {"source_path": "./codecs"},
            "shadow": {"decoded_payload": True, "min_interval_seconds": 60},
        },
        'uplink_mode must not be "rules" with end_to_end_encryption, as no rule of AWS IoT can decrypt a payload; got '
        '"rules".',
        'uplink_mode must not be "rules" with codecs, as no rule of AWS IoT can run them; got "rules".',
        'uplink_mode must not be "rules" unless shadow.radio or shadow.metrics is false, as no rule of AWS IoT can '
        'compare the receptions of an uplink; got "rules".',
        'uplink_mode must not be "rules" with shadow.decoded_payload, as no rule of AWS IoT can leave out what a '
        'shadow can\'t hold; got "rules".',
        'uplink_mode must not be "rules" with shadow.min_interval_seconds, as no rule of AWS IoT can wait; got '
        '"rules".',
    ),
    case(
        ROOT,
        {"uplink_mode": "rules", "ingest": {"mode": "webhook", "basic_ingest": True}, "shadow": {"radio": False}},
        'uplink_mode must not be "rules" with ingest.basic_ingest unless shadow.metrics is false, as Basic Ingest does '
        'not start the rule that writes shadows; got "rules".',
    ),
    case(
        ROOT,
        {"codecs": {"source_path": "./nowhere"}},
        'codecs.source_path must be a folder with Python files; got "./nowhere".',
    ),
    case(
        ROOT,
        {"codecs": {"source_path": "./codecs"}, "package": {"filename": "functions.zip"}},
        "codecs must be null with a prebuilt package, which holds its decoders in the folder device_codecs; "
        'got "./codecs".',
    ),
    case(
        ROOT,
        {"ingest": {"mode": "mqtt", "mqtt": {"ca_certificate": "ca.pem"}}},
        "ingest.mqtt.ca_certificate must be a certificate in PEM of at most 8192 bytes, beginning with "
        '-----BEGIN CERTIFICATE-----; got "ca.pem…".',
    ),
    case(
        ROOT,
        {"ingest": {"mode": "mqtt", "mqtt": {"ca_certificate": "-----BEGIN CERTIFICATE-----" + 8166 * "x"}}},
        "ingest.mqtt.ca_certificate must be a certificate in PEM of at most 8192 bytes, beginning with "
        '-----BEGIN CERTIFICATE-----; got "-----BEGIN CERTIFICATE-----xxx…".',
    ),
    case(
        ROOT,
        {"ingest": {"mode": "webhook", "webhook": {"secret_version": 0}, "mqtt": {"certificate_version": 1.5}}},
        "ingest.webhook.secret_version must be a whole number from 1; got 0.",
        "ingest.mqtt.certificate_version must be a whole number from 1; got 1.5.",
    ),
    case(
        ROOT,
        {"ingest": {"mode": "package", "package": {"f_port": 0}}},
        "ingest.package.f_port must be a whole number from 1 to 255 (the package's own is 198); got 0.",
    ),
    case(
        ROOT,
        {"ingest": {"mode": "package", "package": {"data_fields": {"region": "name", "stack_name": "name"}}}},
        "ingest.package.data_fields must name a different field for each value; got "
        '{"external_id":null,"region":"name","role_arn":"role_arn","stack_name":"name"}.',
    ),
    case(
        ROOT,
        {"external_id": "farm-7f3a9c", "ingest": {"mode": "package"}},
        "external_id and ingest.package.data_fields.external_id must both be set or both be null with ingest.mode "
        '"package", as the package is not known to show an external id; got "farm-7f3a9c" and null.',
    ),
    case(
        ROOT,
        {"cluster_ca_certificate": "/etc/ssl/farm-authority.pem"},
        "cluster_ca_certificate must be a certificate in PEM of at most 2500 characters, from "
        '-----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----; got 27 characters, "/etc/ssl/farm-authority.pem…".',
    ),
    case(
        ROOT,
        {"ingest": {"mode": "webhook", "webhook": {"url": "http://farm.example.com/tts"}}},
        "ingest.webhook.url must be an https URL without a query (http:// only for localhost), or null for the "
        'function\'s own; got "http://farm.example.com/tts".',
    ),
    case(
        ROOT,
        {"ingest": {"mode": "webhook", "webhook": {"reserved_concurrency": 0}}},
        "ingest.webhook.reserved_concurrency must be a whole number from 1, or null; got 0.",
    ),
    # Both where the open source may run and at a hosted deployment, which no longer has Pub/Sub.
    *(
        case(
            ROOT,
            {"cluster_address": address, "trusted_account_id": "123456789012", "ingest": ingest},
            'ingest.pubsub.has_aws_iot_provider must be true with ingest.mode "pubsub": few Enterprise deployments '
            "have the provider aws_iot, the open source accepts it and delivers no message, and the apply can't see "
            'the difference. Ask whoever runs the cluster, or choose ingest.mode "webhook", which every deployment '
            "has; got false.",
        )
        for address, ingest in (
            ("lorawan.example.com", {"mode": "pubsub"}),
            ("eu1.cloud.thethings.network", {"mode": "pubsub", "pubsub": {"has_aws_iot_provider": None}}),
        )
    ),
    case(
        ROOT,
        {
            "observability": {
                "alarm_actions": ["on-call"],
                "emails": ["on call"],
                "runbook": "http://example.com/#alarms",
                "silence_minutes": 1.5,
                "device_silence": {"minutes": 5, "tolerated": 0.5},
            },
            "registry_sync": {"enabled": False},
            "releases_url": "http://example.com/latest",
        },
        'observability.alarm_actions must hold ARNs; got ["on-call"].',
        'observability.emails must hold addresses, e.g. oncall@example.com; got ["on call"].',
        'observability.runbook must be a path or an https URL, without # and spaces; got "http://example.com/#alarms".',
        "observability.silence_minutes must be a whole number from 5 to 1440 (a day), or null; got 1.5.",
        "observability.device_silence.minutes must be a whole number from 10 to 525600 (a year); got 5.",
        "observability.device_silence.tolerated must be a whole number from 0; got 0.5.",
        "registry_sync.enabled must be true with observability.device_silence, as the comparison sees when devices "
        "have sent; got false.",
        'releases_url must be an https URL without credentials, or null; got "http://example.com/latest".',
    ),
    case(
        ROOT,
        {"kms_key": {"arn": "alias/farm"}},
        'kms_key.arn must be the ARN of a key, arn:<partition>:kms:<region>:<account>:key/<id>; got "alias/farm".',
    ),
    case(ROOT, {"kms_key": {"arn": _KEY}}),
    case(
        ROOT,
        {
            "roles": {"path": "thingbridge", "permissions_boundary_arn": "workloads"},
            "things_log_retention_in_days": 2,
            "functions": {
                "log_retention_in_days": 100,
                "tracing": "active",
                "vpc": {"subnet_ids": [], "security_group_ids": ["sg-1"]},
            },
        },
        "roles.path must begin and end with / and hold at most 512 printable characters, e.g. /thingbridge/; got "
        '"thingbridge".',
        "roles.permissions_boundary_arn must be the ARN of a policy, arn:<partition>:iam::<account>:policy/<name>, or "
        'null; got "workloads".',
        f"things_log_retention_in_days must be a retention of CloudWatch Logs ({_RETENTIONS}); got 2.",
        f"functions.log_retention_in_days must be a retention of CloudWatch Logs ({_RETENTIONS}); got 100.",
        'functions.tracing must be "Active" or "PassThrough"; got "active".',
        "functions.vpc must name at least one subnet and one security group, or be null; got "
        '{"security_group_ids":["sg-1"],"subnet_ids":[]}.',
    ),
    # A name of the closed integration, which is that of its CloudFormation stack.
    case(ROOT, cases.load("6-name-of-a-cloudformation-stack")["input"]),
    # The default needs no account to trust, wherever the cluster is.
    case(ROOT, {"cluster_address": "lorawan.example.com"}),
    case(
        ROOT,
        {"ingest": _PUBSUB},
        "default_frequency_plan_id must be set in an AWS region without a usual frequency plan; "
        'got null in "mx-central-1".',
        f'ingest.mode must not be "pubsub" outside of the AWS regions that The Things Stack connects to '
        f'({_PUBSUB_REGIONS}); got "pubsub" in "mx-central-1".',
        region="mx-central-1",
    ),
]

MODULE_CASES = [
    case(
        "devices",
        {
            "ca_certificate": "ca.pem",
            "iot_endpoint": "https://example.com",
            "locations": ["hall 1"],
            "own_policy_json": "{}",
            "types": {"a/b": {}},
        },
        "ca_certificate must be one certificate in PEM of at most 2048 characters; got 6 characters.",
        'iot_endpoint must be a host without scheme and path; got "https://example.com".',
        'locations must hold names of 1 to 64 letters, digits, _ and -; got ["hall 1"].',
        "own_policy_json must be an AWS IoT policy in JSON of at most 2048 characters; got 2 characters.",
        'types must name at least one type, in 1 to 64 letters, digits, _ and -; got ["a/b"].',
    ),
    case(
        "devices",
        {
            "types": {
                "temperature": {
                    "description": "Température",
                    "initial_shadow_json": '{"wanted": {}}',
                    "searchable_attributes": ["a", "b", "c", "d e"],
                }
            }
        },
        "types must have at most 3 searchable_attributes each, the quota of a thing type; got [4].",
        "types must have searchable_attributes of 1 to 128 of the characters A-Z a-z 0-9 _ . , @ / : # and -; "
        'got [["a","b","c","d e"]].',
        "types must have a description of at most 2028 printable ASCII characters each; got [11] characters.",
        "types must have an initial_shadow_json that is an object of desired and reported alone; "
        'got ["{\\"wanted\\": {}}"].',
    ),
    case(
        "devices",
        {
            "telemetry": {
                "settings_seconds": 3601,
                "stream": {"kinesis": {"arn": "a", "name": "n"}, "queue": {"arn": "a", "url": "u"}},
                "types": {
                    "status": {"fields": {"device": {"levels": [{"name": "NORMAL", "above": 1}], "hysteresis": -1}}}
                },
                "status": {"fields": {}, "metrics": "all"},
            }
        },
        "telemetry.types must have names of 1 to 64 letters, digits, _ and -, and none that is "
        '"status"; got ["status"].',
        "telemetry.types must have levels with a name of capitals, digits and _ that is not NORMAL, and with either "
        'above or below; got [{"above":1,"below":null,"name":"NORMAL"}].',
        "telemetry.types must have fields whose levels differ in their names, and a hysteresis of at least 0; got "
        '[{"device":[["NORMAL"],-1]}].',
        'telemetry.types and telemetry.status must have metrics "none", "type" or "device"; got ["all"].',
        'telemetry.stream must name at most one of firehose, kinesis and queue; got ["kinesis","queue"].',
        "telemetry.settings_seconds must be 0 to 3600; got 3601.",
    ),
    case(
        "devices",
        {
            "provisioning": {
                "name_pattern": "(",
                "just_in_time": {"claim": {"type": "wind", "location": "hall-9"}},
            },
            "locations": ["hall-1"],
        },
        "provisioning.name_pattern must be a regular expression of at most 128 characters for names of letters, "
        "digits, : _ and -, without flags, lookarounds, named groups, possessive repetition, and escapes but those of "
        'a digit and a word character; got "(".',
        'provisioning.just_in_time must have names of 1 to 64 letters, digits, _ and -, and none that is "claim"; got '
        '["claim"].',
        'provisioning.just_in_time must name types of the variable types; got ["wind"].',
        'provisioning.just_in_time must name locations of the variable locations; got ["hall-9"].',
    ),
    case(
        "devices",
        {"end_old_certificates": {"after_hours": -1}},
        "end_old_certificates.after_hours must be 0 to 8760; got -1.",
    ),
    case(
        "devices",
        {"telemetry": {"types": {"soil": {"fields": {"device": {}}}}}},
        "telemetry.types and telemetry.status must have fields that begin with a letter and hold at most 64 letters, "
        'digits and _, and none that is aws_timestamp, device, timestamp or type; got ["device","battery_level"].',
    ),
    case(
        "function",
        {
            "functions": {
                **_FUNCTIONS,
                "architecture": "riscv",
                "log_level": "WARNING",
                "log_retention_in_days": 2,
                "memory_size": 10241,
                "runtime": "nodejs22.x",
                "tracing": "active",
                "vpc": {"subnet_ids": ["subnet-1"], "security_group_ids": []},
            },
            "name": "a b",
            "reserved_concurrency": 0,
            "timeout": 901,
            "description": 257 * "x",
            "layer_arns": 6 * ["arn"],
            "asynchronous_invocation": {"maximum_event_age_in_seconds": 30},
        },
        'functions.architecture must be "arm64" or "x86_64"; got "riscv".',
        'functions.log_level must be "DEBUG", "INFO", "WARN" or "ERROR"; got "WARNING".',
        f"functions.log_retention_in_days must be a retention of CloudWatch Logs ({_RETENTIONS}); got 2.",
        "functions.memory_size must be a whole number from 128 to 10240; got 10241.",
        'functions.runtime must be "python3.11" or a later Python of Lambda; got "nodejs22.x".',
        'functions.tracing must be "Active" or "PassThrough"; got "active".',
        "functions.vpc must name at least one subnet and one security group; got "
        '{"security_group_ids":[],"subnet_ids":["subnet-1"]}.',
        'name must hold 1 to 64 letters, digits, _ and -; got "a b".',
        "reserved_concurrency must be a whole number from 1, or null; got 0.",
        "timeout must be a whole number of seconds from 1 to 900; got 901.",
        "description must hold at most 256 characters; got 257.",
        "layer_arns must name at most 5 layers; got 6.",
        "asynchronous_invocation.maximum_event_age_in_seconds must be 60 to 21600; got 30.",
    ),
    case(
        "function",
        {
            "functions": {"code": {"s3_bucket": "b"}},
            "asynchronous_invocation": {"maximum_retry_attempts": 3, "failure_retention_in_days": 15},
        },
        "functions.code must name a local file (filename) or an object in S3 (s3_bucket and s3_key); got "
        '{"filename":null,"s3_bucket":"b","s3_key":null,"s3_object_version":null,"source_code_hash":null}.',
        "asynchronous_invocation.maximum_retry_attempts must be 0, 1 or 2; got 3.",
        "asynchronous_invocation.failure_retention_in_days must be 1 to 14, the longest SQS keeps a message; got 15.",
    ),
    case(
        "function",
        {"functions": {"code": {"filename": "functions.zip", "s3_bucket": "b", "s3_key": "k"}}},
        "functions.code must name a local file (filename) or an object in S3 (s3_bucket and s3_key); got "
        '{"filename":"functions.zip","s3_bucket":"b","s3_key":"k","s3_object_version":null,"source_code_hash":null}.',
    ),
    case(
        "topic_rule",
        {"name": 101 * "x", "action": {}, "topic_filter": "a' OR 'b"},
        f'name must hold 1 to 100 letters, digits, _ and - (100, as it names a permission too); got "{101 * "x"}".',
        "action must name exactly one of firehose, function, kinesis, queue, republish and table; got [].",
        "topic_filter must be an MQTT topic filter without a quotation mark; got \"a' OR 'b\".",
    ),
    case(
        "topic_rule",
        {"error_queue": None},
        "exactly one of error_queue and error_function must be set; got neither.",
    ),
    case(
        "topic_rule",
        {"error_function": {"arn": "arn:aws:lambda:eu-west-1:111122223333:function:farm"}},
        "exactly one of error_queue and error_function must be set; got both.",
    ),
    case(
        "topic_rule",
        {"name": "a b", "action": {"function": {"arn": "a"}, "queue": {"arn": "a", "url": "u"}}},
        'name must hold 1 to 100 letters, digits, _ and - (100, as it names a permission too); got "a b".',
        "action must name exactly one of firehose, function, kinesis, queue, republish and table; got "
        '["function","queue"].',
    ),
    case(
        "work_queue",
        {
            "batch_size": 11,
            "function_timeout": 901,
            "longest_wait_seconds": 59,
            "maximum_concurrency": 1,
            "maximum_receive_count": 0,
            "message_retention_seconds": 1209601,
            "name": 68 * "x",
        },
        "batch_size must be 1 to 10, or up to 10000 with a maximum_batching_window_in_seconds of at least 1 (not in a "
        "FIFO queue); got 11.",
        "function_timeout must be 1 to 900 seconds; got 901.",
        "longest_wait_seconds must be 60 to 1209600 (14 days); got 59.",
        "maximum_concurrency must be 2 to 1000; got 1.",
        "maximum_receive_count must be 1 to 1000 (AWS recommends at least 5 for a queue that feeds a function); got 0.",
        "message_retention_seconds must be 60 to 1209600 (14 days); got 1209601.",
        "name must hold 1 to 67 letters, digits, _ and -, in a FIFO queue 62 (so that <name>-dead-letters.fifo fits in "
        f'80); got "{68 * "x"}".',
    ),
    case(
        "work_queue",
        {"maximum_batching_window_in_seconds": 301},
        "maximum_batching_window_in_seconds must be 0 to 300, and 0 in a FIFO queue; got 301.",
    ),
    case(
        "work_queue",
        {"maximum_batching_window_in_seconds": 1, "fifo": True},
        "maximum_batching_window_in_seconds must be 0 to 300, and 0 in a FIFO queue; got 1.",
    ),
    case("work_queue", {"high_throughput": True}, "high_throughput must be false unless fifo is true; got true."),
    case(
        "schedule",
        {"name": 65 * "x", "expression": "every 10 minutes"},
        f'name must hold 1 to 64 letters, digits, _ and -; got "{65 * "x"}".',
        "expression must be a rate or a cron expression, e.g. rate(10 minutes) or cron(0 * * * ? *); "
        'got "every 10 minutes".',
    ),
    case(
        "upstream",
        {"limits": {"create_thing_per_second": 8001, "list_things_per_second": 1001}},
        "limits.create_thing_per_second must be 1 to 8000; got 8001.",
        "limits.list_things_per_second must be 2 to 1000; got 1001.",
    ),
    case(
        "directory",
        {"maximum_concurrency": 1},
        "maximum_concurrency must be 2 to 1000; got 1.",
    ),
    case(
        ROOT,
        {"limits": {"registry_concurrency": 49}},
        "limits.registry_concurrency must be at most six times list_things_per_second, so that each invocation looks "
        "things up within its time; got 49.",
    ),
    case(
        "registry",
        {"limits": {"registry_concurrency": 49}},
        "limits.registry_concurrency must be at most six times list_things_per_second, so that each invocation looks "
        "things up within its time; got 49.",
    ),
    case(
        "registry",
        {"limits": {"list_things_per_second": 1, "registry_concurrency": 1}},
        "limits.list_things_per_second must be 2 to 1000; got 1.",
        "limits.registry_concurrency must be a whole number from 2, the least of Lambda, to 1000; got 1.",
    ),
    case(
        "shadow",
        {"limits": {"shadow_writes_per_second": 20001}},
        "limits.shadow_writes_per_second must be 20 to 20000; got 20001.",
    ),
    case(
        "upstream",
        {"mode": "queued", "batches": {"size": 11, "window_seconds": 0, "maximum_concurrency": 1001}},
        'mode must be "function", "batched" or "rules"; got "queued".',
        "batches.size must be a whole number from 1 to 10, or up to 100 with a window_seconds of at least 1; got 11.",
        "batches.maximum_concurrency must be a whole number from 2 to 1000; got 1001.",
    ),
    case(
        "upstream",
        {"mode": "rules", "end_to_end_encryption": {"layer_arns": [], "use": _USE}},
        'mode must not be "rules" with end_to_end_encryption, as no rule of AWS IoT can decrypt a payload; got '
        '"rules".',
    ),
    case(
        "upstream",
        {"batches": {"window_seconds": 0.5}},
        "batches.window_seconds must be 0, 1, 2 or 3, as a message that is handled more than 5 seconds after its "
        "receipt counts as late; got 0.5.",
    ),
    case(
        "upstream",
        {"silence_minutes": 1441},
        "silence_minutes must be a whole number from 5 to 1440 (a day), or null; got 1441.",
    ),
    case("table", {"name": "a b"}, 'name must hold 3 to 255 letters, digits, _, . and -; got "a b".'),
    case(
        "secret",
        {"name": "my farm", "value": " KEY", "secret_version": 0.5, "recovery_window_in_days": 3},
        "name must hold 1 to 512 of the characters A-Z a-z 0-9 / _ + = . @ and -, or be null with existing_arn; "
        'got "my farm".',
        "value must hold printable ASCII characters without spaces or line breaks; got something else (not shown).",
        "secret_version must be a whole number from 1; got 0.5.",
        "recovery_window_in_days must be 0, or 7 to 30; got 3.",
    ),
    case(
        "secret",
        {"name": None, "existing_arn": _SECRET},
        "exactly one of existing_arn, generate and value must be set; got none or several.",
    ),
    case(
        "secret",
        {"value": None},
        "exactly one of existing_arn, generate and value must be set; got none or several.",
    ),
    case(
        "secret",
        {"value": None, "existing_arn": "farm/key"},
        "existing_arn must be the ARN of a secret, "
        'arn:<partition>:secretsmanager:<region>:<account>:secret:<name>-<suffix>; got "farm/key".',
    ),
    case(
        "secret",
        {"value": None, "existing_arn": _SECRET},
        "name must hold 1 to 512 of the characters A-Z a-z 0-9 / _ + = . @ and -, or be null with existing_arn; "
        'got "farm/Key".',
    ),
    case(
        "secret",
        {"value": None, "generate": {"hex_digits": 65}},
        "generate.hex_digits must be a whole number from 32 (128 bits) to 64; got 65.",
    ),
    case(
        "log_group",
        {"name": "my farm", "retention_in_days": 100},
        'name must hold 1 to 512 of the characters A-Z a-z 0-9 _ . / # and -; got "my farm".',
        f"retention_in_days must be a retention of CloudWatch Logs ({_RETENTIONS}); got 100.",
    ),
    case(
        "package",
        {
            "name": "a/b",
            "python_version": "python3.13",
            "layer": {"requirements": "r", "architecture": "riscv"},
        },
        'name must hold letters, digits, _ and -, as it names a folder; got "a/b".',
        'python_version must be a version of Python like "3.13"; got "python3.13".',
        'layer.architecture must be "arm64" or "x86_64"; got "riscv".',
    ),
    case("prebuilt", {"package": {}}, _SOURCE + "neither."),
    case(
        "prebuilt",
        {"package": {"filename": "codecs/soil.py", "s3": {"bucket": "b", "key": "k"}}},
        _SOURCE + "both.",
    ),
    case(
        "prebuilt",
        {"package": {"filename": "no-such.zip", "sha256": 64 * "A"}},
        'package.filename must be an existing file; got "no-such.zip".',
        f'package.sha256 must hold 64 hexadecimal digits in lower case, as sha256sum prints them; got "{64 * "A"}".',
    ),
    case(
        "prebuilt",
        {"package": {"filename": "codecs/soil.py", "sha256": 64 * "0"}},
        f"package.sha256 must be the SHA-256 of codecs/soil.py, which is {sha256(_CODEC).hexdigest()}; "
        f'got "{64 * "0"}".',
    ),
    case(
        "prebuilt",
        {"package": {"s3": {"bucket": "b", "key": "k"}, "sha256": 64 * "0"}},
        "package.s3.object_version must be set with package.sha256, as an object without a version can be replaced "
        "after it was compared; got null.",
    ),
    case(
        "things_stack",
        {"cluster_address": "https://eu1.cloud.thethings.network/console", "identity_server_address": "a b"},
        f"cluster_address {_ADDRESS}, e.g. eu1.cloud.thethings.network; "
        'got "https://eu1.cloud.thethings.network/console".',
        f'identity_server_address {_ADDRESS}, e.g. eu1.cloud.thethings.network; got "a b".',
    ),
    case(
        "shadow",
        {"settings": {"min_interval_seconds": 901}},
        "settings.min_interval_seconds must be 0, or whole seconds from 1 to 900, the longest a queue delays a "
        "message; got 901.",
    ),
    case(
        "downlink",
        {"settings": {"concurrency": 1, "hold_seconds": 61, "maximum_age_seconds": 59, "rate_per_minute": 0.1}},
        "settings.concurrency must be a whole number from 2, the least of Lambda, to 1000; got 1.",
        "settings.hold_seconds must be 0 to 60; got 61.",
        "settings.maximum_age_seconds must be 60 to 21600; got 59.",
        "settings.rate_per_minute must be at least 1, or null for a part of the limit that The Things Stack reports; "
        "got 0.1.",
        "settings.concurrency must be at most four times rate_per_minute, so that each instance sends within an "
        "invocation; got 1.",
    ),
    case(
        "downlink", {"delta_f_port": 224}, "delta_f_port must be an FPort of applications, 1 to 223, or null; got 224."
    ),
    case(
        "registry",
        {"silence": {"minutes": 9.5, "tolerated": -1}, "releases_url": "https://user@example.com"},
        "silence.minutes must be a whole number from 10 to 525600 (a year); got 9.5.",
        "silence.tolerated must be a whole number from 0; got -1.",
        'releases_url must be an https URL without credentials, or null; got "https://user@example.com".',
    ),
    case(
        "registry",
        {"on_thing_deleted": "keep", "sync": {"mode": "dry-run"}},
        'on_thing_deleted must be "delete" or "retain"; got "keep".',
        'sync.mode must be "apply" or "report"; got "dry-run".',
    ),
    case(
        "package",
        {"signed": True, "layer": {"requirements": "requirements.txt", "architecture": "arm64"}},
        "signed must be false without prebuilt, a zip that you have signed (functions.code_signing_config_arn and "
        "package of the stack); got true.",
        "signed must be false with a layer, which is built here and has no signature "
        "(functions.code_signing_config_arn, and end_to_end_encryption or the receiver iot_core, of the stack); got "
        "true.",
    ),
    case(
        "ingest",
        {"mode": "nats", "client_id_pattern": "a b", "external_id": "x", "trusted_account_id": "root"},
        'mode must be "pubsub", "package", "webhook", "mqtt" or "manual"; got "nats".',
        'client_id_pattern must hold 1 to 128 printable characters without spaces, * as wildcard; got "a b".',
        _EXTERNAL_ID + '"x".',
    ),
    case(
        "ingest",
        {"mode": "webhook", "webhook": {"receiver": "lambda"}},
        'webhook.receiver must be "function" or "iot_core"; got "lambda".',
    ),
    case(
        "ingest",
        {"mode": "webhook", "webhook": {"receiver": "iot_core", "reserved_concurrency": 20}},
        'webhook.reserved_concurrency must be null with webhook.receiver "iot_core", as no function receives; got 20.',
    ),
    case(
        "ingest",
        {"mode": "webhook", "webhook": {"receiver": "function"}, "aws": {**_AWS, "region": "eu-central-2"}},
        'webhook.receiver must be "iot_core" where Lambda has no function URLs, or the mode another one; got '
        '"function" in the region "eu-central-2".',
    ),
    case(
        "ingest",
        {"mode": "webhook", "webhook": {"receiver": "iot_core"}, "aws": {**_AWS, "region": "eu-central-2"}},
    ),
    case(
        "ingest",
        {"mode": "manual", "basic_ingest": True, "trusted_account_id": "123456789012"},
        'basic_ingest must be false unless mode is "webhook" or "mqtt": with the others The Things Stack decides on '
        'the topics; got true with mode "manual".',
    ),
    *(
        case(
            "ingest",
            {"mode": "pubsub", "trusted_account_id": "123456789012", "pubsub": pubsub},
            'pubsub.has_aws_iot_provider must be true with mode "pubsub": few Enterprise deployments have the provider '
            "aws_iot, the open source accepts it and delivers no message, and the apply can't see the difference. Ask "
            'whoever runs the cluster, or choose mode "webhook", which every deployment has; got false.',
        )
        for pubsub in ({}, {"has_aws_iot_provider": None})
    ),
    case(
        "ingest",
        _PUBSUB,
        'trusted_account_id must be an AWS account of 12 digits when mode is "manual", "package" or "pubsub"; '
        'got "null".',
    ),
    case(
        "ingest",
        {"trusted_account_id": "root"},
        'trusted_account_id must be an AWS account of 12 digits when mode is "manual", "package" or "pubsub"; '
        'got "root".',
    ),
    case(
        "integration",
        {
            "ingest": {
                "mode": "package",
                "mqtt": {"client_id": "a-client-id-of-24-letter", "policy_name": "p", "server_url": "mqtts://x:8883"},
            },
            "thing_type": {"description": "Gerät", "searchable_attributes": ["dev EUI"]},
        },
        'ingest.cross_account_role must be set when ingest.mode is "package" or "pubsub"; '
        'got null with mode "package".',
        'ingest.mqtt.client_id must hold at most 23 characters; got "a-client-id-of-24-letter".',
        'ingest.package must be set when ingest.mode is "package"; got null.',
        'thing_type.description must hold at most 2028 printable ASCII characters; got "Gerät".',
        "thing_type.searchable_attributes must be names of 1 to 128 of the characters A-Z a-z 0-9 _ . , @ / : # and -; "
        "got [dev EUI].",
    ),
    case(
        "integration",
        {
            "ingest": {"mode": "webhook"},
            "thing_type": {"description": 2029 * "x", "searchable_attributes": ["a", "b", "c", "d"]},
        },
        'ingest.webhook must be set when ingest.mode is "webhook"; got null.',
        f'thing_type.description must hold at most 2028 printable ASCII characters; got "{2029 * "x"}".',
        "thing_type.searchable_attributes must name at most three different attributes; got [a, b, c, d].",
    ),
    case(
        "integration",
        {"ingest": {"mode": "webhook/iot_core"}},
        'ingest.iot_core must be set when ingest.mode is "webhook/iot_core"; got null.',
    ),
    case("integration", {"ingest": {"mode": "mqtt"}}, 'ingest.mqtt must be set when ingest.mode is "mqtt"; got null.'),
    case(
        "integration",
        {"ingest": {"mode": "nats"}},
        'ingest.mode must be "pubsub", "package", "webhook", "webhook/iot_core", "mqtt" or "manual"; got "nats".',
    ),
]


def variables(module: str) -> list[Path]:
    """The files with the variables of a module; a part of it may have one of its own."""
    return sorted((REPOSITORY if module == ROOT else REPOSITORY / "modules" / module).glob("*variables.tf"))


def declared(module: str) -> str:
    return "\n".join(file.read_text() for file in variables(module))


def has(module: str, variable: str) -> bool:
    return f'variable "{variable}" {{' in declared(module)


def shared_cases() -> Iterator[Case]:
    """The objects that go everywhere, in every module that takes them."""
    stack = {"name": "my farm", "thing_type_name": "a b", "thing_name_scheme": "devEUI"}
    addresses = {
        "cluster_address": "eu1.cloud.thethings.network",
        "identity_server_address": "https://a.example.com/api/v3",
    }
    for module in ACCEPTED:
        inputs: dict[str, Any] = {}
        messages: list[str] = []
        if has(module, "stack"):
            inputs["stack"] = stack
            messages += [
                'stack.name must begin with a letter and hold at most 53 letters, digits and dashes; got "my farm".',
                'stack.thing_type_name must hold 1 to 128 of the characters A-Z a-z 0-9 : _ and -; got "a b".',
                'stack.thing_name_scheme must be "DevEUI" or "DeviceID"; got "devEUI".',
            ]
        if has(module, "things_stack"):
            inputs["things_stack"] = {**_THINGS_STACK_OBJECT, **addresses}
            messages += [
                f"things_stack.{name} must be a URL without a path, e.g. https://eu1.cloud.thethings.network; "
                f'got "{address}".'
                for name, address in addresses.items()
            ]
        if has(module, "base_topic"):
            inputs["base_topic"] = "thethings/lorawan/#"
            messages.append('base_topic must be a topic without wildcards; got "thethings/lorawan/#".')
        if inputs:
            yield case(module, inputs, *messages)


CASES = [*ROOT_CASES, *MODULE_CASES, *shared_cases()]


@pytest.fixture(scope="session")
def faults(tree: Path, terraform: Callable[..., Any]) -> dict[int, list[str]]:
    """Number of a case -> the messages of its faults, from one plan of all cases."""
    folder = tree / "validations"
    for module in ACCEPTED:
        (folder / module).mkdir(parents=True)
        for file in variables(module):
            shutil.copy(file, folder / module)
    # The root module's variables are checked against what is known of The Things Stack and of the region.
    known = _THINGS_STACK.search((tree / "things_stack.tf").read_text())
    assert known
    source = known[0].replace('"./modules/', '"../../modules/').replace("module.api_key", "local.api_key")
    for region in {each.region for each in CASES}:
        shutil.copytree(folder / ROOT, folder / f"{ROOT}-{region}")
        (folder / f"{ROOT}-{region}" / "main.tf").write_text(
            f"locals {{\n  aws     = {hcl({**_AWS, 'region': region})}\n"
            f"  api_key = {hcl({'arn': _SECRET, 'secret_version': 1, 'use': _USE})}\n}}\n\n{source}"
        )
    (folder / "codecs").mkdir()
    (folder / "codecs" / "soil.py").write_bytes(_CODEC)
    # As a variable: Terraform validates a configuration before it plans, when it does not know the values of variables.
    # What fails then would hide the rules that compare two variables, which it checks when planning.
    inputs = {f"case_{number}": _inputs(each) for number, each in enumerate(CASES)}
    (folder / "terraform.tfvars.json").write_text(json.dumps({"inputs": inputs}))
    calls = [_call(f"case_{number}", each, list(_inputs(each))) for number, each in enumerate(CASES)]
    (folder / "main.tf").write_text("\n".join(['variable "inputs" {\n  type = any\n}\n', *calls]))
    terraform(folder, "init", "-no-color")
    planned = terraform(folder, "plan", "-no-color", "-json", check=False)
    found: dict[int, list[str]] = {number: [] for number in range(len(CASES))}
    for line in planned.stdout.splitlines():
        event = json.loads(line)
        if event["type"] != "diagnostic" or event["diagnostic"]["severity"] != "error":
            continue
        diagnostic = event["diagnostic"]
        place = f"{diagnostic.get('address', '')} {(diagnostic.get('snippet') or {}).get('context') or ''}"
        number = re.search(r"\bcase_(\d+)\b", place)
        assert number, diagnostic
        found[int(number[1])].append(diagnostic["detail"].partition("\n\nThis was checked by")[0].strip())
    return found


def _inputs(each: Case) -> dict[str, Any]:
    shared = {name: value for name, value in SHARED.items() if has(each.module, name)}
    # Terraform names the place of a fault only for a variable that is set.
    unset = dict.fromkeys(_NULL_BY_DEFAULT.findall(declared(each.module)))
    return {**unset, **shared, **ACCEPTED[each.module], **each.inputs}


def _call(name: str, each: Case, inputs: list[str]) -> str:
    source = f"{ROOT}-{each.region}" if each.module == ROOT else each.module
    lines = [f"  {variable} = var.inputs.{name}.{variable}" for variable in inputs]
    return "\n".join([f'module "{name}" {{', f'  source = "./{source}"', *lines, "}", ""])


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{each.module}-{n}" for n, each in enumerate(CASES)])
def test_a_fault_is_rejected_with_what_must_hold_and_what_was_given(number: int, faults: dict[int, list[str]]) -> None:
    assert sorted(faults[number]) == sorted(CASES[number].messages)


@pytest.mark.parametrize("module", ACCEPTED)
def test_every_rule_of_a_module_is_broken_by_a_case(module: str) -> None:
    rules = [text.replace('\\"', '"') for text in _MESSAGE.findall(declared(module))]
    expected = [message for each in CASES if each.module == module for message in each.messages]
    assert not [rule for rule in rules if not any(message.startswith(rule.rstrip('"')) for message in expected)]


def test_every_module_is_here() -> None:
    assert set(ACCEPTED) == {ROOT, *(folder.name for folder in (REPOSITORY / "modules").iterdir() if folder.is_dir())}


def test_a_misspelt_mode_of_ingest_is_refused(tmp_path: Path, terraform: Callable[..., Any]) -> None:
    """Terraform drops attributes that it does not know: without a required one, this would be the default mode."""
    written = re.search(r'^variable "ingest" \{\n.*?^  \}\)\n', declared(ROOT), re.MULTILINE | re.DOTALL)
    assert written
    (tmp_path / "stack").mkdir()
    (tmp_path / "stack" / "variables.tf").write_text(f"{written[0]}}}\n")
    (tmp_path / "main.tf").write_text('module "stack" {\n  source = "./stack"\n  ingest = { mod = "mqtt" }\n}\n')
    terraform(tmp_path, "init", "-no-color")
    refused = terraform(tmp_path, "validate", "-no-color", check=False)
    assert refused.returncode == 1
    assert 'attribute "mode" is required' in refused.stdout + refused.stderr
