"""What a process remembers from one invocation to the next is dated by the wall clock.

Lambda freezes an execution environment between two invocations, for minutes or hours. Whether a monotonic clock counts
that time is not documented (`time.monotonic` need not): what is known for a minute could then be believed for hours.
"""

import inspect
import time
from collections.abc import Callable
from typing import Any

import pytest

from thingbridge.aws.secrets import Secrets
from thingbridge.aws.stacks import Stacks
from thingbridge.flows.downlink_formatters import DownlinkFormatters
from thingbridge.flows.shared_directory import SharedDirectory
from thingbridge.flows.telemetry import RememberedSettings
from thingbridge.flows.thing_directory import ThingDirectory

REMEMBER = (DownlinkFormatters, RememberedSettings, Secrets, SharedDirectory, Stacks, ThingDirectory)


@pytest.mark.parametrize("kept", REMEMBER, ids=lambda each: each.__name__)
def test_time_that_an_environment_was_frozen_for_counts(kept: Callable[..., Any]) -> None:
    assert inspect.signature(kept).parameters["now"].default is time.time
