"""Mode `webhook` with the receiver `iot_core`: The Things Stack posts every message to AWS IoT Core itself.

The address is that of HTTPS publishes (IoT developer guide, "HTTPS"), and three headers admit it: the name of an
authorizer, a token and its signature. The Things Stack keeps the query of a webhook's path, and sends the headers with
each request (`pkg/applicationserver/io/web/request.go`).

The key that signs the token exists in this function's memory alone, and only until then. The token passes to The Things
Stack, and is stored nowhere else: an apply reads it there to see whether it still holds.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from thingbridge.aws.authorizers import Authorizers
from thingbridge.errors import ThingbridgeError
from thingbridge.flows.findings import Finding
from thingbridge.flows.ingest import webhook
from thingbridge.flows.ingest.account import Account, SignedToken
from thingbridge.flows.ingest.integration import Integration
from thingbridge.messaging.topics import basic_ingest
from thingbridge.things_stack.client import ThingsStack

RIGHTS: Final = webhook.RIGHTS

NAME_HEADER: Final = "X-Amz-Customauthorizer-Name"
SIGNATURE_HEADER: Final = "X-Amz-Customauthorizer-Signature"
"""Headers that AWS IoT reads, as The Things Stack spells them."""

TOKEN_HEADER: Final = "X-Thingbridge-Token"  # noqa: S105 (a name)

AT_LEAST_ONCE: Final = "?qos=1"
"""The answer then says that AWS IoT has the message."""


def configure(
    things_stack: ThingsStack, integration: Integration, previous: Integration | None, account: Account
) -> None:
    """Configure address, headers and a path for every kind of message, with a new token if none is usable.

    `settings`: `url` of the data endpoint, `authorizer_name`, `authorizer_function_arn`, `token_version` (raised for a
    new token), `basic_ingest_rule` (None: by the message broker). While The Things Stack changes over, the authorizer
    admits the old and the new token; afterwards only the one in use.
    """
    settings = integration.settings
    name, function_arn = settings["authorizer_name"], settings["authorizer_function_arn"]
    authorizers, known = account.authorizers, account.authorizers.keys(settings["authorizer_name"]) or {}
    held = webhook.held_headers(things_stack, integration)
    kept = {token: key for token, key in known.items() if _is_valid(account, held, token, key)}
    rotated = previous is not None and previous.settings.get("token_version") != settings["token_version"]
    if kept and not rotated:
        (token,), signature, used = kept, held[SIGNATURE_HEADER], kept
        authorizers.put(name, function_arn, TOKEN_HEADER, used)
        authorizers.check(name, token, signature)
    else:
        created = account.tokens().create()
        token, signature, used = created.token, created.signature, {created.token: created.public_key}
        # Without a token here, the known ones are those of the application that it moves from.
        authorizers.put(name, function_arn, TOKEN_HEADER, {**(kept or known), **used})
        _check_new(authorizers, name, created, kept or known, function_arn)
    webhook.post_to(
        things_stack,
        integration,
        _address(integration),
        {NAME_HEADER: name, TOKEN_HEADER: token, SIGNATURE_HEADER: signature},
        query=AT_LEAST_ONCE,
    )
    authorizers.put(name, function_arn, TOKEN_HEADER, used)


def examine(things_stack: ThingsStack, integration: Integration, account: Account) -> Iterator[Finding]:
    """The webhook, and whether the authorizer admits the token that it shows."""
    held = webhook.held_headers(things_stack, integration)
    name = integration.settings["authorizer_name"]
    keys = account.authorizers.keys(name) or {}
    admitted = held.get(NAME_HEADER) == name and any(_is_valid(account, held, *each) for each in keys.items())
    yield webhook.examine_post(things_stack, integration, _address(integration), admitted, AT_LEAST_ONCE)


def remove(things_stack: ThingsStack, integration: Integration) -> None:
    """Remove the webhook."""
    webhook.remove(things_stack, integration)


def release(integration: Integration, account: Account) -> None:
    """Delete the authorizer."""
    account.authorizers.delete(integration.settings["authorizer_name"])


def _address(integration: Integration) -> str:
    base_topic = integration.base_topic
    if rule := integration.settings.get("basic_ingest_rule"):
        base_topic = basic_ingest(rule, base_topic)
    return f"{integration.settings['url'].rstrip('/')}/topics/{base_topic}"


def _is_valid(account: Account, held: dict[str, str], token: str, key: str) -> bool:
    if held.get(TOKEN_HEADER) != token:
        return False
    return account.tokens().is_signed(token, held.get(SIGNATURE_HEADER, ""), key)


def _check_new(
    authorizers: Authorizers, name: str, created: SignedToken, before: Mapping[str, str], function_arn: str
) -> None:
    """Before The Things Stack sends it: what AWS IoT does not admit, it would lose. No key of a failure is kept."""
    try:
        authorizers.check(name, created.token, created.signature)
    except ThingbridgeError:
        if before:
            authorizers.put(name, function_arn, TOKEN_HEADER, before)
        else:
            authorizers.delete(name)
        raise
