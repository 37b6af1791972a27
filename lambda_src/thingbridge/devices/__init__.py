"""Decisions about devices with an identity of their own. No I/O: what is called in AWS is in `flows.devices`."""
