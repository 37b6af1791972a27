"""The exception for messages that the network drops."""


class Dropped(Exception):
    """The network dropped a message of a device; the text names the server and the reason. Nothing was published."""
