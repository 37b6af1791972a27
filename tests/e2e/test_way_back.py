"""The way back: after a failed apply, the corrected one and a destroy succeed, with the right outcome at both ends.

The stacks are `configure_alone`: the part of a stack that speaks to The Things Stack, which is applied in seconds.
"""

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

from local import leftovers
from local.aws import LocalAws
from local.leftovers import left_behind
from local.processes import free_port
from local.stack import Stack, TerraformError
from local.things_stack import AwsAccess, ThingsStack
from tests import applier, cases, events
from tests.e2e.conftest import discard, inputs
from tests.private_authority import Authority, passing_to, serving
from tests.sizes import SOAK, size

CONFIGURE_ALONE = Path(__file__).parent / "configure_alone"
OTHER_APPLICATION = "other-app"
IOT_CORE = "webhook/iot_core"
MODES = ("manual", "mqtt", "package", "pubsub", "webhook", IOT_CORE)
ANSWERS = {"webhook": [204], IOT_CORE: [200]}
"""What the receivers answer to an uplink."""

_serial = itertools.count(1)


class Shore:
    """A stack of its own, and what its application has at The Things Stack."""

    def __init__(self, aws: LocalAws, simulation: ThingsStack, foreign: AwsAccess, directory: Path) -> None:
        self.aws, self.simulation, self._foreign = aws, simulation, foreign
        self.name = f"shore{next(_serial)}"
        self.application = f"{self.name}-app"
        accepted = inputs(simulation, self.name, self.application)
        del accepted["registry_sync"]
        self.stack = Stack(directory, accepted, environment=applier.environment(aws, self.name), source=CONFIGURE_ALONE)
        self._right = dict(accepted)
        self.right_key: str = accepted["application_api_key"]
        self._key_version, self._applied = 1, False
        # Of a creation, by the emulator: then there is a resource that Terraform does not know.
        self._response_dropped = False

    def given(self, mode: str) -> dict[str, Any]:
        """The right inputs for a mode."""
        if mode == IOT_CORE:
            return {**self._right, "ingest": {"mode": "webhook", "webhook": {"receiver": "iot_core"}}}
        mqtt = {"server_url": self.aws.mqtt_url, "ca_certificate": self.aws.mqtt_authority()}
        return {**self._right, "ingest": {"mode": mode, **({"mqtt": mqtt} if mode == "mqtt" else {})}}

    def key(self, key: str) -> dict[str, Any]:
        """Inputs with another API key, in a version of its own."""
        self._key_version += 1
        return {"application_api_key": key, "application_api_key_version": self._key_version}

    def apply(self, given: dict[str, Any]) -> None:
        """Apply, after which the next plan is empty; only at full size is it made, because it takes as long."""
        self.stack.inputs = given
        self._apply()
        if SOAK:
            assert self.stack.plan_changes() == []

    def _apply(self) -> None:
        before, self._applied = self._applied, True
        if before:
            self.stack.apply()
        else:
            leftovers.apply(self.stack, self.aws)

    def apply_fails(self, given: dict[str, Any]) -> str:
        """Apply what can't be applied, after which the next plan is not empty (made at full size, as above)."""
        self.stack.inputs, self._applied = given, True
        with pytest.raises(TerraformError) as caught:
            self.stack.apply()
        self._response_dropped |= leftovers.retried(caught.value)
        if SOAK:
            assert [address for address in self.stack.changed_by_an_apply() if "aws_lambda_invocation" in address]
        return str(caught.value)

    def destroy(self) -> float:
        """Destroy, after which nothing of the stack is in AWS."""
        seconds = self.stack.destroy()
        self._applied = False
        left = left_behind(self.aws, self.name)
        if self._response_dropped:
            for _, remove in left:
                remove()
        else:
            assert [name for name, _ in left] == []
        return seconds

    def end(self) -> None:
        """Destroy what is left of the stack."""
        if self._applied:
            discard(self.aws, self.stack)

    @property
    def configured(self) -> dict[str, Any]:
        """All that The Things Stack was configured with, in this application and the other one."""
        server = self.simulation.servers.application
        kinds = {"pubsub": server.pubsubs, "webhook": server.webhooks, "package": server.associations}
        ours = (self.application, OTHER_APPLICATION)
        configured: dict[str, Any] = {
            f"{kind} of {at[0]}": {
                name: value for name, value in record.items() if name not in ("created_at", "updated_at")
            }
            for kind, records in kinds.items()
            for at, record in records.items()
            if at[0] in ours
        }
        for application in ours:
            if label := self.simulation.servers.join.settings.get(application, {}).get("kek_label"):
                configured[f"label of {application}"] = label
            if self.simulation.servers.application.links.get(application, {}).get("skip_payload_crypto"):
                configured[f"skips in {application}"] = True
        return configured

    def post(self) -> list[int]:
        """Post an uplink to each webhook, as The Things Stack was last configured to; returns the HTTP statuses."""
        webhooks = self.simulation.servers.application.webhooks.items()
        return [self.post_to(webhook) for at, webhook in webhooks if at[0] == self.application]

    def post_to(self, webhook: Mapping[str, Any]) -> int:
        """Post an uplink to a webhook; returns the HTTP status."""
        uplink = events.load("things_stack/uplink")
        uplink["end_device_ids"]["application_ids"]["application_id"] = self.application
        url, host = self._foreign.reach(f"{webhook['base_url']}{webhook['uplink_message']['path']}")
        return requests.post(url, json=uplink, headers={**webhook["headers"], **host}, timeout=30).status_code

    @property
    def certificates(self) -> list[str]:
        """The certificates that carry the stack's policy."""
        iot = self.aws.client("iot")
        names = [each["policyName"] for each in iot.list_policies()["policies"]]
        return [
            target
            for name in names
            if name.startswith(f"{self.name}-")
            for target in iot.list_targets_for_policy(policyName=name)["targets"]
        ]


