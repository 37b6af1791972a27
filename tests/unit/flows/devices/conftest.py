"""The devices of the stack `farm` on an account in process (moto), as Terraform sets them up."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.unit.conftest import refusal
from thingbridge import diagnostics
from thingbridge.aws.clients import Clients
from thingbridge.aws.shadow_states import ShadowStates
from thingbridge.devices.fleet import Fleet
from thingbridge.flows.devices.registry import DeviceRegistry

INITIAL = {"desired": {"temperature_threshold": 75}, "reported": {"firmware_version": "1.0.0"}}
POLICIES = ["farm-device-own", "farm-device"]

Fail = Callable[..., Callable[[], None]]


@pytest.fixture
def fleet() -> Fleet:
    """As the module `devices` configures it."""
    settings = {
        "ca_certificate": None,
        "endpoint": "example-ats.iot.eu-west-1.amazonaws.com",
        "locations": {"hall-3": "farm:location:hall-3"},
        "policies": POLICIES,
        "region": "eu-west-1",
        "types": {
            "temperature": {
                "group": "farm:type:temperature",
                "initial_shadow": INITIAL,
                "thing_type": "farm:temperature",
            },
            "pressure": {"group": "farm:type:pressure", "initial_shadow": None, "thing_type": "farm:pressure"},
        },
    }
    return Fleet.read("farm", json.dumps(settings))


@pytest.fixture
def alert_states(clients: Clients) -> ShadowStates:
    """The levels of alert, as the function `telemetry` keeps them; there are none yet."""
    clients("dynamodb").create_table(
        TableName="farm-telemetry-states",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "thing", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "thing", "AttributeType": "S"}],
    )
    return ShadowStates(clients, "farm-telemetry-states", subject="alert")


@pytest.fixture
def devices(clients: Clients, fleet: Fleet, alert_states: ShadowStates) -> DeviceRegistry:
    """The stack's devices; there are none yet."""
    iot = clients("iot")
    for each in fleet.types.values():
        iot.create_thing_type(thingTypeName=each.thing_type)
        iot.create_thing_group(thingGroupName=each.group)
    iot.create_thing_group(thingGroupName="farm:location:hall-3")
    iot.create_thing_type(thingTypeName="lorawan")
    for policy in POLICIES:
        iot.create_policy(policyName=policy, policyDocument="{}")
    clients.take_calls()
    return DeviceRegistry.of(fleet, clients, "farm-telemetry-states", log=diagnostics.emit)


@pytest.fixture(scope="session")
def csr() -> str:
    """A certificate signing request (PEM)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "probe-1")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture
def fail(clients: Clients) -> Fail:
    """Have an operation fail as AWS would under load; returns what ends that."""

    def fail(
        operation: str, service: str = "iot", status: int = 409, code: str = "ConflictingResourceUpdateException"
    ) -> Any:
        client = clients(service)
        event = f"before-call.{client.meta.service_model.service_id.hyphenize()}.{operation}"

        def refuse(**_: Any) -> Any:
            return refusal(status, code)

        client.meta.events.register(event, refuse)
        return lambda: client.meta.events.unregister(event, refuse)

    return fail
