"""One end device as a row of a file and as the attributes of a thing: spelling, validation, comparison. Pure.

Whether a device can be created is decided by the code that the functions use (thingbridge.registry.attributes), so
nothing passes here that fails there. Files: device_file.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from thingbridge.errors import BadInput
from thingbridge.lorawan import identifiers, mac_settings, versions
from thingbridge.messaging.topics import THING_NAME
from thingbridge.registry import attributes as registry
from thingbridge.registry.attributes import SECRETS, Attribute

COLUMNS: Final = {
    Attribute.DEV_EUI: "dev_eui",
    Attribute.JOIN_EUI: "join_eui",
    Attribute.DEVICE_ID: "id",
    Attribute.FREQUENCY_PLAN_ID: "frequency_plan_id",
    Attribute.LORAWAN_VERSION: "lorawan_version",
    Attribute.REGIONAL_PARAMETERS_VERSION: "lorawan_phy_version",
    Attribute.APP_KEY: "app_key",
    Attribute.NWK_KEY: "nwk_key",
    Attribute.CLAIM_AUTHENTICATION_CODE: "claim_authentication_code",
    Attribute.SUPPORTS_CLASS_B: "supports_class_b",
    Attribute.SUPPORTS_CLASS_C: "supports_class_c",
    Attribute.SUPPORTS_32_BIT_F_CNT: "supports_32_bit_f_cnt",
    Attribute.RX1_DELAY: "rx1_delay",
}
"""Attribute → column (The Things Stack, "CSV File Reference"). Those of the claim code and of class B are
Thingbridge's own."""

THING_NAME_COLUMN: Final = "thing_name"
"""Thingbridge's own column, the thing's name. The Things Stack ignores columns that it does not know."""

DEFAULTS_COLUMN: Final = "defaults"
"""Thingbridge's own column: the columns of the row whose values are defaults, which the thing does not have itself."""

_FOR_OTHERS: Final[Mapping[str, str]] = {
    Attribute.SUPPORTS_CLASS_B: "false",
    Attribute.SUPPORTS_CLASS_C: "false",
    Attribute.SUPPORTS_32_BIT_F_CNT: "true",
    Attribute.RX1_DELAY: "1",
}
"""Values for things without the attribute, in a file that has the column: those that a device has by default."""

_ALIASES: Final = {"app_eui": Attribute.JOIN_EUI}

_VALUE: Final = re.compile(r"[a-zA-Z0-9_.,@/:#=\[\]-]{1,800}")
"""The values that AWS IoT allows for an attribute (`CreateThing`)."""

_DIGITS: Final[Mapping[str, int]] = {
    Attribute.DEV_EUI: 16,
    Attribute.JOIN_EUI: 16,
    Attribute.APP_KEY: 32,
    Attribute.NWK_KEY: 32,
}

_FLAGS: Final = frozenset({Attribute.SUPPORTS_CLASS_B, Attribute.SUPPORTS_CLASS_C, Attribute.SUPPORTS_32_BIT_F_CNT})

_SPELLINGS_OF_FLAGS: Final = {
    **dict.fromkeys(("1", "t", "wahr", "vrai", "verdadero"), "true"),
    **dict.fromkeys(("0", "f", "falsch", "faux", "falso"), "false"),
}
"""As The Things Stack reads them, and as Excel writes them in the language of its user."""

_FORMULA: Final = re.compile(r'="([^"]*)"')
"""A text as a formula: people write EUIs like this, because Excel leaves it alone."""

_POWER_OF_TEN: Final = re.compile(r"\d+(?:[.,]\d+)?E\+\d+", re.IGNORECASE)
_BETWEEN_DIGITS: Final = re.compile(r"[\s:-]")

_LIKE_AN_EUI: Final = re.compile(r"(?=.{13,18}\Z)[0-9A-F]*[0-9A-Z]?[0-9A-F]*", re.IGNORECASE)
"""Hexadecimal digits, one of them mistyped, in about the number of an EUI's."""

