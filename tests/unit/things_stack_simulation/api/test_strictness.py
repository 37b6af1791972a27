"""A request that violates the description is recorded, and answered as by the Stack, which ignores unknown fields."""

from __future__ import annotations

from typing import Any

import pytest

from local.things_stack import ThingsStack
from tests.unit.things_stack_simulation.conftest import API, APP, DEV_EUI, DEVICE, JOIN_EUI, Client

IDS = {"device_id": DEVICE, "dev_eui": DEV_EUI, "join_eui": JOIN_EUI}
DEVICES = f"/applications/{APP}/devices"
PUBSUB = f"/as/pubsub/{APP}/aws-iot"
ROLE = "arn:aws:iam::111122223333:role/demo-things-stack"


def aws_iot(**changes: Any) -> dict[str, Any]:
    provider = {
        "region": "eu-west-1",
        "assume_role": {"arn": ROLE, "external_id": "x"},
        "default": {"stack_name": "demo"},
    }
    return {
        "pubsub": {"format": "json", "aws_iot": provider | changes},
        "field_mask": {"paths": ["format", "provider"]},
    }


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "kind", "where"),
    [
        ("GET", "/applications/farm-app/things", None, 404, "path", f"{API}/applications/farm-app/things"),
        ("PATCH", DEVICES, {}, 501, "method", "PATCH"),
        ("GET", f"{DEVICES}?colour=red", None, 400, "query", "colour"),
        ("GET", f"{DEVICES}?limit=1001", None, 400, "grammar", "limit"),
        ("POST", DEVICES, {"end_device": {"ids": IDS}, "field_mask": {"paths": ["name"]}}, 200, "field", "field_mask"),
        ("POST", DEVICES, {"end_device": {"ids": {**IDS, "eui": "00"}}}, 200, "field", "end_device.ids.eui"),
        ("POST", DEVICES, {"end_device": {"ids": IDS, "name": 7}}, 400, "type", "end_device.name"),
        ("POST", DEVICES, {"end_device": {"ids": {**IDS, "device_id": "Tank_7"}}},
         400, "grammar", "end_device.ids.device_id"),
        ("POST", DEVICES, {"end_device": {"ids": {**IDS, "dev_eui": "A817"}}},
         400, "grammar", "end_device.ids.dev_eui"),
        ("POST", DEVICES, {"end_device": {"ids": IDS, "network_server_address": "https://eu1.example.com"}},
         400, "grammar",
         "end_device.network_server_address"),
        ("POST", DEVICES, {"end_device": {"ids": IDS, "attributes": {"Key": "x"}}},
         400, "grammar", "end_device.attributes[Key]"),
        ("PUT", f"/ns{DEVICES}/{DEVICE}", {"end_device": {"lorawan_version": "MAC_V9"}},
         400, "enum", "end_device.lorawan_version"),
        ("PUT", f"/ns{DEVICES}/{DEVICE}", {"field_mask": {"paths": ["root_keys"]}}, 400, "mask", "root_keys"),
        ("PUT", f"/js{DEVICES}/{DEVICE}", {"end_device": {"root_keys": {"app_key": {"key": "01"}}}}, 400, "grammar",
         "end_device.root_keys.app_key.key"),
        ("PUT", f"/as{DEVICES}/{DEVICE}", {"end_device": {"ids": {"device_id": "other-1"}}}, 400, "grammar",
         "end_device.ids.device_id"),
        ("GET", f"/as{DEVICES}/{DEVICE}?field_mask=lorawan_version", None, 400, "mask", "lorawan_version"),
        ("PUT", PUBSUB, {"pubsub": {"nats": {}}, "field_mask": {"paths": ["nats"]}}, 400, "mask", "nats"),
        ("GET", f"/as{DEVICES}/-tank", None, 400, "grammar", "end_device_ids.device_id"),
        ("DELETE", f"/as{DEVICES}/{DEVICE}", {}, 404, "field", "body"),
        ("POST", f"/as{DEVICES}/{DEVICE}/down/push", {"downlinks": [{"f_port": 256}]},
         400, "grammar", "downlinks[0].f_port"),
        ("POST", f"/as{DEVICES}/{DEVICE}/down/push", {"downlinks": [{"frm_payload": "A" * 344}]}, 400, "grammar",
         "downlinks[0].frm_payload"),
        ("POST", f"/as{DEVICES}/{DEVICE}/down/push", {"downlinks": [{"frm_payload": "not base64"}]}, 400, "type",
         "downlinks[0].frm_payload"),
        ("POST", f"/as{DEVICES}/{DEVICE}/down/push", {"downlinks": [{"priority": "URGENT"}]},
         400, "enum", "downlinks[0].priority"),
        ("PUT", PUBSUB, aws_iot(region="mars-north-1"), 400, "grammar", "pubsub.aws_iot.region"),
        ("PUT", PUBSUB, aws_iot(assume_role={"arn": ROLE.replace("role/", "role/path/")}), 400, "grammar",
         "pubsub.aws_iot.assume_role.arn"),
        ("PUT", PUBSUB, aws_iot(assume_role={"arn": ROLE.replace("aws", "aws-cn")}),
         400, "grammar", "pubsub.aws_iot.assume_role.arn"),
        ("PUT", PUBSUB, aws_iot(assume_role={"arn": ROLE, "external_id": "a b"}), 400, "grammar",
         "pubsub.aws_iot.assume_role.external_id"),
        ("PUT", PUBSUB, aws_iot(default={"stack_name": "1demo"}), 400, "grammar", "pubsub.aws_iot.default.stack_name"),
        ("POST", "/edcs/claim", {"authenticated_identifiers": {"authentication_code": "lower"}}, 400, "grammar",
         "authenticated_identifiers.authentication_code"),
    ],
)  # fmt: skip
def test_a_request_that_violates_the_description_is_recorded(
    simulation: ThingsStack, client: Client, method: str, path: str, body: Any, status: int, kind: str, where: str
) -> None:
    answer = client.call(method, path, body)
    assert answer.status_code == status
    assert [(violation.kind, violation.where) for violation in simulation.violations] == [(kind, where)]
    with pytest.raises(AssertionError, match=kind):
        simulation.assert_no_violations()


