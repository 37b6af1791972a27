"""Custom authorizers of AWS IoT in the local AWS, which has none: the operations on them, and who publishes by them.

As AWS documents it (IoT developer guide, "Custom authentication and authorization"; API reference, CreateAuthorizer and
its neighbours), as far as HTTPS goes:

- The signature is checked with the keys of an active authorizer before its function is invoked.
- The function must be allowed to be invoked by iot.amazonaws.com for this authorizer, and its answer keep the limits.
- The answer is kept for `refreshAfterInSeconds` for the connection that it was given on, if the authorizer says so.
- A policy of AWS IoT from the answer decides on each publish.

What is not admitted gets 403. Not here: MQTT, query parameters, default authorizers, tags, and authorizers without
signing.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from ministack.core.responses import error_response_json, get_account_id, get_region, json_response
from ministack.services import iot, lambda_svc

Answer = tuple[int, dict[str, str], bytes]

NAME_HEADER = "x-amz-customauthorizer-name"
SIGNATURE_HEADER = "x-amz-customauthorizer-signature"
SECONDS = range(300, 86_401)
"""Of `refreshAfterInSeconds` and `disconnectAfterInSeconds`."""

MOST_POLICIES, LONGEST_POLICY = 10, 2048
SETTINGS = {
    "authorizerFunctionArn": None,
    "tokenKeyName": None,
    "tokenSigningPublicKeys": {},
    "status": "INACTIVE",
    "signingDisabled": False,
    "enableCachingForHttp": False,
}
"""What a caller sets, with AWS's defaults."""


class Denied(Exception):
    """Whoever asks is not admitted; the message is for the emulator's log."""


@dataclass
class Authorizers:
    """All authorizers, by account, region and name, and what their functions answered, by connection and token."""

    found: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    kept: dict[tuple[Any, ...], tuple[float, dict[str, Any]]] = field(default_factory=dict)

    # The operations

    async def handle(self, method: str, path: str, body: bytes) -> Answer:
        """Answer a request of the control plane."""
        if path.rstrip("/") == "/authorizers":
            here = (get_account_id(), get_region())
            names = sorted(name for *place, name in self.found if tuple(place) == here)
            listed = [{"authorizerName": name, "authorizerArn": arn(name)} for name in names]
            return answer(json_response({"authorizers": listed}))
        name, _, operation = path.removeprefix("/authorizer/").partition("/")
        given = json.loads(body or b"{}")
        if method == "POST" and operation != "test":
            return self._create(name, given)
        authorizer = self.found.get(key(name))
        if authorizer is None:
            return error("ResourceNotFoundException", f"Authorizer {name} not found", 404)
        if operation == "test":
            return await self._test(name, authorizer, given)
        if method == "PUT":
            return self._update(name, authorizer, given)
        if method == "DELETE":
            if authorizer["status"] == "ACTIVE":
                return error("DeleteConflictException", f"Authorizer {name} is active", 409)
            del self.found[key(name)]
            return answer(json_response({}))
        times = {each: authorizer[each] for each in ("creationDate", "lastModifiedDate")}
        described = {"authorizerName": name, "authorizerArn": arn(name), **times}
        described |= {each: authorizer[each] for each in SETTINGS if authorizer[each] is not None}
        return answer(json_response({"authorizerDescription": described}))

    def _create(self, name: str, given: dict[str, Any]) -> Answer:
        if not re.fullmatch(r"[\w=,@-]{1,128}", name, re.ASCII):
            return error("InvalidRequestException", f"Invalid authorizer name: {name}", 400)
        if key(name) in self.found:
            return error("ResourceAlreadyExistsException", f"Authorizer {name} already exists", 409)
        now = time.time()
        authorizer = {**SETTINGS, **{each: given[each] for each in SETTINGS if each in given}}
        if reason := fault(authorizer):
            return error("InvalidRequestException", reason, 400)
        self.found[key(name)] = {**authorizer, "creationDate": now, "lastModifiedDate": now}
        return answer(json_response({"authorizerName": name, "authorizerArn": arn(name)}))

    def _update(self, name: str, authorizer: dict[str, Any], given: dict[str, Any]) -> Answer:
        changed = {**authorizer, **{each: given[each] for each in SETTINGS if each in given}}
        if reason := fault(changed):
            return error("InvalidRequestException", reason, 400)
        self.found[key(name)] = {**changed, "lastModifiedDate": time.time()}
        return answer(json_response({"authorizerName": name, "authorizerArn": arn(name)}))

    async def _test(self, name: str, authorizer: dict[str, Any], given: dict[str, Any]) -> Answer:
        token = given.get("token", "")
        try:
            check_signature(authorizer, token, given.get("tokenSignature", ""))
            decision = await ask(name, authorizer, {"token": token, "signatureVerified": True, "protocols": ["http"]})
        except Denied as denied:
            return error("InvalidRequestException", str(denied), 400)
        return answer(json_response(decision))

    # Publishing

    async def admit(self, topic: str, headers: dict[str, str], connection: object) -> None:
        """Let a publish with a token pass. Raises Denied."""
        name = headers[NAME_HEADER]
        authorizer = self.found.get(key(name))
        if authorizer is None or authorizer["status"] != "ACTIVE":
            raise Denied(f"there is no active authorizer {name}")
        token, signature = headers.get(authorizer["tokenKeyName"].lower(), ""), headers.get(SIGNATURE_HEADER, "")
        check_signature(authorizer, token, signature)
        place = (connection, key(name), token)
        until, decision = self.kept.get(place, (0.0, {}))
        if until <= time.time():
            decision = await ask(
                name,
                authorizer,
                {
                    "token": token,
                    "signatureVerified": True,
                    "protocols": ["tls", "http"],
                    "protocolData": {"tls": {"serverName": headers.get("host", "")}, "http": {"headers": headers}},
                    "connectionMetadata": {"id": str(uuid.uuid4())},
                },
            )
            if not decision["isAuthenticated"]:
                raise Denied(f"the function of the authorizer {name} does not admit the token")
            if authorizer["enableCachingForHttp"]:
                self.kept[place] = (time.time() + decision["refreshAfterInSeconds"], decision)
        if not allows(decision, topic):
            raise Denied(f"no policy of the authorizer {name} allows publishing on {topic}")


