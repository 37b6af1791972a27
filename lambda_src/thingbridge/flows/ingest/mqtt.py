"""Mode `mqtt`: a Pub/Sub integration with the provider `mqtt`, which connects with a client certificate of AWS IoT.

For the open source The Things Stack. It keeps one connection with the given client id, publishes each kind of message
on the topic configured for it, and subscribes to nothing without a downlink topic
(`pkg/applicationserver/io/pubsub/provider/mqtt`): every mode sends downlinks over the API.

The private key passes from AWS IoT to The Things Stack through this function's memory, and is stored nowhere else.
"""

import base64
from collections.abc import Iterator, Sequence
from typing import Any, Final

from thingbridge.aws.certificates import Certificate
from thingbridge.flows.api_key import INTEGRATION_RIGHTS
from thingbridge.flows.findings import CONFIGURE_AGAIN, Finding
from thingbridge.flows.ingest.account import Account
from thingbridge.flows.ingest.integration import Integration
from thingbridge.messaging.topics import UPSTREAM_BASE, UPSTREAM_EVENTS, basic_ingest
from thingbridge.things_stack.client import ThingsStack

RIGHTS: Final = INTEGRATION_RIGHTS
_CERTIFICATE_PATH: Final = "provider.mqtt.tls_client_cert"


def configure(
    things_stack: ThingsStack, integration: Integration, previous: Integration | None, account: Account
) -> None:
    """Configure the connection, with a new certificate if none is usable or if `certificate_version` was raised.

    `settings`: `server_url`, `ca_certificate` (PEM; None: the authorities that The Things Stack trusts), `client_id`,
    `policy_name`, `certificate_version`, `basic_ingest_rule` (None: by the message broker). Every other certificate
    that carries the policy is deleted at the end: the one that was replaced, and those of interrupted applies.
    """
    settings = integration.settings
    policy_name = settings["policy_name"]
    rotated = previous is not None and previous.settings.get("certificate_version") != settings["certificate_version"]
    attached = account.certificates.attached(policy_name)
    used = None if rotated else _used(things_stack, integration, attached)
    provider: dict[str, Any] = {
        "server_url": settings["server_url"],
        "client_id": settings["client_id"],
        "publish_qos": "AT_LEAST_ONCE",
        "use_tls": True,
        "tls_ca": _bytes(settings.get("ca_certificate") or ""),
    }
    if used is None:
        used = created = account.certificates.create(policy_name)
        provider |= {"tls_client_cert": _bytes(created.pem), "tls_client_key": _bytes(created.private_key)}
    base_topic, prefix = _topics(integration)
    pubsub = {
        "format": "json",
        "base_topic": base_topic,
        **{kind: {"topic": f"{prefix}{event}"} for kind, event in UPSTREAM_EVENTS.items()},
    }
    # Without the certificate's fields in the mask, The Things Stack keeps its own.
    paths = (*pubsub, *(f"provider.mqtt.{field}" for field in provider))
    things_stack.pubsubs.set(integration.id, {**pubsub, "mqtt": provider}, paths)
    for certificate in attached:
        if certificate.id != used.id:
            account.certificates.delete(certificate.id, integration.settings["policy_name"])


def examine(things_stack: ThingsStack, integration: Integration, account: Account) -> Iterator[Finding]:
    """The pub/sub: whether it is there, and connects to this account with a certificate that is active."""
    what = f"pub/sub {integration.id}"
    held = things_stack.pubsubs.get(integration.id, ("provider", "base_topic"))
    if held is None:
        yield Finding(what, "it does not exist", CONFIGURE_AGAIN)
        return
    attached = account.certificates.attached(integration.settings["policy_name"])
    if held.get("mqtt", {}).get("server_url") != integration.settings["server_url"]:
        yield Finding(what, f"it connects to {held.get('mqtt', {}).get('server_url')}", CONFIGURE_AGAIN)
    elif held.get("base_topic") != _topics(integration)[0]:
        yield Finding(what, f"it publishes below {held.get('base_topic')}", CONFIGURE_AGAIN)
    elif _used(things_stack, integration, attached) is None:
        yield Finding(what, "AWS IoT has no active certificate that it connects with", CONFIGURE_AGAIN)
    else:
        yield Finding(what, "it connects with an active certificate")


def _topics(integration: Integration) -> tuple[str, str]:
    """The base topic, and what each topic below it begins with."""
    if rule := integration.settings.get("basic_ingest_rule"):
        # The Things Stack takes up to 100 characters for the base and as many for the rest.
        return basic_ingest(rule, UPSTREAM_BASE), f"{integration.stack_name}/"
    return integration.base_topic, ""


def remove(things_stack: ThingsStack, integration: Integration) -> None:
    """Remove the pub/sub."""
    things_stack.pubsubs.delete(integration.id)


def release(integration: Integration, account: Account) -> None:
    """Delete every certificate that carries the policy."""
    for certificate in account.certificates.attached(integration.settings["policy_name"]):
        account.certificates.delete(certificate.id, integration.settings["policy_name"])


def _used(things_stack: ThingsStack, integration: Integration, attached: Sequence[Certificate]) -> Certificate | None:
    """The active certificate that The Things Stack has, of those that carry the policy."""
    pubsub = things_stack.pubsubs.get(integration.id, (_CERTIFICATE_PATH,)) or {}
    pem = base64.b64decode(pubsub.get("mqtt", {}).get("tls_client_cert", "")).decode().strip()
    return next((each for each in attached if each.active and pem and each.pem.strip() == pem), None)


def _bytes(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