def test_a_body_that_is_not_json_is_rejected(simulation: ThingsStack, client: Client) -> None:
    url = f"{simulation.url}{API}{DEVICES}"
    answer = client.session.post(url, data=b"{", headers={"Authorization": f"Bearer {client.token}"}, timeout=5)
    assert answer.status_code == 400
    assert [violation.kind for violation in simulation.violations] == ["type"]


def test_every_request_is_logged_with_its_server_and_status(simulation: ThingsStack, client: Client) -> None:
    client.call("POST", DEVICES, {"end_device": {"ids": IDS}})
    client.call("GET", f"/ns{DEVICES}/{DEVICE}")
    seen = [(request.server, request.method, request.status) for request in simulation.requests]
    assert seen == [("IS", "POST", 200), ("NS", "GET", 404)]
    assert simulation.requests[0].body == {"end_device": {"ids": IDS}}
    simulation.assert_no_violations()


def test_an_identity_server_on_its_own_host_is_served_only_there() -> None:
    with ThingsStack(identity_port=0) as simulation:
        simulation.create_application(APP)
        client = Client(simulation, simulation.create_api_key(APP))
        assert simulation.identity_url != simulation.url
        assert client.call("GET", DEVICES).status_code == 404
        assert [violation.kind for violation in simulation.violations] == ["host"]
        at_identity = f"{simulation.identity_url}{API}"
        headers = {"Authorization": f"Bearer {client.token}"}
        assert client.session.get(f"{at_identity}{DEVICES}", headers=headers, timeout=5).status_code == 200
        assert (
            client.session.get(f"{at_identity}/as/applications/{APP}/link", headers=headers, timeout=5).status_code
            == 404
        )
        assert len(simulation.violations) == 2