_FORMS: Final[Mapping[str, re.Pattern[str]]] = {
    Attribute.FREQUENCY_PLAN_ID: re.compile(r"[A-Z]{2}[ _-]\d{3}(?:[ _-][\w-]{1,12}){0,4}", re.IGNORECASE),
    Attribute.RX1_DELAY: re.compile(r"(?:RX_DELAY_)?\d{1,3}s?", re.IGNORECASE),
}
"""What may be repeated of other values: nothing that a key or claim code looks like."""

_PATHS: Final = {
    Attribute.DEV_EUI: ("ids", "dev_eui"),
    Attribute.JOIN_EUI: ("ids", "join_eui"),
    Attribute.DEVICE_ID: ("ids", "device_id"),
    Attribute.FREQUENCY_PLAN_ID: ("frequency_plan_id",),
    Attribute.LORAWAN_VERSION: ("lorawan_version",),
    Attribute.REGIONAL_PARAMETERS_VERSION: ("lorawan_phy_version",),
    Attribute.APP_KEY: ("root_keys", "app_key", "key"),
    Attribute.NWK_KEY: ("root_keys", "nwk_key", "key"),
    Attribute.CLAIM_AUTHENTICATION_CODE: ("claim_authentication_code", "value"),
    Attribute.SUPPORTS_CLASS_B: ("supports_class_b",),
    Attribute.SUPPORTS_CLASS_C: ("supports_class_c",),
    Attribute.SUPPORTS_32_BIT_F_CNT: ("mac_settings", "supports_32_bit_f_cnt"),
    Attribute.RX1_DELAY: ("mac_settings", "rx1_delay"),
}
"""Attribute → its place in The Things Stack's `EndDevice` object ("JSON File Reference")."""

_NAMES: Final = frozenset({"thingName", Attribute.DEVICE_ID, Attribute.FREQUENCY_PLAN_ID})
"""What a device has of free text, and messages show."""

_MUCH: Final = 16
"""Characters of a key that are a large part of it: half."""

_CARRIED: Final = frozenset({path[0] for path in _PATHS.values()} | {"supports_join"})

_SESSION_FIELDS: Final = frozenset({"session", "pending_session", "mac_state", "pending_mac_state"})
"""Fields of an `EndDevice` that only a device has that has joined, or is activated by personalization."""

SESSION_COLUMNS: Final = frozenset(
    {"dev_addr", "app_s_key", "f_nwk_s_int_key", "s_nwk_s_int_key", "nwk_s_enc_key"}
    | {"last_f_cnt_up", "last_n_f_cnt_down", "last_a_f_cnt_down"}
)
"""Columns of The Things Stack's CSV that hold a session."""


@dataclass(frozen=True)
class DeviceRecord:
    """A thing to create: its name (`named`: chosen by the user) and its attributes, without the stack's name.

    `incomplete`: why no device can be created from it, as for a thing whose keys were removed. It may exist.
    """

    thing_name: str
    named: bool
    attributes: dict[str, str]
    incomplete: str = ""


def column(name: str) -> Attribute | None:
    """The attribute that a column of a CSV file holds, None if a thing has none for it."""
    known = {spelling: attribute for attribute, spelling in COLUMNS.items()} | _ALIASES
    return known.get(name.strip().lower())


def from_cell(name: str, cell: str) -> str:
    """What a cell of a spreadsheet says, without what was written around an EUI or key to read it better.

    `00-11-AA-22-BB-33-CC-26`, `00 11 …` and `="0011…"` are 16 or 32 hexadecimal digits. Raises BadInput for a number,
    which the spreadsheet has rounded or whose zeros it has removed: only who wrote the file knows the digits.
    """
    if written := _FORMULA.fullmatch(cell):
        cell = written[1].strip()
    if name in _FLAGS:
        return _SPELLINGS_OF_FLAGS.get(cell.lower(), cell)
    digits = _DIGITS.get(name)
    if digits is None or (name == Attribute.NWK_KEY and not cell.strip("0")):
        # Devices before LoRaWAN 1.1 have no NwkKey; lists often have zeros in its place, and Excel has one.
        return cell
    if _POWER_OF_TEN.fullmatch(cell):
        raise BadInput(
            name,
            "was turned into a power of ten by a spreadsheet: format the column as text and enter the digits again",
        )
    if cell.isdecimal() and digits - 6 <= len(cell) < digits:
        raise BadInput(
            name,
            f"must be {digits} hexadecimal digits: a spreadsheet removes zeros from the beginning of a number; "
            "format the column as text and enter the digits again",
        )
    if cell[:2] in ("0x", "0X"):
        raise BadInput(name, f"must be {digits} hexadecimal digits, without 0x")
    joined = _BETWEEN_DIGITS.sub("", cell)
    return joined if len(joined) == digits and joined.isalnum() else cell


