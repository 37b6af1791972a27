"""The recorded requests to The Things Stack with what is fact in their answers, and how an answer is compared.

`tests/data/tts/answers.json` holds one exchange a line, in the order in which they depend on each other. Of an answer
it has the status, the errors (namespace, name, names of the attributes, the field) from the outermost to the innermost
cause, and the shape: the names of the fields. Texts of messages are not part of the contract. The answers are those of
the open source, v3.32.1, in one process.

- `key`: the API key of the request, if not one with all rights: of another application (`other`), none at all
  (`empty`), one that does not exist (`unknown`), or one `without` rights
- `given`: what an operator or a device did before
- `exception`: why the simulation answers otherwise

They are played on applications and EUIs of the subject's own: `{app}`, `{other}`, and the first digits of the EUIs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

from local.things_stack.description.rights import DOCUMENTED_RIGHTS
from tests.contract.subject import REQUEST_TIMEOUT, Application, Subject, delete_everywhere, eventually

Exchange = Mapping[str, Any]
UNKNOWN_KEY = f"NNSXS.{'A' * 39}.{'B' * 52}"
DATA = Path(__file__).parents[1] / "data" / "tts" / "answers.json"

BY_DEPLOYMENT = {
    "pubsub aws_iot": "a provider of hosted deployments",
    "pubsub aws_iot get": "a provider of hosted deployments",
    "pubsub aws_iot: unknown region": "a provider of hosted deployments",
    "NS: supports_join in the mask, false": "of several fields that are missing, any is named",
    "packages of a device": "which packages there are is configured",
    "packages of no device": "which packages there are is configured",
    "association of an unknown package": "the package of the request may exist",
    "association get": "the package of the request may exist",
    "webhook: queue": "a field of hosted deployments",
    "webhook: http address": "a deployment may refuse addresses that are not https",
    "list limit 1001": "the longest page is configured",
    "search, mask that the index does not allow": "hosted deployments search in an index of their own",
    "claim: no join server for this JoinEUI": "which Join Servers claim is configured",
    "claim: QR code": "which Join Servers claim is configured",
    "claim status, none": "which Join Servers claim is configured",
    "unclaim, none": "which Join Servers claim is configured",
    "claim info by JoinEUI": "which Join Servers claim is configured",
}
"""Exchange whose answer may be another one on a deployment → why. `make contract` reports it, and does not fail."""

_EUI_PREFIX, _HOST = "70B3D57ED0", "127.0.0.1"
_DEVICE_ID = re.compile("[a-z0-9](?:-?[a-z0-9]){2,}")
_AT_PATH = re.compile('unmarshal error at path "([^"]+)"')


def recorded() -> list[Exchange]:
    exchanges: list[Exchange] = json.loads(DATA.read_text())
    return exchanges


class Player:
    """Two applications of a subject, and the keys that the exchanges name."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._names = {"app": subject.create_application(), "other": subject.create_application()}
        self._keys = {name: subject.key(id_, DOCUMENTED_RIGHTS) for name, id_ in self._names.items()}
        self._owner = Application(subject, self._names["app"], self._keys["app"])

    def play(self, exchange: Exchange) -> requests.Response:
        """Arranges what is `given`, and sends the request."""
        given = exchange.get("given", {})
        self._subject.bind(self._owner.id, given.get("application", {}))
        if "joined" in given:
            self._joined(given["joined"], given.get("encoder"))
        path = self._here(exchange["path"])
        self._remember(path, exchange.get("body"))
        to_other = exchange["path"].startswith("/applications/{other}/")
        key = self._keys["other"] if to_other else self._key(exchange.get("key"))
        return self._subject.session.request(
            exchange["method"],
            f"{self._subject.url}/api/v3{path}",
            params=self._here(exchange.get("query")),
            data=json.dumps(self._here(exchange["body"])) if "body" in exchange else None,
            headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
            timeout=REQUEST_TIMEOUT,
        )

    def _key(self, name: str | Mapping[str, Any] | None) -> str:
        if isinstance(name, Mapping):
            rights = [right for right in DOCUMENTED_RIGHTS if right not in name["without"]]
            return self._subject.key(self._owner.id, rights)
        return {None: self._keys["app"], "other": self._keys["other"], "empty": "", "text": "no-key",
                "unknown": UNKNOWN_KEY}[name]  # fmt: skip

    def _joined(self, device_id: str, encoder: str | None) -> None:
        """The device, new on all servers, after its first uplink; with a downlink encoder if one is given."""
        delete_everywhere(self._owner, device_id)
        formatters = {"down_formatter": "FORMATTER_JAVASCRIPT", "down_formatter_parameter": encoder}
        device = self._owner.register(
            device_id,
            dev_eui=f"{self._subject.eui_prefix}0000D1",
            application={"formatters": formatters} if encoder else None,
        )
        device.join()
        device.send(b"\x01")
        eventually(lambda: "session" in self._owner.device_on("as", device_id, "session"))

    def _remember(self, path: str, body: Any) -> None:
        """What the request may make, so that it is removed."""
        application = next((id_ for id_ in self._names.values() if f"/{id_}/devices" in path), None)
        if application is None:
            return
        named = path.partition("/devices")[2].strip("/").partition("/")[0]
        made = body.get("end_device", {}).get("ids", {}).get("device_id") if isinstance(body, dict) else None
        for device_id in (named, made):
            if device_id and _DEVICE_ID.fullmatch(device_id):
                self._subject.remembers(application, device_id)

    def _here(self, value: Any, name: str = "") -> Any:
        """A part of an exchange with the applications, EUIs and server addresses of the subject."""
        if isinstance(value, dict):
            return {key: self._here(each, key) for key, each in value.items()}
        if isinstance(value, list):
            return [self._here(each) for each in value]
        if not isinstance(value, str):
            return value
        if name.endswith("_server_address") and value == _HOST:
            return self._subject.host
        for key, id_ in self._names.items():
            value = value.replace(f"{{{key}}}", id_)
        prefix = self._subject.eui_prefix
        return value.replace(_EUI_PREFIX, prefix).replace(_EUI_PREFIX.lower(), prefix.lower())


