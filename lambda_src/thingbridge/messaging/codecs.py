"""Which decoder of the stack's user is for an uplink, and which uplinks need one. Running them is in `flows.codecs`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

CRITERIA: Final = frozenset({"brand_id", "model_id", "f_port"})
"""What a codec may require of an uplink (`end_device_version_ids` of TTS, and the FPort)."""


class Codec(NamedTuple):
    """A decoder. `devices`: the criteria of an uplink that it decodes, any one of them."""

    name: str
    devices: Sequence[Mapping[str, Any]]
    decode_uplink: Callable[[bytes, int, Mapping[str, str]], object]

    def matches(self, properties: Mapping[str, Any]) -> int:
        """How many criteria of the best matching device an uplink meets, 0 for none."""
        matching = (each for each in self.devices if all(properties.get(name) == value for name, value in each.items()))
        return max((len(each) for each in matching), default=0)


def choose(codecs: Sequence[Codec], uplink: Mapping[str, Any]) -> Codec | None:
    """The codec for an `uplink_message`, the most specific of several; None if there is none."""
    properties = {**version_ids(uplink), "f_port": uplink["f_port"]}
    codec = max(codecs, key=lambda each: each.matches(properties), default=None)
    return codec if codec and codec.matches(properties) else None


def version_ids(uplink: Mapping[str, Any]) -> dict[str, str]:
    """The `version_ids` of an `uplink_message`, empty without any."""
    versions = uplink.get("version_ids")
    return dict(versions) if isinstance(versions, dict) else {}


def undecoded(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The uplink of an `ApplicationUp` that The Things Stack has not decoded; None for any other message.

    A decoder that returned nothing, `{}`, has not decoded it. An uplink that comes with its AppSKey is still encrypted:
    The Things Stack sends the key instead of using it.
    """
    uplink = body.get("uplink_message")
    if not isinstance(uplink, dict) or uplink.get("decoded_payload") or "app_s_key" in uplink:
        return None
    f_port = uplink.get("f_port")
    return uplink if isinstance(f_port, int) and not isinstance(f_port, bool) and f_port > 0 else None
