"""A codec that misses something, as after an upgrade."""

import there_is_no_such_module  # noqa: F401

DEVICES = [{"f_port": 43}]
