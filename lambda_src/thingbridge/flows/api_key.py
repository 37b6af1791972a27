"""The check before anything is configured: the servers answer, and the API key has the rights that the stack needs."""

from collections.abc import Mapping
from typing import Final

from thingbridge.errors import Busy, Misconfigured
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.errors import ApiKeyRefused, NotFound, ThingsStackRefused

ALL_RIGHTS: Final = frozenset({"RIGHT_ALL", "RIGHT_APPLICATION_ALL"})

RIGHTS: Final = {
    "RIGHT_APPLICATION_DEVICES_READ": "View devices in application",
    "RIGHT_APPLICATION_DEVICES_WRITE": "Create devices in application",
    "RIGHT_APPLICATION_DEVICES_WRITE_KEYS": "Edit device keys in application",
    "RIGHT_APPLICATION_TRAFFIC_DOWN_WRITE": "Write downlink application traffic",
    "RIGHT_APPLICATION_TRAFFIC_READ": "Read application traffic",
}
"""Rights that every mode needs, by their label in the Console."""

INTEGRATION_RIGHTS: Final = {
    "RIGHT_APPLICATION_SETTINGS_BASIC": "Edit basic application settings",
}
"""Rights that setting and deleting a pub/sub or a webhook needs in addition (`grpc_pubsub.go`, `grpc_webhooks.go`)."""


def check(things_stack: ThingsStack, mode_rights: Mapping[str, str]) -> None:
    """Check that the servers answer and that the API key has `RIGHTS` and `mode_rights`.

    Raises Misconfigured or Busy with one sentence that names the fault and the fix.
    """
    needed = {**RIGHTS, **mode_rights}
    application = things_stack.application_id
    try:
        rights = things_stack.application.rights()
        things_stack.application.frequency_plan_ids()
    except ApiKeyRefused as error:
        raise Misconfigured(
            f"The Things Stack refuses the API key ({error.answer.message}): {another_key(application)}"
        ) from error
    except NotFound as error:
        raise Misconfigured(
            f"The Things Stack has no application {application} ({error.answer.message}): "
            f"check application_id and cluster_address"
        ) from error
    except ThingsStackRefused as error:
        raise Misconfigured(f"{error}: check cluster_address and identity_server_address") from error
    except Busy as error:
        raise Busy(f"{error}: check cluster_address and identity_server_address, or try again later") from error
    if not rights:
        raise Misconfigured(f"the API key has no rights on the application {application}: {another_key(application)}")
    lacking = missing(rights, needed)
    if lacking:
        labels = ", ".join(f"“{needed[right]}” ({right})" for right in lacking)
        raise Misconfigured(f"the API key lacks rights on the application {application}: add {labels}")


def missing(rights: frozenset[str], needed: Mapping[str, str]) -> list[str]:
    """Those of the `needed` rights that a key with `rights` lacks."""
    return [] if rights & ALL_RIGHTS else [right for right in needed if right not in rights]


def another_key(application: str) -> str:
    """The fix for a wrong key.

    Terraform never sees the key of a write-only argument, so its version is what makes a new one known.
    """
    return (
        f"give a key that was made for the application {application}, and raise application_api_key_version "
        "so that it is used"
    )
