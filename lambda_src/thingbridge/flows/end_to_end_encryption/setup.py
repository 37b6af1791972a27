"""The Things Stack's side of end-to-end encryption: configured for an application, and removed.

The Join Server wraps the application session keys of new sessions with the application's key encryption key
(`ApplicationActivationSettings`), so that the Application Server can't read them; the application's link makes it skip
payload crypto in such sessions (`skip_payload_crypto`). A session whose key the Application Server has stays as it was.
"""

from typing import Final

from thingbridge.errors import Misconfigured
from thingbridge.things_stack.client import ThingsStack

RIGHTS: Final = {
    "RIGHT_APPLICATION_DEVICES_READ_KEYS": "View device keys in application",
    "RIGHT_APPLICATION_DEVICES_WRITE_KEYS": "Edit device keys in application",
    "RIGHT_APPLICATION_SETTINGS_BASIC": "Edit basic application settings",
}
"""Rights that it needs, by their label in the Console."""

_SETTINGS_OF_OTHERS: Final = ("home_net_id", "application_server_id")
_SUFFIX_LENGTH: Final = len("-AbCdEf")
"""The suffix that Secrets Manager adds to a secret's ARN; a secret recreated under its name gets another one."""


def configure(things_stack: ThingsStack, label: str, key_encryption_key: str, replaced: str | None) -> None:
    """Set the key encryption key (32 hex digits) under its label, and skip payload crypto. Can be repeated.

    `replaced`: the label that this stack used before. Raises Misconfigured when the application has another owner's key
    encryption key: its sessions could not be decrypted any more.
    """
    known = (things_stack.activation_settings.get(("kek_label",)) or {}).get("kek_label")
    if known and known != replaced and not _is_ours(known, label):
        raise Misconfigured(
            f"the application {things_stack.application_id} has a key encryption key at the Join Server with the label "
            f"{known}, which is not this stack's: remove it, or set end_to_end_encryption = false"
        )
    things_stack.activation_settings.set({"kek_label": label, "kek": {"key": key_encryption_key}}, ("kek_label", "kek"))
    things_stack.application.set_link({"skip_payload_crypto": True}, ("skip_payload_crypto",))


def remove(things_stack: ThingsStack, label: str) -> None:
    """Remove both, unless another owner set them. Raises what refuses it."""
    settings = things_stack.activation_settings.get(("kek_label", *_SETTINGS_OF_OTHERS)) or {}
    if _is_ours(settings.get("kek_label", ""), label):
        if any(settings.get(each) for each in _SETTINGS_OF_OTHERS):
            things_stack.activation_settings.set({}, ("kek_label", "kek"))
        else:
            things_stack.activation_settings.delete()
    things_stack.application.set_link({"skip_payload_crypto": False}, ("skip_payload_crypto",))


def _is_ours(known: str, label: str) -> bool:
    """Whether a label names this stack's secret, or one of the same name before it."""
    return known[:-_SUFFIX_LENGTH] == label[:-_SUFFIX_LENGTH]
