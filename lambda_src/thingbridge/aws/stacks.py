"""Which stacks this account has in this region: those that have a rule for downlink requests."""

import time
from collections.abc import Callable
from typing import Final

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import translate_errors
from thingbridge.messaging import topics

RULE_SUFFIX: Final = "_downlink"
"""Ending of the name of a stack's rule for `topics.DOWNLINK_REQUEST`; the rule exists as long as the stack does."""

KNOWN_FOR: Final = 300.0
"""Seconds for which a stack that was found is not looked up again. One that was not found is looked up each time."""


class Stacks:
    """The stacks of an account and region."""

    def __init__(self, clients: Clients, *, now: Callable[[], float] = time.time) -> None:
        self._clients, self._now = clients, now
        self._known_until: dict[str, float] = {}

    def exists(self, name: str) -> bool:
        """Whether the account has a stack of this name. Raises Busy, Misconfigured or Refused."""
        if self._known_until.get(name, 0.0) > self._now():
            return True
        # A rule's name has no dash (modules/topic_rule).
        if name.replace("-", "_") + RULE_SUFFIX not in self._rules():
            return False
        self._known_until[name] = self._now() + KNOWN_FOR
        return True

    def _rules(self) -> set[str]:
        with translate_errors("list the rules of downlink requests"):
            pages = self._clients("iot").get_paginator("list_topic_rules").paginate(topic=topics.DOWNLINK_REQUEST)
            return {str(rule["ruleName"]) for page in pages for rule in page.get("rules", ())}
