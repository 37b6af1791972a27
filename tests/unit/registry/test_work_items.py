"""Work items on the queue of registry events."""

import pytest

from thingbridge.registry import work_items
from thingbridge.registry.work_items import WorkItem


@pytest.mark.parametrize(
    "item",
    [
        WorkItem(thing_name="barn"),
        WorkItem(thing_name="barn", thing_id="0a1b2c3d"),
        WorkItem(device_id="tank-7"),
        WorkItem(device_id="tank-7", may_delete=True),
    ],
)
def test_a_work_item_is_read_as_it_was_sent(item: WorkItem) -> None:
    assert work_items.parse(item.body()) == item


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[]",
        '{"operation": "CREATED", "thingName": "barn"}',
        '{"operation": "SYNCHRONISE"}',
        '{"operation": "SYNCHRONISE", "thingName": ""}',
        '{"operation": "SYNCHRONISE", "thingName": 7}',
        '{"operation": "SYNCHRONISE", "thingName": "barn", "thingID": 7}',
        '{"operation": "SYNCHRONISE", "thingName": "barn", "deviceID": "tank-7"}',
    ],
)
def test_any_other_message_is_none(text: str) -> None:
    assert work_items.parse(text) is None
