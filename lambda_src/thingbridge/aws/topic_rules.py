"""Topic rules, read only: which rules a message on a topic reaches, and which functions they invoke."""

from dataclasses import dataclass

from thingbridge.aws.clients import Clients
from thingbridge.aws.errors import translate_errors
from thingbridge.devices.topics import matches


@dataclass(frozen=True)
class TopicRule:
    """A topic rule. `functions`: the names of those that it invokes."""

    name: str
    enabled: bool
    functions: tuple[str, ...] = ()


class TopicRules:
    """The rules of an account. Every method raises Busy, Misconfigured or Refused, as AWS answers."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def enabled(self) -> dict[str, bool]:
        """Every rule by name, and whether it is enabled."""
        with translate_errors("list the rules"):
            pages = self._clients("iot").get_paginator("list_topic_rules").paginate()
            rules = [rule for page in pages for rule in page.get("rules", ())]
        return {str(rule["ruleName"]): not rule.get("ruleDisabled", False) for rule in rules}

    def for_topic(self, topic: str) -> list[TopicRule]:
        """The rules whose topic filter matches a topic, by name: one call, and one for each of them."""
        # What AWS's parameter `topic` compares is not documented: the answer is compared here.
        iot = self._clients("iot")
        with translate_errors(f"list the rules of {topic}"):
            pages = iot.get_paginator("list_topic_rules").paginate()
            found = [rule for page in pages for rule in page.get("rules", ())]
            names = sorted(str(each["ruleName"]) for each in found if matches(each.get("topicPattern", ""), topic))
            rules = [iot.get_topic_rule(ruleName=name)["rule"] for name in names]
        return [
            TopicRule(
                rule["ruleName"],
                not rule.get("ruleDisabled", False),
                tuple(
                    action["lambda"]["functionArn"].split(":function:")[1].partition(":")[0]
                    for action in rule.get("actions", ())
                    if "lambda" in action
                ),
            )
            for rule in rules
        ]