@pytest.fixture
def shore(aws: LocalAws, things_stack: ThingsStack, foreign: AwsAccess, tmp_path: Path) -> Iterator[Shore]:
    made = Shore(aws, things_stack, foreign, tmp_path)
    yield made
    things_stack.faults.clear()
    made.end()


def unreachable() -> str:
    return f"http://127.0.0.1:{free_port()}"


@pytest.mark.parametrize("mode", [pytest.param("mqtt", marks=pytest.mark.soak), IOT_CORE])
def test_a_mistyped_address_is_corrected_by_the_next_apply_and_does_not_block_a_destroy(
    shore: Shore, mode: str
) -> None:
    case = cases.load("5-failed-apply-and-the-way-back")
    right = shore.given(mode)
    known: list[Any] = []
    # In `make test`, the destroy comes after all went well: its second mistake is at full size.
    steps = list(zip(case["steps"], case["expected"], strict=True))
    for step, expected in size(steps[:3] + steps[4:], steps):
        if step == "destroy":
            assert shore.destroy() < 60
            assert (shore.configured, shore.certificates) == ({}, [])
        elif expected == "fails":
            assert case["error"] in shore.apply_fails({**right, **case["mistake"]})
        else:
            shore.apply(right)
            assert shore.configured
            assert len(shore.certificates) == (1 if mode == "mqtt" else 0)
        if step != "destroy":
            known.append((shore.configured, shore.certificates, shore.post()))
    assert all(each == known[0] for each in known)
    assert known[0][-1] == ANSWERS.get(mode, [])


@pytest.mark.soak
def test_a_token_for_aws_iot_core_is_kept_and_a_raised_version_replaces_it(shore: Shore) -> None:
    given = shore.given(IOT_CORE)
    shore.apply(given)
    (webhook,) = shore.configured.values()
    assert shore.post() == [200]
    rotated = {"mode": "webhook", "webhook": {"receiver": "iot_core", "secret_version": 2}}
    shore.apply({**given, "ingest": rotated})
    assert (shore.post(), shore.post_to(webhook)) == ([200], 403)


@pytest.mark.soak
def test_another_uplink_mode_keeps_the_queue_until_nothing_waits_in_it(shore: Shore) -> None:
    batched = {**shore.given("manual"), "uplink_mode": "batched"}
    shore.apply(batched)
    iot, sqs = shore.aws.client("iot"), shore.aws.client("sqs")
    failed = sqs.get_queue_url(QueueName=f"{shore.name}-upstream-dead-letters")["QueueUrl"]
    sqs.send_message(QueueUrl=failed, MessageBody="{}")

    another = {**batched, "uplink_mode": "function"}
    assert f"messages that failed (1) wait in {shore.name}-upstream-dead-letters" in shore.apply_fails(another)
    (action,) = iot.get_topic_rule(ruleName=f"{shore.name}_upstream")["rule"]["actions"]
    assert "lambda" in action  # the rule has taken its new way already

    sqs.purge_queue(QueueUrl=failed)
    shore.apply(another)
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.get_queue_url(QueueName=f"{shore.name}-upstream")
    # A destroy waits for nothing.
    shore.apply(batched)
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=failed.rpartition("/")[2])["QueueUrl"], MessageBody="{}")
    shore.destroy()


@pytest.mark.soak
def test_another_mode_is_configured_before_what_the_old_one_needs_is_destroyed(shore: Shore) -> None:
    shore.apply(shore.given("mqtt"))
    (certificate,) = shore.certificates

    # The new mode is refused: the old one keeps working, with all that it needs.
    configured = shore.configured
    wrong = shore.key("NNSXS.WRONG.KEY")
    shore.apply_fails({**shore.given("webhook"), **wrong})
    assert shore.configured == configured
    assert shore.certificates == [certificate]

    shore.apply({**shore.given("webhook"), **shore.key(shore.right_key)})
    assert [kind.partition(" ")[0] for kind in shore.configured] == ["webhook"]
    assert shore.certificates == []
    shore.destroy()
    assert shore.configured == {}


