"""What one downlink request causes on AWS, from the rule that receives it to the push to The Things Stack.

What follows is not here: the events of the downlink (queued, sent) come in as uplinks do. The end-to-end tests hold
this recipe to what the meter counts (tests/e2e/test_costs.py).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from cli.costs import metering
from cli.costs.prices import Item
from cli.costs.uplinks import OTHERS_MB, RULE, Functions
from cli.costs.usage import Usage

DOWNLINKS, QUEUE, REGISTRY = "downlinks", "queue sending", "registry"

HELD_MILLISECONDS: Final = 250.0
"""What is left of the window of half a second when the ticket arrives, which the function waits for: an estimate."""


WAITS: Final = 3
"""How often each invocation waits for AWS or The Things Stack."""


def request(functions: Functions, *, names_thing_in_topic: bool = True) -> Usage:
    """A request of up to 1 KB that arrives alone, without the message itself.

    On `lorawan/downlink`, which does not name the thing in the topic, its row is moved first.
    """
    moved = not names_thing_in_topic
    functions = replace(functions, memory_mb=OTHERS_MB)
    usage = Usage.of(
        [
            (RULE, Item.IOT_RULE, 1),
            (RULE, Item.IOT_ACTION, 1),
            # Written by the rule and deleted; listed before and after the rest of the window, and read.
            (DOWNLINKS, Item.DYNAMODB_WRITE, 2 + 2 * moved),
            (DOWNLINKS, Item.DYNAMODB_READ, 3 + moved),
            # Sent, received and deleted; a moved row leads to the same ticket again, which SQS drops.
            (QUEUE, Item.SQS_FIFO_REQUEST, 3 + moved),
            (REGISTRY, Item.IOT_OPERATION, 1),
        ]
    )
    waiting = metering.gb_seconds(HELD_MILLISECONDS, functions.memory_mb)
    usage.add("function downlink", metering.gb_second_item(functions.architecture), waiting)
    # Of the stream, and of the queue.
    return usage + functions.invocation("downlink", waits=WAITS) * (2 + moved)
