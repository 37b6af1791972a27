"""The control API and its client, with a simulation in another process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.things_stack import Dropped
from local.things_stack.control.client import Control, ControlError
from local.things_stack.control.encoding import encoded
from tests.unit.things_stack_simulation.conftest import APP, DEV_EUI, DEVICE

REPOSITORY = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Control]:
    state = tmp_path_factory.mktemp("simulation") / "things-stack.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "local.things_stack", "--state", str(state), "--identity-port", "0"],
        cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(REPOSITORY), "PATH": ""},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert "listens on http://127.0.0.1:" in process.stdout.readline()
        yield Control(json.loads(state.read_text())["url"])
    finally:
        process.terminate()
        assert process.wait(timeout=10) == 0
    assert not state.exists()


def test_another_process_can_call_the_same_methods(control: Control) -> None:
    assert control.health()["address"] != control.health()["identity_address"]
    control.create_application(APP)
    assert control.create_api_key(APP).startswith("NNSXS.")
    control.set_application_addresses(APP, join_server_address="eu1.example.com")
    assert control.servers["identity"]["applications"][APP] == {"join_server_address": "eu1.example.com"}
    control.set_application_addresses(APP)
    control.register_device(APP, device_id=DEVICE, dev_eui=DEV_EUI)
    assert control.network.join(APP, DEVICE)["kind"] == "join_accept"
    uplink = control.network.uplink(APP, DEVICE, f_port=3, frm_payload=b"\xff\x00")
    assert uplink["message"]["uplink_message"]["frm_payload"] == "/wA="
    assert uplink["published_at"] > 0
    assert control.network.publish_raw(APP, "uplink", b"\xff")["raw"] == b"\xff"
    assert [published["kind"] for published in control.network.published] == ["join_accept", "uplink_message", "raw"]
    assert control.network.queue(APP, DEVICE) == []
    assert control.servers["identity"]["devices"][f"{APP}/{DEVICE}"]["ids"]["dev_eui"] == DEV_EUI
    control.faults.add(path=".", status=500)
    control.faults.clear()
    assert control.integrations.all() == {}
    assert control.requests == control.violations == []


def test_exceptions_are_raised_in_the_client(control: Control) -> None:
    with pytest.raises(Dropped, match="the Network Server does not know"):
        control.network.join("other-app", "nobody")
    with pytest.raises(ValueError, match="application id"):
        control.create_application("No_App")
    with pytest.raises(ControlError):
        control.integrations.wait(APP, "none")


def test_what_grows_while_it_is_read_is_read_as_it_was() -> None:
    devices: dict[str, Any] = {}

    class Registered:
        """Another request adds a device while this one is encoded."""

        def __iter__(self) -> Iterator[str]:
            devices["later"] = {}
            yield "seen"

    devices["first"] = Registered()
    assert encoded(devices) == {"first": ["seen"]}
