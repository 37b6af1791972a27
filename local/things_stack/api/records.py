"""Records of an application that are set by field mask: links, activation settings, pub/sub, webhooks, associations."""

from __future__ import annotations

import time
from collections.abc import Hashable, MutableMapping
from typing import TypeVar

from local.things_stack.description import field_masks
from local.things_stack.description.errors import NOT_FOUND, ApiError
from local.things_stack.description.proto3_json import Json, rfc3339

Key = TypeVar("Key", bound=Hashable)

_NOT_FOUND = "pkg/redis:not_found", "entity not found"
_SET_BY_THE_SERVER = ("ids", "created_at", "updated_at")


def find(records: MutableMapping[Key, Json], key: Key, missing: tuple[str, str] = _NOT_FOUND) -> Json:
    """The record at `key`. ApiError: there is none; `missing` is the source and the text of the error."""
    if key not in records:
        raise ApiError(NOT_FOUND, *missing)
    return records[key]


def write(records: MutableMapping[Key, Json], key: Key, sent: Json, mask: list[str], ids: Json) -> Json:
    """Copies the masked paths of `sent` to the record at `key`, which is created with `ids`. Returns these paths."""
    now = rfc3339(time.time_ns())
    record = records.setdefault(key, {**({"ids": ids} if ids else {}), "created_at": now})
    paths = writable(mask)
    field_masks.copy_paths(record, sent, paths)
    record["updated_at"] = now
    return field_masks.select(record, paths)


def writable(mask: list[str]) -> list[str]:
    """The paths of a field mask without the fields that the server sets."""
    return [path for path in mask if path.split(".")[0] not in _SET_BY_THE_SERVER]


def without_times(record: Json) -> Json:
    """For messages that have no `created_at` and `updated_at` in the API."""
    return {name: value for name, value in record.items() if not name.endswith("_at")}
