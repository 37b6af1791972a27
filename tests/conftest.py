"""What every test runs in: no AWS settings of the person who runs it, and Terraform's provider found once.

`LocalAws`, `Stack` and `ThingsStack` are what tests are built from; the fixtures here start one AWS for a whole run
(with xdist: for each worker). The stacks that the end-to-end tests apply are in tests/e2e/conftest.py.
"""

from __future__ import annotations

import gc
import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import hypothesis
import pytest

from local.aws import OWN_ENDPOINT, LocalAws
from local.terraform import ProviderSource, cleaned, find_provider
from tests.rights import after_the_tests
from tests.sizes import SOAK, size

# What a person sets to have the tests run on an AWS emulator of theirs, such as LocalStack.
CHOSEN = ("AWS_ENDPOINT_URL", "LOCALSTACK_HOST")
ON_ACCOUNT = "THINGBRIDGE_ACCOUNT_RUN"
"""Set by `make e2e-account` in its own process, whose settings are those of the account."""


@pytest.hookimpl(tryfirst=True)  # before Hypothesis reads its seed; with xdist, workers get the controller's
def pytest_configure(config: pytest.Config) -> None:
    """Generated examples of `make soak` are others each time, by a seed that is printed."""
    if SOAK and config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(random.SystemRandom().getrandbits(32))
    leave_out_settings_of_the_person()
    after_the_tests.register(config)


def leave_out_settings_of_the_person() -> None:
    """A profile or a key of the person who runs the tests must reach no test; the choice of an emulator must.

    What `thingbridge-local env` has set does not count as a choice: that environment may have ended.
    """
    if ON_ACCOUNT in os.environ:
        return
    own = os.environ.get(OWN_ENDPOINT)
    chosen = any(os.environ.get(name) not in (None, "", own) for name in CHOSEN)
    for name in [name for name in os.environ if name.startswith("AWS_") and not chosen]:
        del os.environ[name]
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    os.environ["CHECKPOINT_DISABLE"] = "1"
    # Terraform keeps the provider's schema, half a gigabyte, and ends soon: collecting garbage is a fifth of its time.
    os.environ.setdefault("GOGC", "400")


# How long an example takes says more of the machine than of the code: nothing here is a timed test. `make test` plays
# the same examples each time, so that a change is blamed only for what it did; `make soak` finds new ones. Tests choose
# how many examples they need, but not whether these are the same.
hypothesis.settings.register_profile(
    "thingbridge",
    derandomize=not SOAK,
    deadline=None,
    max_examples=size(8, 500),
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("thingbridge")


@pytest.fixture(scope="session")
def gives_way() -> None:
    """Let other processes go first: the tests on applied stacks are the longest chain."""
    os.nice(5)


@dataclass(frozen=True)
class Endpoint:
    """An AWS for tests that run Terraform themselves: its URL, and a whole environment for `terraform`."""

    url: str
    environment: Mapping[str, str]


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """An AWS with IAM enforced: the one that AWS_ENDPOINT_URL or LOCALSTACK_HOST names, else ministack."""
    directory = tmp_path_factory.mktemp("aws")
    with LocalAws.from_environment(directory, records=directory / "records.jsonl") as running:
        yield running


@pytest.fixture(scope="session")
def provider() -> ProviderSource:
    """Where `terraform init` gets the AWS provider; finding it can take seconds."""
    return find_provider(os.environ)


@pytest.fixture(scope="session")
def aws_endpoint(aws: LocalAws, provider: ProviderSource) -> Endpoint:
    """The same AWS, for tftest and the terraform command."""
    return Endpoint(aws.endpoint_url, cleaned(aws.environment()) | dict(provider.environment))


@pytest.fixture(scope="session")
def terraform_environment(provider: ProviderSource) -> dict[str, str]:
    """A whole environment for `terraform` without any AWS: enough for mocks and validations."""
    base = cleaned(os.environ) | dict(provider.environment)
    return base | {"AWS_REGION": "eu-west-1", "TF_IN_AUTOMATION": "1"}


def pytest_collection_finish() -> None:
    """What is imported by now lives as long as the run: looking through it again and again takes a twentieth of it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that are marked `soak` run in `make soak` alone; the others share an AWS where they need no stack."""
    if SOAK:
        return
    for item in items:
        if "aws" in getattr(item, "fixturenames", ()) and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group("plans"))
    left_out = [item for item in items if item.get_closest_marker("soak")]
    items[:] = [item for item in items if not item.get_closest_marker("soak")]
    config.hook.pytest_deselected(items=left_out)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """pytest looks for what was never closed by collecting garbage five times; all but this once is repetition."""
    gc.collect()
    gc.freeze()


FIGURES = "figures"
"""Key under which a test records (`record_property`) lines of what it measured."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests measured, at the end of the output; with xdist it is the controller that shows it."""
    if SOAK:
        seed = terminalreporter.config.option.hypothesis_seed
        terminalreporter.write_line(f"To generate these examples again: --hypothesis-seed={seed}")
    reports = terminalreporter.getreports("passed")
    lines = [str(line) for report in reports for name, line in report.user_properties if name == FIGURES]
    if lines:
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)
