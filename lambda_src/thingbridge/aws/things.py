"""The thing registry: things read, listed, created and changed. Which thing stands for a device: `flows`."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import answered, code, text, translate_errors
from thingbridge.errors import Busy, Misconfigured
from thingbridge.messaging.topics import THING_NAME
from thingbridge.pacing import TokenBucket
from thingbridge.registry.attributes import ATTRIBUTE_NAME, ATTRIBUTE_VALUE, MOST_ATTRIBUTES, Attribute

THINGS_PER_PAGE: Final = 250
"""The most ListThings returns at once (AWS IoT API reference)."""


class Thing(NamedTuple):
    """A thing of the registry.

    `type_name` is None for a thing without a thing type; `version` grows with each change. `id` differs when a thing
    was deleted and created again under its name; it and `arn` are "" in a listing, which does not contain them.
    """

    name: str
    attributes: dict[str, str]
    type_name: str | None = None
    version: int | None = None
    id: str = ""
    arn: str = ""


class VersionConflict(Busy):
    """The thing has changed since the version that a change of it expects: it must be read again."""


class Things:
    """The registry of one account. Every method raises Busy, Misconfigured or Refused, as AWS answers.

    `paces`: limits the searches (`ListThings`) and creations (`CreateThing`) of this object; those without one are not
    limited.
    """

    def __init__(self, clients: Clients, paces: Mapping[str, TokenBucket] | None = None) -> None:
        self._clients, self._paces = clients, paces or {}

    def send_events(self) -> bool:
        """Whether changes of things send registry events in this account and region."""
        with translate_errors("read which registry events are enabled"):
            answer = self._clients("iot").describe_event_configurations()
        return bool(answer.get("eventConfigurations", {}).get("THING", {}).get("Enabled"))

    def describe(self, name: str) -> Thing | None:
        """The thing of that name, None if there is none."""
        with translate_errors(f"describe the thing {name}"):
            try:
                return _thing(self._clients("iot").describe_thing(thingName=name))
            except answered() as error:
                if code(error) == "ResourceNotFoundException":
                    return None
                raise

    def page(self, stack_name: str, token: str | None = None) -> tuple[list[Thing], str | None]:
        """A page of a stack's things, and the token of the next page; None for both the first and the last token."""
        request: dict[str, Any] = {
            "attributeName": str(Attribute.STACK_NAME),
            "attributeValue": stack_name,
            "maxResults": THINGS_PER_PAGE,
        }
        if token:
            request["nextToken"] = token
        with translate_errors(f"list the things of the stack {stack_name}"):
            answer = self._clients("iot").list_things(**request)
        return [_thing(each) for each in answer["things"]], answer.get("nextToken")

    def of_stack(self, stack_name: str, between_pages: Callable[[], None] = lambda: None) -> Iterator[Thing]:
        """Every thing of a stack, page by page. `between_pages` may wait before the next call, to stay below a rate."""
        things, token = self.page(stack_name)
        yield from things
        while token:
            between_pages()
            things, token = self.page(stack_name, token)
            yield from things

    def page_of_type(self, type_name: str, token: str | None = None) -> tuple[list[Thing], str | None]:
        """A page of the things of a thing type, of any stack; tokens as in `page`."""
        request: dict[str, Any] = {"thingTypeName": type_name, "maxResults": THINGS_PER_PAGE}
        if token:
            request["nextToken"] = token
        with translate_errors(f"list the things of the type {type_name}"):
            answer = self._clients("iot").list_things(**request)
        return [_thing(each) for each in answer["things"]], answer.get("nextToken")

    def of_type(self, type_name: str, between_pages: Callable[[], None] = lambda: None) -> Iterator[Thing]:
        """Every thing of a thing type, page by page. `between_pages` as in `of_stack`."""
        things, token = self.page_of_type(type_name)
        yield from things
        while token:
            between_pages()
            things, token = self.page_of_type(type_name, token)
            yield from things

    def with_dev_eui(self, dev_eui: str) -> Iterator[Thing]:
        """Things with this DevEUI by name, the upper-case spelling first; each spelling costs a ListThings.

        Attribute search is case-sensitive, and people write EUIs either way. Iterating no further saves the call.
        """
        for spelling in dict.fromkeys((dev_eui, dev_eui.lower())):
            yield from self._search(Attribute.DEV_EUI, spelling)

    def with_device_id(self, device_id: str) -> Iterator[Thing]:
        """Things with this device id by name, of any stack: a ListThings.

        It finds nothing of a thing type that was created without `deviceID` as a searchable attribute.
        """
        yield from self._search(Attribute.DEVICE_ID, device_id)

    def _search(self, attribute: Attribute, value: str) -> list[Thing]:
        self._await_turn("ListThings")
        with translate_errors(f"search things with {attribute} {value}"):
            pages = (
                self._clients("iot")
                .get_paginator("list_things")
                .paginate(attributeName=str(attribute), attributeValue=value)
            )
            found = [_thing(each) for page in pages for each in page["things"]]
        return sorted(found, key=lambda thing: thing.name)

    def create(self, name: str, attributes: Mapping[str, str], type_name: str) -> bool:
        """Create a thing; False when the name is taken by a thing with other attributes or another type.

        Raises Refused for a name or attributes that no thing can have, Misconfigured while the thing type is missing or
        deprecated.
        """
        self._await_turn("CreateThing")
        operation = f"create the thing {name}"
        with translate_errors(operation):
            try:
                self._clients("iot").create_thing(
                    thingName=name, thingTypeName=type_name, attributePayload={"attributes": dict(attributes)}
                )
            except answered() as error:
                if code(error) == "ResourceAlreadyExistsException":
                    return False
                if code(error) == "InvalidRequestException" and _is_well_formed(name, attributes):
                    # AWS answers with this code for a deprecated thing type as well: it is not about the device.
                    raise Misconfigured(
                        f"{text(operation, error)}: if the thing type is deprecated, undo that with "
                        f"`aws iot deprecate-thing-type --thing-type-name {type_name} --undo-deprecate`"
                    ) from error
                raise
        return True

    def update(self, name: str, attributes: Mapping[str, str], *, expected_version: int | None = None) -> None:
        """Give a thing these values; its other attributes stay.

        Raises VersionConflict when the thing has another version than the expected one.
        """
        with translate_errors(f"update the thing {name}"):
            self._merge(name, attributes, expected_version)

    def remove_attributes(self, name: str, names: Iterable[str], *, expected_version: int | None = None) -> None:
        """Remove attributes of a thing, those that it has. Raises VersionConflict like `update`."""
        # AWS IoT removes an attribute that is merged with an empty value.
        with translate_errors(f"remove attributes of the thing {name}"):
            self._merge(name, {str(each): "" for each in names}, expected_version)

    def _merge(self, name: str, attributes: Mapping[str, str], expected_version: int | None) -> None:
        payload = {"attributes": dict(attributes), "merge": True}
        expected: dict[str, Any] = {} if expected_version is None else {"expectedVersion": expected_version}
        try:
            self._clients("iot").update_thing(thingName=name, attributePayload=payload, **expected)
        except answered() as error:
            if code(error) == "VersionConflictException":
                raise VersionConflict(f"the thing {name} has changed since it was read") from error
            raise

    def delete(self, name: str, *, expected_version: int | None = None) -> None:
        """Delete a thing; one that is gone counts as deleted. Raises VersionConflict like `update`."""
        expected: dict[str, Any] = {} if expected_version is None else {"expectedVersion": expected_version}
        with translate_errors(f"delete the thing {name}"):
            try:
                self._clients("iot").delete_thing(thingName=name, **expected)
            except answered() as error:
                if code(error) == "VersionConflictException":
                    raise VersionConflict(f"the thing {name} has changed since it was read") from error
                if code(error) != "ResourceNotFoundException":
                    raise

    def _await_turn(self, operation: str) -> None:
        if operation in self._paces:
            self._paces[operation].acquire()


def _is_well_formed(name: str, attributes: Mapping[str, str]) -> bool:
    """Whether AWS IoT's grammar and quotas allow a thing with this name and these attributes."""
    return (
        THING_NAME.fullmatch(name) is not None
        and len(attributes) <= MOST_ATTRIBUTES
        and all(ATTRIBUTE_NAME.fullmatch(each) for each in attributes)
        and all(ATTRIBUTE_VALUE.fullmatch(each) for each in attributes.values())
    )


def _thing(answer: Mapping[str, Any]) -> Thing:
    return Thing(
        answer["thingName"],
        dict(answer.get("attributes") or {}),
        answer.get("thingTypeName"),
        answer.get("version"),
        answer.get("thingId", ""),
        answer.get("thingArn", ""),
    )