def forbidden() -> Answer:
    """What AWS IoT answers over HTTPS when it does not admit."""
    return 403, {"Content-Type": "application/json"}, json.dumps({"message": "Forbidden"}).encode()


def key(name: str) -> tuple[str, str, str]:
    """Where an authorizer is kept."""
    return get_account_id(), get_region(), name


def arn(name: str) -> str:
    """The ARN of an authorizer."""
    return f"arn:aws:iot:{get_region()}:{get_account_id()}:authorizer/{name}"


def answer(response: tuple[Any, ...]) -> Answer:
    """A response of ministack."""
    status, headers, body = response
    return status, headers, body


def error(code: str, message: str, status: int) -> Answer:
    """A refusal."""
    return answer(error_response_json(code, message, status))


def fault(authorizer: dict[str, Any]) -> str:
    """What AWS IoT refuses about an authorizer, "" for nothing."""
    if not authorizer["authorizerFunctionArn"]:
        return "authorizerFunctionArn is required"
    if authorizer["signingDisabled"]:
        return "an authorizer without signing is not part of the local AWS"
    if not authorizer["tokenKeyName"] or not authorizer["tokenSigningPublicKeys"]:
        return "tokenKeyName and tokenSigningPublicKeys are required unless signing is disabled"
    for name, pem in authorizer["tokenSigningPublicKeys"].items():
        try:
            public_key = serialization.load_pem_public_key(pem.encode())
        except ValueError:
            public_key = None
        if not isinstance(public_key, rsa.RSAPublicKey) or public_key.key_size < 2048:
            return f"the public key {name} must be an RSA key of at least 2048 bits in PEM"
    return ""


def check_signature(authorizer: dict[str, Any], token: str, signature: str) -> None:
    """RSA, PKCS #1 v1.5, SHA-256, by any key of the authorizer. Raises Denied."""
    try:
        signed = base64.b64decode(signature, validate=True)
    except binascii.Error:
        signed = b""
    for pem in authorizer["tokenSigningPublicKeys"].values():
        public_key = serialization.load_pem_public_key(pem.encode())
        try:
            public_key.verify(signed, token.encode(), padding.PKCS1v15(), hashes.SHA256())  # type: ignore[union-attr,call-arg,arg-type]
        except InvalidSignature:
            continue
        return
    raise Denied("the signature of the token does not fit")


async def ask(name: str, authorizer: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    """Invoke the function of an authorizer; returns its answer. Raises Denied when it is not a decision."""
    function = iot._provisioning_hook_function(authorizer["authorizerFunctionArn"], arn(name))
    if function is None:
        raise Denied(f"iot.amazonaws.com must not invoke the function of the authorizer {name}")
    result = await iot.run_reentrant(
        lambda_svc._execute_function_with_config_scope, function, event, thread_name="local-iot-authorizer"
    )
    decision = result.get("body") if isinstance(result, dict) and not result.get("error") else None
    if isinstance(decision, (str, bytes)):
        decision = json.loads(decision)
    if not isinstance(decision, dict) or not is_decision(decision):
        raise Denied(f"the function of the authorizer {name} did not answer with a decision: {result!r}"[:500])
    return decision


def is_decision(decision: dict[str, Any]) -> bool:
    """Whether the answer of a function keeps the documented form and limits."""
    policies = decision.get("policyDocuments")
    return (
        isinstance(decision.get("isAuthenticated"), bool)
        and bool(re.fullmatch("[a-zA-Z0-9]{1,128}", str(decision.get("principalId", ""))))
        and decision.get("refreshAfterInSeconds") in SECONDS
        and decision.get("disconnectAfterInSeconds") in SECONDS
        and isinstance(policies, list)
        and len(policies) <= MOST_POLICIES
        and all(isinstance(each, str) and len(each) <= LONGEST_POLICY for each in policies)
    )


def allows(decision: dict[str, Any], topic: str) -> bool:
    """Whether the policies of a decision allow a publish."""
    account_id, region = get_account_id(), get_region()
    context = iot.EvalContext(
        principal_arn=f"arn:aws:iot:{region}:{account_id}:authorizer/{decision['principalId']}",
        principal_type="Authorizer",
        principal_account=account_id,
        action="iot:Publish",
        resource_arn=f"arn:aws:iot:{region}:{account_id}:topic/{topic}",
        region=region,
        service_context={},
    )
    documents = [iot._parsed_iot_policy(document, ()) for document in decision["policyDocuments"]]
    return bool(iot.evaluate(context, documents).decision == "Allow")
