"""What the directory of an applied stack knows of a device."""

from tests.e2e.conftest import Bridge
from tests.e2e.polling import eventually
from thingbridge.aws.directory_table import DirectoryTable


def table(bridge: Bridge) -> DirectoryTable:
    """The table of the stack's directory."""
    return DirectoryTable(bridge.aws.clients, f"{bridge.name}-directory")


def known(bridge: Bridge, dev_eui: str) -> str:
    """What the table says of a device: its thing, `look it up`, or `nothing`."""
    fact = table(bridge).read(dev_eui, consistent=True)
    return (fact.thing_name or "look it up") if fact else "nothing"


def until_known(bridge: Bridge, dev_eui: str) -> None:
    """Wait for the event of a thing that a person has named: a message before it could make another thing."""
    eventually("the event of the thing", lambda: known(bridge, dev_eui) != "nothing")
