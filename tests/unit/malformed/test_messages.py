"""Every malformed message of The Things Stack through the flow `upstream`, with everything that a stack can switch on.

Each is passed on, or recorded once; none is raised, which would bring it back until it is a dead letter. `make soak`
runs all of them, `make test` a part in which each field and each wrong value occurs.
"""

import json
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import pytest

from handlers import composition
from tests import events
from tests.malformed import Message, chosen, messages
from tests.unit.flows.conftest import KEK
from tests.unit.malformed.account import Account
from tests.unit.malformed.conftest import EVERYTHING, LABEL, PLAIN
from thingbridge.flows.codecs import Codecs
from thingbridge.flows.upstream import Upstream
from thingbridge.lorawan import key_envelope
from thingbridge.messaging.codecs import Codec

MESSAGES: Final = messages()
RECORDS: Final = {
    *("message_dropped", "decoded_payload_left_out", "codec_failed", "payload_not_decrypted"),
    *("session_key_ignored", "uplink_simulated"),
}


def key(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """The key of a session as the Join Server wraps it for this stack."""
    wrapped = key_envelope.wrapped(bytes(range(16)), bytes.fromhex(KEK), LABEL)
    return {**wrapped, "key": ""} if "key" in envelope else {**wrapped}


def with_key(body: Mapping[str, Any]) -> dict[str, Any]:
    """The same message with a key that this stack can read, if it has one at all."""
    return {
        kind: {**part, "app_s_key": key(part["app_s_key"])} if isinstance(part, dict) and "app_s_key" in part else part
        for kind, part in body.items()
    }


def decode(payload: bytes, f_port: int, version_ids: Mapping[str, str]) -> object:
    return {"bytes": list(payload), "f_port": f_port, **version_ids}


@pytest.fixture(params=[PLAIN, EVERYTHING], ids=["plain", "everything"])
def flow(request: pytest.FixtureRequest, account: Account) -> Upstream:
    made = composition.upstream(request.param, account)  # type: ignore[arg-type]
    made._decoder = Codecs([Codec("acme", [{"f_port": 2}, {"brand_id": "text"}], decode)], [])
    return made


def faults(flow: Upstream, account: Account, message: Message, forms: Iterable[tuple[str, bytes]]) -> Iterator[str]:
    """What is wrong with how each form of a message was handled; nothing for one that is handled well."""
    for where, payload in forms:
        account.clear()
        try:
            flow.handle(events.rule_output(payload, f"thethings/lorawan/farm/{message.event}"))
        except Exception as error:
            yield f"{where}: raised {traceback.format_exception(error)[-2:]}"
            continue
        records = Counter(each["event"] for each in account.log)
        if len(account.published) + records["message_dropped"] != 1 or records.keys() - RECORDS:
            yield f"{where}: published {len(account.published)}, recorded {records}"
        elif max(records.values(), default=0) > 1:
            yield f"{where}: recorded more than once: {records}"
        else:
            for topic, published in account.published:
                json.loads(published)
                if topic.partition("/")[0] != "lorawan":
                    yield f"{where}: published on {topic}"


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_is_passed_on_or_recorded_once_whichever_field_is_wrong(
    flow: Upstream, account: Account, name: str
) -> None:
    message = MESSAGES[name]
    body = with_key(message.body)
    right = json.dumps(body).encode()
    assert list(faults(flow, account, message, [("the example", right)])) == []
    assert len(account.published) == 1
    found = list(faults(flow, account, message, chosen(body, name)))
    assert found == [], f"{len(found)} faults, such as:\n" + "\n".join(found[:40])
