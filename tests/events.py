"""One example of each event and message that a function handles: JSON files in `tests/data/events`, loaded here.

| Folder | What is in it |
|---|---|
| `things_stack/` | messages of The Things Stack (`ApplicationUp`), one file per kind and variant |
| `downlink_request/`, `shadow/` | what an application publishes; a delta and a document of the shadow `lorawan` |
| `rule_output/` | what a topic rule passes on |
| `registry/` | registry events of AWS IoT, and work items of the comparison |
| `sqs/`, `scheduler/`, `function_url/`, `terraform/` | what invokes a function, and what the scheduler sends |
| `parameters/` | what Terraform writes for the function `configure` |

All are about one device: the thing `tank-7` of the stack `farm`, in the application `farm-app`.
"""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent / "data" / "events"


def load(name: str) -> Any:
    """A fresh copy of an example by its name, such as `things_stack/uplink`."""
    return json.loads((FOLDER / f"{name}.json").read_text())


def just_now() -> str:
    """A `received_at` in time: the examples are long ago, so that they are late messages."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def rule_output(message: Mapping[str, Any] | bytes, topic: str = "thethings/lorawan/farm/uplink") -> dict[str, Any]:
    """What a topic rule passes on when a message, or these bytes, are published on a topic."""
    published = message if isinstance(message, bytes) else json.dumps(message).encode()
    return {"topic": topic, "payload": base64.b64encode(published).decode()}


def sqs_batch(*bodies: str) -> dict[str, Any]:
    """A batch of SQS records with these bodies; their message ids are "0", "1" and so on."""
    (record,) = load("sqs/registry_event")["Records"]
    return {"Records": [{**record, "messageId": str(number), "body": body} for number, body in enumerate(bodies)]}