@dataclass(frozen=True)
class Described:
    """What an object or row describes: values by attribute, the thing's name if it is given, and what is left out.

    `ignored`: fields that a thing can't carry. `has_session`: the device is active on another network, or application.
    """

    values: dict[str, Any]
    thing_name: str | None
    ignored: set[str]
    has_session: bool = False


def from_json(value: Mapping[str, Any], now: datetime) -> Described:
    """One object of a JSON file. `now`: the time that a claim code must be valid at.

    Either an `EndDevice` of The Things Stack (it has `ids`) or a flat object of a thing's attributes. Raises BadInput
    for a device that is activated by personalization, and for a claim code outside its time without root keys.
    """
    if "ids" not in value:
        known = {str(name): each for name in Attribute if (each := _written(name, value.get(name)))}
        own = {"thingName", *Attribute}
        return Described(known, value.get("thingName"), {str(name) for name in value} - own)
    has_session = any(value.get(each) for each in _SESSION_FIELDS)
    _check_joins(value, has_session=has_session)
    found = {str(attribute): _written(attribute, _at(value, path)) for attribute, path in _PATHS.items()}
    ignored = set(value) - _CARRIED - _SESSION_FIELDS | _ignored_mac_settings(value.get("mac_settings"))
    if found[Attribute.CLAIM_AUTHENTICATION_CODE]:
        if found[Attribute.APP_KEY]:
            # The code is for handing the device over later; whoever has its keys need not claim it.
            del found[Attribute.CLAIM_AUTHENTICATION_CODE]
            ignored.add("claim_authentication_code beside root keys")
        else:
            _check_validity(value["claim_authentication_code"], now)
    return Described({name: each for name, each in found.items() if each}, None, ignored, has_session)


def _ignored_mac_settings(settings: Any) -> set[str]:
    if not isinstance(settings, Mapping):
        return {"mac_settings"} if settings else set()
    return {f"mac_settings.{name}" for name in settings if ("mac_settings", name) not in _PATHS.values()}


def _written(name: str, value: Any) -> Any:
    """A MAC setting as text. In an `EndDevice` it may be an object of its own, which can be unset."""
    if name not in registry.MAC_SETTINGS:
        return value
    if isinstance(value, Mapping):
        value = value.get("value", False if name in _FLAGS else None)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else value


def _check_joins(value: Mapping[str, Any], *, has_session: bool) -> None:
    """Raise BadInput for an `EndDevice` that is activated by personalization. JSON of protobuf omits what is false."""
    joins = value.get("supports_join")
    if joins is False:
        raise BadInput(
            "supports_join",
            "must be true: only a device that joins over the air can be created from a thing; got false",
        )
    if has_session and not joins:
        raise BadInput(
            "supports_join",
            "must be true: only a device that joins over the air can be created from a thing; without it, a device "
            "with a session is activated by personalization",
        )


def check_row_joins(given: Mapping[str, str]) -> None:
    """Raise BadInput for a row, by column, with a session and without a root key: activated by personalization."""
    keys = (COLUMNS[each] for each in SECRETS)
    if row_has_session(given) and not any(given.get(each) for each in keys):
        raise BadInput(
            COLUMNS[Attribute.APP_KEY],
            "is missing, and the row has a session: only a device that joins over the air can be created from a thing, "
            "not one that is activated by personalization",
        )


def row_has_session(given: Mapping[str, str]) -> bool:
    """Whether a row, by column, has a session."""
    return any(given.get(each) for each in SESSION_COLUMNS)