def mistakes(shore: Shore, mode: str) -> dict[str, dict[str, Any]]:
    """For each input, inputs with a mistake: the input is itself wrong, or the API key is, in the same apply."""
    right = shore.given(mode)

    def with_wrong_key(**changes: Any) -> dict[str, Any]:
        return {**right, **changes, **shore.key("NNSXS.WRONG.KEY")}

    made = {
        "cluster_address": {**right, "cluster_address": unreachable()},
        "application_id": {**right, "application_id": "gone-app"},
        "application_api_key": with_wrong_key(),
        "ingest.mode": with_wrong_key(ingest=shore.given("webhook" if mode != "webhook" else IOT_CORE)["ingest"]),
        "end_to_end_encryption": with_wrong_key(end_to_end_encryption=True),
    }
    if mode == "mqtt":
        mqtt = {**right["ingest"]["mqtt"], "certificate_version": 2}
        made["certificate_version"] = with_wrong_key(ingest={"mode": "mqtt", "mqtt": mqtt})
    if mode in ANSWERS:
        webhook = {**right["ingest"].get("webhook", {}), "secret_version": 2}
        made["secret_version"] = with_wrong_key(ingest={"mode": "webhook", "webhook": webhook})
    if mode in ("manual", "package", "pubsub"):
        made["external_id"] = with_wrong_key(external_id="another")
    return made


@pytest.mark.soak
@pytest.mark.parametrize("mode", MODES)
def test_every_input_of_every_mode_can_be_corrected(shore: Shore, mode: str) -> None:
    shore.apply(shore.given(mode))
    configured, certificates, answers = shore.configured, shore.certificates, shore.post()
    assert answers == ANSWERS.get(mode, [])
    for name, mistaken in mistakes(shore, mode).items():
        shore.apply_fails(mistaken)
        assert shore.post() == answers, name
        corrected = {**shore.given(mode), **shore.key(shore.right_key)}
        if name == "secret_version":
            corrected["ingest"] = mistaken["ingest"]
        shore.apply(corrected)
        assert shore.post() == answers, name
        if mode in ANSWERS and name in ("ingest.mode", "secret_version"):
            # A new secret can't be taken back, nor one that Terraform has let go of: the corrected apply sends another.
            configured = {**configured, **{at: shore.configured[at] for at in configured if at.startswith("webhook")}}
        assert (shore.configured, shore.certificates) == (configured, certificates), name
    for name, mistaken in mistakes(shore, mode).items():
        shore.apply_fails(mistaken)
        shore.destroy()
        assert (shore.configured, shore.certificates) == ({}, []), name
        shore.apply({**shore.given(mode), **shore.key(shore.right_key)})


@pytest.mark.soak
@pytest.mark.parametrize("mode", MODES)
def test_three_failures_with_three_keys_are_corrected_by_one_apply(shore: Shore, mode: str) -> None:
    shore.apply({**shore.given(mode), "end_to_end_encryption": True})
    configured = shore.configured
    for number in range(3):
        wrong = {**shore.stack.inputs, **shore.key(f"NNSXS.WRONG.KEY{number}")}
        assert "refuses the API key" in shore.apply_fails(wrong)
    shore.apply({**shore.stack.inputs, **shore.key(shore.right_key)})
    assert shore.configured == configured
    shore.destroy()
    assert shore.configured == {}


@pytest.mark.soak
def test_a_destroy_without_the_things_stack_ends_soon(aws: LocalAws, foreign: AwsAccess, tmp_path: Path) -> None:
    with ThingsStack(port=0, aws=foreign) as gone:
        shore = Shore(aws, gone, foreign, tmp_path)
        encrypted = {**shore.given("mqtt"), "end_to_end_encryption": True}
        shore.apply(encrypted)
        before = shore.destroy()
        shore.apply(encrypted)
    assert shore.destroy() < before + 20
    assert shore.certificates == []


@pytest.mark.soak
def test_an_apply_that_does_not_know_the_authority_says_so_and_the_certificate_is_enough(
    shore: Shore, tmp_path: Path
) -> None:
    authority = Authority.create("Shore Authority")
    with serving(authority.context(tmp_path), passing_to(shore.simulation.url)) as url:
        given = {**shore.given("webhook"), "cluster_address": url}
        error = shore.apply_fails(given)
        assert "unknown authority: the certificate of 127.0.0.1" in error
        assert "set cluster_ca_certificate to" in error
        shore.apply({**given, "cluster_ca_certificate": authority.pem})
        shore.destroy()
