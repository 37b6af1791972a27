"""The Things Stack's side of end-to-end encryption: set up for an application, and taken back.

The Join Server wraps the application session keys of new sessions with the application's key encryption key
(`ApplicationActivationSettings`), so that the Application Server can't read them; the link tells it to leave payloads
alone in such sessions (`skip_payload_crypto`). A session whose key the Application Server has goes on as it was.
"""

from typing import Final

from thingbridge.errors import Misconfigured
from thingbridge.things_stack.client import ThingsStack
from thingbridge.things_stack.errors import ApiKeyRefused, NotFound

RIGHTS: Final = {
    "RIGHT_APPLICATION_DEVICES_READ_KEYS": "View device keys in application",
    "RIGHT_APPLICATION_DEVICES_WRITE_KEYS": "Edit device keys in application",
    "RIGHT_APPLICATION_SETTINGS_BASIC": "Edit basic application settings",
}
"""Rights it needs, by the label that the Console shows for them."""

_SETTINGS_OF_OTHERS: Final = ("home_net_id", "application_server_id")
_SUFFIX_LENGTH: Final = len("-AbCdEf")
"""What Secrets Manager adds to the ARN of each secret, and changes when the secret is made anew under its name."""


def configure(things_stack: ThingsStack, label: str, key_encryption_key: str, replaced: str | None) -> None:
    """Hand over the key encryption key (32 hex digits) under its label, and have payloads left alone. Can be repeated.

    `replaced`: the label that this stack used before. Raises Misconfigured when the application has a key encryption
    key of somebody else: its sessions could not be read any more.
    """
    known = (things_stack.activation_settings(("kek_label",)) or {}).get("kek_label")
    if known and known != replaced and not _is_ours(known, label):
        raise Misconfigured(
            f"the application {things_stack.application_id} has a key encryption key at the Join Server with the label "
            f"{known}, which is not this stack's: remove it, or leave end_to_end_encryption off"
        )
    things_stack.set_activation_settings({"kek_label": label, "kek": {"key": key_encryption_key}}, ("kek_label", "kek"))
    things_stack.set_link({"skip_payload_crypto": True}, ("skip_payload_crypto",))


def remove(things_stack: ThingsStack, label: str) -> None:
    """Take both back, and leave what is somebody else's. What is no longer known or allowed is taken for removed."""
    try:
        settings = things_stack.activation_settings(("kek_label", *_SETTINGS_OF_OTHERS)) or {}
        if _is_ours(settings.get("kek_label", ""), label):
            if any(settings.get(each) for each in _SETTINGS_OF_OTHERS):
                things_stack.set_activation_settings({}, ("kek_label", "kek"))
            else:
                things_stack.delete_activation_settings()
        things_stack.set_link({"skip_payload_crypto": False}, ("skip_payload_crypto",))
    except (ApiKeyRefused, NotFound):
        # A key or application that was deleted can't be had back, and must not hold up the destroy.
        return


def _is_ours(known: str, label: str) -> bool:
    """Whether a label names this stack's secret, or one of the same name before it."""
    return known[:-_SUFFIX_LENGTH] == label[:-_SUFFIX_LENGTH]