def _check_validity(code: Mapping[str, Any], now: datetime) -> None:
    """Raise BadInput when a claim code (TTS `EndDeviceAuthenticationCode`) is not valid at `now`."""
    for bound, too_early, fault_of_it in (
        ("valid_from", True, "is valid only from"),
        ("valid_to", False, "was valid only until"),
    ):
        if not (given := code.get(bound)):
            continue
        field = f"claim_authentication_code.{bound}"
        try:
            at = datetime.fromisoformat(given if isinstance(given, str) else "")
        except ValueError as error:
            raise BadInput(field, "must be a time such as 2026-01-31T12:00:00Z") from error
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        if now < at if too_early else now > at:
            raise BadInput(
                "claim_authentication_code",
                f"{fault_of_it} {at.isoformat()}: ask for a valid one, or give the device's root keys",
            )


def record(
    values: Mapping[str, Any],
    thing_name: str | None = None,
    defaults: Mapping[str, str] | None = None,
    *,
    keyless: bool = False,
) -> DeviceRecord:
    """The thing for a device. `values` and `defaults` are by attribute name. Raises BadInput, naming what is wrong.

    `keyless`: a thing with a name may have no key and no claim code, as it is exported, and is `incomplete` then.

    Without a name the thing gets the one that the stack gives by default: the DevEUI.
    """
    given = {**(defaults or {}), **{name: value for name, value in values.items() if value}}
    given.pop(Attribute.STACK_NAME, None)
    if not given.get(Attribute.JOIN_EUI) and given.get(Attribute.APP_EUI):
        given[Attribute.JOIN_EUI] = given[Attribute.APP_EUI]
    given.pop(Attribute.APP_EUI, None)
    for name, value in given.items():
        if not isinstance(value, str):
            raise BadInput(name, "must be text")
    incomplete = ""
    try:
        device = registry.new_device(given, default_frequency_plan_id="")
        name, mac_version = thing_name or device.dev_eui, device.mac_version
    except BadInput as error:
        # A thing that was exported without its keys, or that never had any.
        if not keyless or not thing_name or registry.has_secrets(given):
            raise
        _check_values(given)
        name, mac_version, incomplete = thing_name, "", str(error)
    unused_key = None if versions.has_network_key(mac_version) else given.pop(Attribute.NWK_KEY, None)
    spelled = {str(name): _spelled(name, value) for name, value in given.items()}
    for attribute, value in spelled.items():
        if not _VALUE.fullmatch(value):
            raise BadInput(attribute, "must be 1 to 800 letters, digits, and _ . , @ / : # = [ ] -")
    if not isinstance(name, str) or not THING_NAME.fullmatch(name):
        raise BadInput("thingName", "must be 1 to 128 letters, digits, and : _ -")
    _check_no_copy({**spelled, "thingName": name}, (*(given.get(each) for each in SECRETS), unused_key))
    return DeviceRecord(name, bool(thing_name), spelled, incomplete)


def _check_values(given: Mapping[str, str]) -> None:
    """Raise BadInput for a value of an incomplete device that is wrong, not only missing."""
    registry.reference(given)
    for name, value in given.items():
        if name in _READ:
            _READ[name](name, value)


def without_secrets(text: str, attributes: Mapping[str, str]) -> str:
    """A message about a thing without the keys and claim code among its attributes, which AWS may have repeated."""
    for value in (attributes.get(each) for each in SECRETS):
        text = re.sub(re.escape(value), "…", text, flags=re.IGNORECASE) if value else text
    return text


def canonical(attributes: Mapping[str, str]) -> dict[str, str]:
    """The attributes in the one spelling in which equal devices are equal; a value that can't be read is kept.

    The default device id is written out, `appEUI` becomes `joinEUI`, versions become The Things Stack's enumerations.
    """
    known = {str(name): value for name in Attribute if (value := attributes.get(name))}
    if app_eui := known.pop(Attribute.APP_EUI, None):
        known.setdefault(Attribute.JOIN_EUI, app_eui)
    known = {name: _read(name, value) for name, value in known.items()}
    if Attribute.DEVICE_ID not in known and (dev_eui := known.get(Attribute.DEV_EUI)):
        known[Attribute.DEVICE_ID] = identifiers.default_device_id(dev_eui)
    return known