def expected_of(exchange: Exchange) -> dict[str, Any]:
    """What is compared of the recorded answer."""
    return {name: exchange[name] for name in ("status", "errors", "unmarshal", "gateway", "shape", "total")
            if name in exchange}  # fmt: skip


def facts_of(answer: requests.Response) -> dict[str, Any]:
    """The same of an answer as it was received."""
    body = answer.json()
    facts: dict[str, Any] = {"status": answer.status_code}
    if answer.status_code < 400:
        facts["shape"] = _shape(body)
    elif "details" in body:
        facts["errors"] = _errors(body["details"][0])
    elif at := _AT_PATH.match(body["message"]):
        facts["unmarshal"] = at[1]
    else:
        facts["gateway"] = True
    if "X-Total-Count" in answer.headers:
        facts["total"] = int(answer.headers["X-Total-Count"])
    return facts


def difference(got: Mapping[str, Any], expected: Mapping[str, Any]) -> str:
    """In a few words, what was answered and what was expected; "" when it is the same."""
    if got == expected:
        return ""
    both = (_in_words(got), _in_words(expected))
    if both[0] == both[1]:
        names = sorted(name for name in {*got, *expected} if got.get(name) != expected.get(name))
        return f"{both[0]}, with other {' and '.join(names)}"
    return f"{both[0]}; expected {both[1]}"


def _in_words(facts: Mapping[str, Any]) -> str:
    """Status and innermost cause."""
    return f"{facts['status']} {facts['errors'][-1]['error'] if facts.get('errors') else ''}".strip()


def _errors(error: Any) -> list[dict[str, Any]]:
    """An error and its causes. Whether Go's own error is one of them depends on what TTS was built with."""
    found: list[dict[str, Any]] = []
    while error and not (found and (error["namespace"], error["name"]) == ("pkg/errors", "context_deadline_exceeded")):
        attributes = error.get("attributes") or {}
        found.append({"error": f"{error['namespace']}:{error['name']}"}
                     | ({"attributes": sorted(attributes)} if attributes else {})
                     | ({"field": attributes["field"]} if "field" in attributes else {}))  # fmt: skip
        error = error.get("cause")
    return found


def _shape(value: Any) -> Any:
    """The names of the fields, of the items of a list together; None for a value without fields."""
    if isinstance(value, dict):
        return {name: _shape(each) for name, each in value.items()}
    if isinstance(value, list):
        together: dict[str, Any] = {}
        for each in value:
            together = _merged(together, _shape(each) or {})
        return [together] if together else []
    return None


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    both = {name: _merged(one[name], other[name]) for name in one.keys() & other.keys() if one[name] and other[name]}
    return one | other | both
