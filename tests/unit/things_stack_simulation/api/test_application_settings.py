"""Link, activation settings and integrations of an application: set, read, deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from local.things_stack import ThingsStack
from local.things_stack.description.rights import SETTINGS
from tests.unit.things_stack_simulation.conftest import APP, Client, error_of


def test_link_and_activation_settings_are_set_read_and_deleted(simulation: ThingsStack, client: Client) -> None:
    link, settings = f"/as/applications/{APP}/link", f"/js/applications/{APP}/settings"
    assert client.call("GET", link).status_code == 404
    change = {"link": {"skip_payload_crypto": True}, "field_mask": {"paths": ["skip_payload_crypto"]}}
    assert client.json("PUT", link, change) == {"skip_payload_crypto": True}
    assert client.json("DELETE", link) == {}
    kek = {
        "settings": {"kek_label": "arn:aws:x", "kek": {"key": "01" * 16}},
        "field_mask": {"paths": ["kek_label", "kek"]},
    }
    without_label = {"settings": kek["settings"], "field_mask": {"paths": ["kek"]}}
    assert error_of(client.call("POST", settings, without_label)) == (400, "pkg/joinserver:field_mask")
    unnamed = {"settings": {"kek": {"key": "01" * 16}}, "field_mask": {"paths": ["kek_label", "kek"]}}
    assert error_of(client.call("POST", settings, unnamed)) == (400, "pkg/joinserver:no_kek_label")
    assert error_of(client.call("POST", settings, {"settings": {}})) == (400, "pkg/joinserver:field_mask")
    assert client.json("POST", settings, kek)["kek_label"] == "arn:aws:x"
    assert client.json("GET", settings, field_mask="kek_label") == {"kek_label": "arn:aws:x"}
    assert client.json("DELETE", settings) == {}
    assert client.call("DELETE", settings).status_code == 404
    simulation.assert_no_violations()


@pytest.mark.parametrize(
    ("path", "name", "record", "mask"),
    [
        (f"/as/webhooks/{APP}/hook-1", "webhook", {"base_url": "http://127.0.0.1:9", "format": "json"},
         ["base_url", "format"]),
        (f"/as/applications/{APP}/packages/associations/198", "default", {"package_name": "storage", "data": {"a": 1}},
         ["package_name", "data"]),
        (f"/as/pubsub/{APP}/nats-1", "pubsub", {"format": "json", "nats": {"server_url": "nats://x"}},
         ["format", "provider.nats"]),
    ],
)  # fmt: skip
def test_integrations_are_set_read_and_deleted(
    simulation: ThingsStack, client: Client, path: str, name: str, record: dict[str, Any], mask: list[str]
) -> None:
    client.json("PUT", path, {name: record, "field_mask": {"paths": mask}})
    read = client.json("GET", path, field_mask=",".join(mask))
    assert {key: read[key] for key in record} == record
    assert client.json("DELETE", path) == {}
    assert client.call("GET", path).status_code == 404
    assert client.json("DELETE", path) == {}
    simulation.assert_no_violations()


def test_an_integration_needs_all_three_rights(with_rights: Callable[..., Client]) -> None:
    body = {"pubsub": {"format": "json", "nats": {}}, "field_mask": {"paths": ["format", "provider"]}}
    answer = with_rights(SETTINGS).call("PUT", f"/as/pubsub/{APP}/nats-1", body)
    assert answer.json()["details"][0]["attributes"]["missing"] == [
        "RIGHT_APPLICATION_TRAFFIC_READ", "RIGHT_APPLICATION_TRAFFIC_DOWN_WRITE"]  # fmt: skip
