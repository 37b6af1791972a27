"""The description of the messages that an Application Server publishes: complete, and true of every example."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from local.things_stack.description.application_up import APPLICATION_UP
from local.things_stack.description.messages import UP_KINDS
from local.things_stack.description.operations import Operation
from local.things_stack.description.schema import Many, Problem, Table, Type, read
from local.things_stack.description.swagger import differences
from tests import events

EXAMPLES = sorted(path.stem for path in (events.FOLDER / "things_stack").iterdir())
DEVICE = "applications/{end_device_ids.application_ids.application_id}/devices/{end_device_ids.device_id}"


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_as_described(name: str) -> None:
    problems: list[Problem] = []
    message = events.load(f"things_stack/{name}")
    read(message, APPLICATION_UP, "", problems)
    assert problems == []
    assert len(message.keys() & set(UP_KINDS)) == 1


def test_every_kind_is_described() -> None:
    assert set(UP_KINDS) < APPLICATION_UP.keys()


NEWER = ("attributes", "last_battery_percentage", "locations", "network_ids", "version_ids")
"""Fields of messages since 3.33.1 and 3.34.0, which hosted deployments have; the published description is older."""

if "TTS_SWAGGER" in os.environ:  # the published description is not part of this repository

    def undescribed(published: Mapping[str, Any], described: Type, definitions: Mapping[str, Any]) -> Iterator[str]:
        """The published fields that the description leaves out, but for an error's causes below the first."""
        while "$ref" in published:
            published = definitions[published["$ref"].rsplit("/", 1)[-1]]
        if isinstance(described, Many | Table):
            inner = published["items" if isinstance(described, Many) else "additionalProperties"]
            yield from undescribed(inner, described.of, definitions)
        elif isinstance(described, Mapping):
            for name, part in published["properties"].items():
                if name in described:
                    yield from undescribed(part, described[name], definitions)
                elif name != "cause":
                    yield name

    def test_the_description_matches_the_published_one() -> None:
        description = json.loads(Path(os.environ["TTS_SWAGGER"]).read_text())
        definitions = description["definitions"]
        assert list(undescribed(definitions["v3ApplicationUp"], APPLICATION_UP, definitions)) == []
        simulate = Operation("AppAs_SimulateUplink", "AS", "POST", f"/as/{DEVICE}/up/simulate", body=APPLICATION_UP)
        newer = tuple(f".{name} is not a published field" for name in NEWER)
        assert [each for each in differences([simulate], description) if not each.endswith(newer)] == []
