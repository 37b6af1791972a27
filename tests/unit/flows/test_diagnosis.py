"""What the function `configure` finds at The Things Stack: after an apply of each mode, and after each fault."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.unit.flows.applies import PATH, Applies
from tests.unit.flows.world import ROLE, World
from thingbridge.aws.authorizers import Authorizers
from thingbridge.aws.certificates import ClientCertificates
from thingbridge.aws.parameters import Parameters
from thingbridge.flows.api_key import RIGHTS
from thingbridge.flows.configuration import Application
from thingbridge.flows.diagnosis import SERVERS, Diagnosis
from thingbridge.flows.ingest.account import Account
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.transport import Transport

MODES = ("webhook", "mqtt", "pubsub", "package", "manual")


class Examined:
    """A stack that was applied in one mode."""

    def __init__(self, world: World, mode: str) -> None:
        self.world, self.mode = world, mode
        self.applies: Applies = world.applies(mode)
        self.applies.apply(world.wanted(mode))

    @property
    def answer(self) -> dict[str, Any]:
        return self.applies.invoke({"resource": "diagnosis"}, "create", 60)

    @property
    def faults(self) -> list[dict[str, Any]]:
        return [each for each in self.answer["findings"] if each["fix"]]

    @property
    def webhook(self) -> dict[str, Any]:
        (held,) = self.world.simulation.servers.application.webhooks.values()
        return held

    @property
    def pubsub(self) -> dict[str, Any]:
        (held,) = self.world.simulation.servers.application.pubsubs.values()
        return held


@pytest.fixture
def examined(world: World) -> Callable[[str], Examined]:
    return lambda mode: Examined(world, mode)


@pytest.mark.parametrize("mode", MODES)
def test_after_an_apply_all_is_well_and_nothing_was_changed(examined: Callable[[str], Examined], mode: str) -> None:
    stack = examined(mode)
    before = stack.world.configured
    assert stack.faults == []
    looked_at = [each["what"] for each in stack.answer["findings"]]
    assert looked_at[:6] == ["last apply", *map(str, SERVERS), "API key"]
    assert stack.world.configured == before
    assert stack.answer.get("role_arn") == (ROLE if mode in ("pubsub", "package") else None)


def pause(stack: Examined) -> None:
    stack.webhook["paused"] = True


def fail(stack: Examined) -> None:
    stack.webhook["health_status"] = {"unhealthy": {"failed_attempts": "7"}}


def redirect(stack: Examined) -> None:
    stack.webhook["base_url"] = "https://elsewhere.example.com"


def guess(stack: Examined) -> None:
    stack.webhook["headers"] = dict.fromkeys(stack.webhook["headers"], "another")


def skip_uplinks(stack: Examined) -> None:
    del stack.webhook["uplink_message"]


def delete_integrations(stack: Examined) -> None:
    server = stack.world.simulation.servers.application
    for records in (server.webhooks, server.pubsubs, server.associations):
        records.clear()


def another_role(stack: Examined) -> None:
    stack.pubsub["aws_iot"]["assume_role"]["arn"] = "arn:aws:iam::111122223333:role/another"


def another_server(stack: Examined) -> None:
    stack.pubsub["mqtt"]["server_url"] = "mqtts://elsewhere.example.com"


def without_certificate(stack: Examined) -> None:
    iot = stack.world.clients("iot")
    for each in iot.list_certificates()["certificates"]:
        iot.update_certificate(certificateId=each["certificateId"], newStatus="INACTIVE")


def another_package(stack: Examined) -> None:
    (held,) = stack.world.simulation.servers.application.associations.values()
    held["package_name"] = "alcsync-v1"


@pytest.mark.parametrize(
    ("mode", "fault", "found"),
    [
        ("webhook", pause, "it is paused"),
        ("webhook", fail, "stopped calling it after 7 failures"),
        ("webhook", redirect, "it posts to https://elsewhere.example.com"),
        ("webhook", guess, "what it shows in its headers is refused"),
        ("webhook", skip_uplinks, "it does not send uplink_message"),
        ("webhook", delete_integrations, "it does not exist"),
        ("pubsub", another_role, "it assumes another role"),
        ("pubsub", delete_integrations, "it does not exist"),
        ("mqtt", another_server, "it connects to mqtts://elsewhere.example.com"),
        ("mqtt", without_certificate, "no active certificate"),
        ("mqtt", delete_integrations, "it does not exist"),
        ("package", another_package, "associated with the package alcsync-v1"),
        ("package", delete_integrations, "it is not associated"),
    ],
)
def test_what_was_changed_in_the_console_is_named_and_an_apply_that_is_forced_is_the_fix(
    examined: Callable[[str], Examined], mode: str, fault: Callable[[Examined], None], found: str
) -> None:
    stack = examined(mode)
    fault(stack)
    (named,) = stack.faults
    assert found in named["found"]
    assert "terraform apply -replace" in named["fix"]


@pytest.mark.parametrize("missing", RIGHTS)
def test_a_missing_right_is_named_as_the_console_names_it(examined: Callable[[str], Examined], missing: str) -> None:
    stack = examined("manual")
    rights = [right for right in RIGHTS if right != missing]
    stack.world.key(stack.world.simulation.create_api_key("farm-app", rights=rights))
    (named,) = stack.faults
    assert named["what"] == f"right “{RIGHTS[missing]}”"


def test_a_key_that_was_deleted_is_the_first_fault(examined: Callable[[str], Examined]) -> None:
    stack = examined("webhook")
    stack.world.simulation.delete_api_key(stack.world.keys["farm-app"])
    pause(stack)
    assert [each["what"] for each in stack.faults] == ["API key"]


@pytest.mark.parametrize(("days", "fault"), [(29.5, True), (31.5, False)])
def test_a_key_that_ends_soon_is_named_with_its_day(
    examined: Callable[[str], Examined], days: float, fault: bool
) -> None:
    stack = examined("webhook")
    end = datetime.now(UTC) + timedelta(days=days)
    for key in stack.world.simulation.servers.identity.api_keys.values():
        key.expires_at = end.strftime("%Y-%m-%dT%H:%M:%SZ")
    ends = f"it ends in {int(days)} days, on {end.date()}"
    assert ends in [each["found"] for each in stack.answer["findings"]]
    assert [each["found"] for each in stack.faults] == ([ends] if fault else [])
    assert not fault or "application_api_key_version" in stack.faults[0]["fix"]


def _none() -> Any:
    raise AssertionError("no token is looked at")


@pytest.mark.parametrize(
    ("path", "server"), [("/ns/", "Network Server"), ("/as/", "Application Server"), ("/js/", "Join Server")]
)
def test_a_server_that_does_not_answer_is_named_alone(
    examined: Callable[[str], Examined], path: str, server: str
) -> None:
    stack = examined("webhook")
    stack.world.simulation.faults.add(path=f"{path}.*", status=503, times=1_000)

    def connect(application: Application, _version: str, _patience: float) -> ThingsStack:
        url = application.cluster_address
        transport = Transport(
            cluster_address=url,
            identity_server_address=url,
            api_key=lambda _refresh: stack.world.keys["farm-app"],
            remaining_seconds=lambda: 10,
            patience=0.1,
        )
        return ThingsStack(application.application_id, transport)

    clients = stack.world.clients
    nothing = Account(lambda _arn: "", ClientCertificates(clients), Authorizers(clients), _none)
    flow = Diagnosis(PATH, Parameters(stack.world.clients), connect, lambda _arn: "1", nothing)
    assert [each["what"] for each in flow.run()["findings"] if each["fix"]] == [server]


def test_an_apply_that_broke_off_is_named(examined: Callable[[str], Examined]) -> None:
    stack = examined("webhook")
    wanted = json.dumps(stack.world.wanted("webhook", api_key_version=9))
    name = f"{PATH}/wanted/integration"
    stack.world.clients("ssm").put_parameter(Name=name, Value=wanted, Type="String", Overwrite=True)
    (named,) = stack.faults
    assert named["what"] == "last apply"


def test_before_the_first_apply_nothing_else_is_looked_at(world: World) -> None:
    answer = world.applies("webhook").invoke({"resource": "diagnosis"}, "create")
    assert [each["what"] for each in answer["findings"]] == ["last apply"]
