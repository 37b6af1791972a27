"""The topics of a device, below the name of its stack. Terraform has the same ones in `modules/devices`."""


def telemetry(stack_name: str, type_name: str, thing_name: str) -> str:
    """Where a device publishes its readings."""
    return f"{stack_name}/sensor/{type_name}/{thing_name}"


def status(stack_name: str, thing_name: str) -> str:
    """Where a device publishes its own condition."""
    return f"{stack_name}/device/status/{thing_name}"


def configuration(stack_name: str, thing_name: str) -> str:
    """Where a device receives configuration."""
    return f"{stack_name}/device/config/{thing_name}"


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a topic matches a filter (MQTT 3.1.1 §4.7; a `+` or `#` at the start matches no topic with `$`)."""
    wanted, given = topic_filter.split("/"), topic.split("/")
    if wanted[0] in ("+", "#") and topic.startswith("$"):
        return False
    for number, level in enumerate(wanted):
        if level == "#":
            return True
        if number >= len(given) or level not in ("+", given[number]):
            return False
    return len(wanted) == len(given)
