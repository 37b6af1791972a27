"""Keys, codes, secrets and payloads on their way through two stacks, and then searched for everywhere.

Each place must also hold what is known to be there: a place that was not read proves nothing. Private keys of devices:
test_device_secrets.py; session keys: test_end_to_end_encryption.py.
"""

import base64
import json
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import requests
from click.testing import CliRunner
from typer.main import get_command

from cli.app import app
from local.stack import Stack
from local.things_stack import AwsAccess
from tests.e2e import places
from tests.e2e.conftest import PATIENCE, Bridge, Device
from tests.e2e.polling import eventually
from tests.e2e.test_ingest import pubsub_of, webhook_of
from tests.sizes import SOAK
from thingbridge.messaging import rule_payload

PAYLOAD = b"PLANTED-PAYLOAD"
APP_KEY, NWK_KEY, FAILED_KEY = (secrets.token_hex(16).upper() for _ in range(3))
CLAIM_CODE = f"PLANTED{secrets.token_hex(6).upper()}"
NO_KEY = f"PLANTED{secrets.token_hex(13).upper()}"
"""What somebody takes for a key: one digit too many, and letters."""


def secret_of(bridge: Bridge, name: str) -> str:
    found = bridge.aws.client("secretsmanager").get_secret_value(SecretId=f"{bridge.name}/{name}")
    return str(found["SecretString"])


def forms(secret: str | bytes) -> Iterator[str]:
    """How a secret could be written, in lower case; of hexadecimal digits also what they stand for."""
    text, raw = (secret, secret.encode()) if isinstance(secret, str) else (secret.decode(), secret)
    values = [raw]
    if len(text) == 32 and not set(text.upper()) - set("0123456789ABCDEF"):
        values.append(bytes.fromhex(text))
    yield text.lower()
    for value in values:
        yield base64.b64encode(value).decode().rstrip("=").lower()
        yield value.hex()
        yield repr(value)[2:-1].lower()


def creates(bridge: Bridge, device: Device, **attributes: str) -> str:
    """A thing that describes a device, with keys or a code; its name."""
    name = f"planted-{device.device_id}"
    described = {"devEUI": device.dev_eui, "joinEUI": device.join_eui, "deviceID": device.device_id}
    versions = {"lorawanVersion": "1.1", "regionalParametersVersion": "1.1-b"}
    bridge.create_thing(name, **described, **versions, **attributes)
    return name


def live(orchard: Bridge, vault: Bridge, foreign: AwsAccess) -> list[str]:
    """Have everything pass through that is secret; returns the names of the things."""
    wrong, right, claimed = (orchard.new_device(registered=False) for _ in range(3))
    names = [
        creates(orchard, right, appKey=APP_KEY, nwkKey=NWK_KEY),
        creates(orchard, wrong, appKey=NO_KEY),
        creates(orchard, claimed, claimAuthenticationCode=CLAIM_CODE),
    ]
    device = vault.joined_device()
    vault.things_stack.network.uplink(vault.application_id, device.device_id, f_port=2, frm_payload=PAYLOAD)
    vault.topics.wait_for(f"lorawan/{device.dev_eui}/uplink", timeout=PATIENCE)
    for bytes_ in (base64.b64encode(PAYLOAD).decode(), base64.b64encode(PAYLOAD).decode() + "!"):
        request = json.dumps({"bytes": bytes_, "fPort": 3}).encode()
        vault.aws.client("iot-data").publish(topic=f"lorawan/{device.dev_eui}/downlink/push", qos=1, payload=request)
    vault.topics.wait_for(f"lorawan/{device.dev_eui}/downlink/rejected", timeout=PATIENCE)
    # What names no device, what is forged, and what failed.
    unnamed = {"uplink_message": {"frm_payload": base64.b64encode(PAYLOAD).decode()}, "app_key": APP_KEY}
    orchard.publish_upstream("uplink", json.dumps(unnamed).encode())
    webhook = webhook_of(orchard)
    url, host = foreign.reach(f"{webhook['base_url']}/uplink")
    for headers in (webhook["headers"], {"X-Thingbridge-Secret": APP_KEY}):
        requests.post(url, data=json.dumps(unnamed), headers={**headers, **host}, timeout=20)
    for name in names:
        eventually(f"a record of {name}", lambda name=name: orchard.log(name))  # type: ignore[misc]
    eventually("what is dropped", lambda: [x for x in orchard.log("unidentified") if x["event"] == "message_dropped"])
    eventually("the request that is rejected", lambda: vault.log(device.dev_eui))
    return [*names, device.dev_eui]