def differences(wanted: Mapping[str, str], existing: Mapping[str, str]) -> list[str]:
    """Names of the attributes in which an existing thing differs from the wanted one; both canonical.

    A key or claim code that the thing no longer has is not a difference: the stack may remove it after use.
    """
    return [
        name
        for name, value in wanted.items()
        if existing.get(name) != value and not (name in SECRETS and name not in existing)
    ]


@dataclass
class Columns:
    """The columns of a CSV file that The Things Stack reads as the same devices. `keys`: with keys and claim codes.

    The Things Stack sets whatever its header names, from empty cells as well: an empty key is the key of zeros, and an
    empty version is an error. So a column exists if a thing needs it, and has a value for every other thing. What is
    not the thing's own is named in a column of Thingbridge, so that an import leaves it out.
    """

    keys: bool
    default_frequency_plan_id: str = ""
    used: set[str] = field(default_factory=set)

    def add(self, attributes: Mapping[str, str]) -> None:
        """Look at a thing that the file will have."""
        known = canonical(attributes)
        if _has_no_network_key(known):
            known.pop(Attribute.NWK_KEY, None)
        self.used |= {name for name in known if self.keys or name not in SECRETS}
        if not attributes.get(Attribute.DEVICE_ID) or self._plan(known):
            self.used.add(DEFAULTS_COLUMN)

    def header(self) -> list[str]:
        """The names of the columns."""
        optional = (*registry.MAC_SETTINGS, *SECRETS)
        named = [COLUMNS[name] for name in COLUMNS if name in self.used or name not in optional]
        mixed = self.used & set(_FOR_OTHERS)
        return [THING_NAME_COLUMN, *named, *([DEFAULTS_COLUMN] if mixed or DEFAULTS_COLUMN in self.used else [])]

    def row(self, thing_name: str, attributes: Mapping[str, str]) -> dict[str, str]:
        """A thing as a row, by column."""
        values = canonical(attributes)
        filled = [] if attributes.get(Attribute.DEVICE_ID) else [str(Attribute.DEVICE_ID)]
        if plan := self._plan(values):
            values[Attribute.FREQUENCY_PLAN_ID] = plan
            filled.append(Attribute.FREQUENCY_PLAN_ID)
        for name, value in _FOR_OTHERS.items():
            if name in self.used and name not in values:
                values[name] = value
                filled.append(name)
        if _has_no_network_key(values):
            # A key of zeros would be used instead of the AppKey. The same key in both places is used as the one.
            values[Attribute.NWK_KEY] = values.get(Attribute.APP_KEY, "")
        if delay := values.get(Attribute.RX1_DELAY):
            values[Attribute.RX1_DELAY] = f"RX_DELAY_{delay}" if delay.isdecimal() else delay
        header = set(self.header())
        row = {spelling: values.get(name, "") for name, spelling in COLUMNS.items() if spelling in header}
        defaults = " ".join(COLUMNS[Attribute(name)] for name in filled)
        return {
            THING_NAME_COLUMN: thing_name,
            **row,
            **({DEFAULTS_COLUMN: defaults} if DEFAULTS_COLUMN in header else {}),
        }

    def _plan(self, values: Mapping[str, str]) -> str:
        """The default frequency plan, for a thing that describes a device and names none."""
        return "" if values.get(Attribute.FREQUENCY_PLAN_ID) else self.default_frequency_plan_id


def _has_no_network_key(values: Mapping[str, str]) -> bool:
    """Whether the device is older than LoRaWAN 1.1, as far as it is known."""
    version = values.get(Attribute.LORAWAN_VERSION, "")
    return version in versions.MAC_VERSIONS.values() and not versions.has_network_key(version)


def to_json(thing_name: str, attributes: Mapping[str, str], *, keys: bool) -> dict[str, str]:
    """A thing as a flat object: `thingName` and the attributes that describe its device."""
    shown = {
        str(name): value
        for name in Attribute
        if name is not Attribute.STACK_NAME and (keys or name not in SECRETS) and (value := attributes.get(name))
    }
    return {"thingName": thing_name, **shown}


