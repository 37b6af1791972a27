"""What Terraform creates for devices, as far as the command reads it, in the account in process of the stack `Farm`."""

import io
import json
import zipfile
from typing import Any

import boto3

TRUST = '{"Version": "2012-10-17", "Statement": []}'
CONFIGURATION = {
    "ca_certificate": None,
    "endpoint": "example-ats.iot.eu-west-1.amazonaws.com",
    "locations": {"hall-3": "Farm:location:hall-3"},
    "policies": ["Farm-device"],
    "region": "eu-west-1",
    "types": {
        "temperature": {
            "group": "Farm:type:temperature",
            "initial_shadow": {"desired": {"reporting_interval": 60}},
            "thing_type": "Farm:temperature",
        }
    },
}


def apply_devices(stack: Any) -> None:
    """Create it with the variable `devices`."""
    stack.create_thing_type(thingTypeName="Farm:temperature")
    for group in ("Farm:type:temperature", "Farm:location:hall-3"):
        stack.create_thing_group(thingGroupName=group)
    stack.create_policy(policyName="Farm-device", policyDocument=TRUST)
    create_function("devices", DEVICES=json.dumps(CONFIGURATION))


def create_function(name: str, **environment: str) -> None:
    """Create a function of the stack with the environment that the command reads."""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("handlers/devices.py", "")
    role = boto3.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    boto3.client("lambda").create_function(
        FunctionName=f"Farm-{name}",
        Role=role,
        Runtime="python3.13",
        Handler="handlers.devices.handler",
        Code={"ZipFile": code.getvalue()},
        Environment={"Variables": environment},
    )