def commands(bridge: Bridge, names: list[str]) -> str:
    """What the command line shows of a stack, to people and to programs, also of a message with a key that failed."""
    event = {"thingName": names[0], "attributes": {"appKey": FAILED_KEY}, "text": json.dumps({"nwk_key": FAILED_KEY})}
    body = rule_payload.output("thethings/lorawan/orchard/uplink", json.dumps(event).encode())
    record = {"requestContext": {"condition": "RetriesExhausted"}, "requestPayload": json.loads(body)}
    sqs, url = bridge.aws.client("sqs"), bridge.outputs["queue_urls"]["upstream_dead_letters"]
    for text in (json.dumps(record), json.dumps(event), json.dumps(event)[:-1]):
        sqs.send_message(QueueUrl=url, MessageBody=text)
    command, runner = get_command(app), CliRunner(env={**bridge.aws.settings(), "THINGBRIDGE_STACK": bridge.name})

    def run(*words: str) -> str:
        return str(runner.invoke(command, words, catch_exceptions=False).output)

    queue = "upstream_dead_letters"
    outputs = [run("things", "list", "--json"), *(run("things", "show", each) for each in names)]
    for words in (["things", "show", names[0]], ["failures", "show", queue]):
        outputs += [run(*words), run(*words, "--json")]
    outputs += [run("failures", "list"), run("failures", "replay", queue, "--dry-run"), run("export"), run("doctor")]
    run("failures", "drop", queue, "--all", "--yes")
    assert "hidden" in "".join(outputs)
    return "\n".join(outputs)


def left(texts: Mapping[str, str], secret: Mapping[str, str | bytes]) -> list[tuple[str, str]]:
    """Which secret is in which place."""
    lower = {place: text.lower() for place, text in texts.items()}
    return [
        (what, place)
        for what, value in secret.items()
        for place, text in lower.items()
        if any(form in text for form in forms(value))
    ]


def test_no_secret_is_kept_or_shown_anywhere(
    orchard: Bridge, vault: Bridge, orchard_stack: Stack, vault_stack: Stack, foreign: AwsAccess
) -> None:
    names = live(orchard, vault, foreign)
    (webhook_secret,) = webhook_of(orchard)["headers"].values()
    client_key = base64.b64decode(pubsub_of(vault)["tls_client_key"]).decode()
    keys: dict[str, str | bytes] = {
        "the AppKey of a thing": APP_KEY,
        "its NwkKey": NWK_KEY,
        "what was taken for a key": NO_KEY,
        "a claim code": CLAIM_CODE,
        "the key of a message that failed": FAILED_KEY,
        "the secret of the webhook": webhook_secret,
        "the private key of the client": client_key.splitlines()[1],
        "the key encryption key": secret_of(vault, "AppSKeyKEK"),
        **{f"the API key of {bridge.name}": secret_of(bridge, "ApplicationAPIKey") for bridge in (orchard, vault)},
    }
    aws = orchard.aws
    everywhere = {
        "the command line": (commands(orchard, names[:3]), names[0]),
        "a log": ("\n".join(places.logged(aws)), "message_dropped"),
        "the settings": ("\n".join(places.settings(aws)), "orchard-upstream"),
        "a state": ("\n".join(t for s in (orchard_stack, vault_stack) for t in places.written(s.directory)), "outputs"),
        "an output": (json.dumps([orchard.outputs, vault.outputs]), "webhook_url"),
    }
    if SOAK:
        everywhere["a plan"] = "\n".join(s.planned(always=True) for s in (orchard_stack, vault_stack)), "orchard-app"
    kept: dict[str, tuple[str, Any]] = {
        "a table": ("\n".join(places.rows(aws)), names[3]),
        "a shadow": ("\n".join(places.shadows(aws, names)), "lastSeen"),
        "a topic": ("\n".join(f"{each.topic} {each.payload!r}" for each in orchard.topics.messages("#")), names[3]),
        "a queue of failures": ("\n".join(t for bridge in (orchard, vault) for t in places.failed(bridge)), ""),
    }
    places_of_keys = everywhere | kept
    assert [place for place, (text, known) in places_of_keys.items() if known not in text] == []
    assert left({place: text for place, (text, _) in places_of_keys.items()}, keys) == []
    # Payloads are published; what is received and sent is in nothing that stays.
    assert left({place: text for place, (text, _) in everywhere.items()}, {"a payload": PAYLOAD}) == []
    for name in names[:3]:
        aws.client("iot").delete_thing(thingName=name)


@pytest.mark.parametrize("secret", [PAYLOAD, APP_KEY], ids=["a payload", "a key"])
def test_a_secret_is_found_in_each_of_its_forms(secret: str | bytes) -> None:
    found = [*forms(secret)]
    assert len(found) >= 4
    assert all(left({"a place": f"x{form.upper()}y"}, {"it": secret}) for form in found)