def fault(error: BadInput, spellings: Mapping[Attribute, str], values: Mapping[str, Any] | None = None) -> str:
    """What is wrong, with the name that the person used: a column's or an option's instead of an attribute's.

    With the value, from `values` by attribute, if it can't be a key or claim code that was written in its place.
    """
    name = Attribute.JOIN_EUI if error.field.startswith(Attribute.JOIN_EUI) else error.field
    spelling = {str(attribute): each for attribute, each in spellings.items()}.get(str(name), error.field)
    value = (values or {}).get(name)
    secrets = [str(each) for each in map((values or {}).get, SECRETS) if each]
    known = (
        isinstance(value, str)
        and value not in error.reason
        and _may_be_shown(name, value)
        and not any(_repeats(_letters_and_digits(value), _letters_and_digits(secret)) for secret in secrets)
    )
    return f"{spelling} {error.reason}; got {value}" if known else f"{spelling} {error.reason}"


def _may_be_shown(name: str, value: str) -> bool:
    """Whether a value has about the length of an EUI, or the form of a frequency plan, a delay or a spoilt number."""
    if name in (Attribute.DEV_EUI, Attribute.JOIN_EUI):
        digits = _BETWEEN_DIGITS.sub("", value)
        return bool(_POWER_OF_TEN.fullmatch(value) or _LIKE_AN_EUI.fullmatch(digits))
    form = _FORMS.get(name)
    return bool(form and form.fullmatch(value))


def safe_label(values: Mapping[str, Any]) -> str:
    """The DevEUI of a device that can't be created, if it has a right one: it says which device that is."""
    value = values.get(Attribute.DEV_EUI)
    try:
        return identifiers.eui(Attribute.DEV_EUI, value)
    except BadInput:
        return ""


def json_label(value: Mapping[str, Any]) -> str:
    """As `safe_label`, for an `EndDevice`."""
    return safe_label({Attribute.DEV_EUI: _at(value, _PATHS[Attribute.DEV_EUI])})


def _check_no_copy(shown: Mapping[str, str], hidden: Iterable[str | None]) -> None:
    """Raise BadInput when something that is shown repeats a key or claim code of the device, or a large part of it."""
    secrets = [_letters_and_digits(each) for each in hidden if each]
    for name, value in shown.items():
        if name in _NAMES and any(_repeats(_letters_and_digits(value), secret) for secret in secrets):
            raise BadInput(name, "must not be a key or claim code of the device")


def _letters_and_digits(value: str) -> str:
    return re.sub(r"[\W_]", "", value).upper()


def _repeats(value: str, secret: str) -> bool:
    long = len(value) >= _MUCH and len(secret) >= _MUCH
    return value == secret or (long and (value in secret or secret in value))


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


_READ: Final[Mapping[str, Callable[[str, str], str]]] = {
    Attribute.DEV_EUI: identifiers.eui,
    Attribute.JOIN_EUI: identifiers.eui,
    Attribute.APP_KEY: identifiers.root_key,
    Attribute.NWK_KEY: identifiers.root_key,
    Attribute.CLAIM_AUTHENTICATION_CODE: identifiers.claim_authentication_code,
    Attribute.LORAWAN_VERSION: versions.mac_version,
    Attribute.REGIONAL_PARAMETERS_VERSION: versions.phy_version,
    **dict.fromkeys(_FLAGS, lambda name, value: str(mac_settings.flag(name, value)).lower()),
    Attribute.RX1_DELAY: lambda name, value: str(mac_settings.rx_delay(name, value)),
}


def _read(name: str, value: str) -> str:
    try:
        return _READ[name](name, value) if name in _READ else value
    except BadInput:
        return value


def _spelled(name: str, value: str) -> str:
    """The spelling that is documented for the attribute of a thing."""
    read = _read(name, value)
    if name == Attribute.LORAWAN_VERSION:
        return _documented(versions.MAC_VERSIONS, read)
    if name == Attribute.REGIONAL_PARAMETERS_VERSION:
        return _documented(versions.PHY_VERSIONS, read)
    return read


def _documented(spellings: Mapping[str, str], version: str) -> str:
    """`MAC_V1_0_3` → `1.0.3`, `PHY_V1_0_3_REV_A` → `1.0.3-a`: the first one with a revision, or any."""
    known = [spelling for spelling, each in spellings.items() if each == version]
    return next((each for each in known if "-" in each), known[0]).replace("rp", "RP")
