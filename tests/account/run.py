"""One run on an account: a stack with a name of its own, in a directory from which it is found again after a crash.

What is applied is the module as a user would apply it, with Terraform and the person's own credentials. What is removed
at the end is decided in `removal`.
"""

from __future__ import annotations

import functools
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from local import mqtt
from local.aws import CONFIG
from local.environment import ENVIRONMENTS
from local.stack import Stack, TerraformError
from local.terraform import ProviderNotFound
from tests.account import removal
from tests.contract.subject import Application
from thingbridge.aws.clients import Clients

RUNS: Final = ENVIRONMENTS / "account"
DESCRIPTION: Final = "run.json"
ACCOUNT, INPUTS = "THINGBRIDGE_ACCOUNT", "THINGBRIDGE_INPUTS"
LISTED_FOR: Final = 120.0
"""Seconds."""

Say = Callable[[str], None]


class Unusable(Exception):
    """The account can't be used; the message says what to change."""


class Account:
    """The AWS account that the credentials of the environment lead to, in one region."""

    def __init__(self, session: Any) -> None:
        self.session, self.region = session, str(session.region_name)
        self._clients: dict[str, Any] = {}

    @classmethod
    def named(cls, environment: Mapping[str, str]) -> Account:
        """The one that THINGBRIDGE_ACCOUNT names. Unusable: the credentials lead to another one, or to none."""
        wanted = environment.get(ACCOUNT, "").strip()
        if not re.fullmatch(r"\d{12}", wanted):
            raise Unusable(f'{ACCOUNT} must be the 12 digits of the AWS account to test on; got "{wanted}"')
        region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or None
        try:
            session = boto3.Session(region_name=region)
            if not session.region_name:
                raise Unusable("no AWS region is set: set AWS_REGION")
            actual = str(session.client("sts", config=CONFIG).get_caller_identity()["Account"])
        except (BotoCoreError, ClientError) as error:
            raise Unusable(f"AWS does not say whose credentials these are: {error}") from error
        if actual != wanted:
            raise Unusable(f"{ACCOUNT} is {wanted}, but the credentials lead to the account {actual}: nothing was done")
        return cls(session)

    def client(self, service: str) -> Any:
        """A boto3 client, with the credentials of the environment."""
        if service not in self._clients:
            self._clients[service] = self.session.client(service, config=CONFIG)
        return self._clients[service]

    @functools.cached_property
    def clients(self) -> Clients:
        """The same for the product's adapters."""
        return Clients(self.session, config=CONFIG)

    def mqtt(self, client_id: str) -> mqtt.MqttConnection:
        """A connection with the account's message broker."""
        host = str(self.client("iot").describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"])
        keys = self.session.get_credentials().get_frozen_credentials()
        credentials = mqtt.Credentials(keys.access_key, keys.secret_key, keys.token)
        endpoint = os.environ.get("AWS_ENDPOINT_URL") or None
        return mqtt.connect(endpoint, host, self.region, credentials, client_id)

    def account_wide(self) -> dict[str, Any]:
        """What stacks share and change for the whole account: registry events, and the fleet index."""
        iot = self.client("iot")
        events = iot.describe_event_configurations()["eventConfigurations"]
        index = iot.get_indexing_configuration().get("thingIndexingConfiguration", {})
        return {
            "registry events": sorted(name for name, each in events.items() if each.get("Enabled")),
            "fleet index": index.get("thingIndexingMode", "OFF"),
        }


@dataclass
class Run:
    """A run; a `Place` of tests.contract.whole. `started`: Unix seconds. `inputs`: of the module, without the key."""

    id: str
    account_id: str
    region: str
    started: float
    inputs: dict[str, Any]
    account: Account = field(repr=False)
    application: Application | None = field(default=None, repr=False)
    patience: float = 120.0

    @classmethod
    def begin(cls, account: Account, environment: Mapping[str, str], application: Application, authority: str) -> Run:
        """A new run, described on disk before anything is created. Unusable: THINGBRIDGE_INPUTS is not an object."""
        id_ = secrets.token_hex(4)
        given = _further_inputs(environment)
        inputs = {
            "cluster_address": application.subject.url,
            **({"cluster_ca_certificate": authority} if authority else {}),
            "application_id": application.id,
            "observability": {"silence_minutes": 60},
            **given,
            # By these, what is the run's own is found again.
            "stack_name": _stack_name(id_),
            "thing_type_name": f"{_stack_name(id_)}-lorawan",
            "tags": {**given.get("tags", {}), removal.TAG: id_},
        }
        run = cls(id_, environment[ACCOUNT].strip(), account.region, time.time(), inputs, account, application)
        run.directory.mkdir(parents=True)
        described = description_of(run)
        (run.directory / DESCRIPTION).write_text(json.dumps(described, indent=1))
        return run

    @property
    def stack_name(self) -> str:
        return _stack_name(self.id)

    @property
    def thing_type(self) -> str:
        return str(self.inputs["thing_type_name"])

    @property
    def directory(self) -> Path:
        return RUNS / self.id

    @property
    def clients(self) -> Clients:
        return self.account.clients

    def mqtt(self, client_id: str) -> mqtt.MqttConnection:
        return self.account.mqtt(client_id)

    def stack(self, **inputs: Any) -> Stack:
        """The stack, applied or not. To destroy it, any key does."""
        key = self.application.api_key if self.application else "of-an-earlier-run"
        given = {**self.inputs, "application_api_key": key, **inputs}
        return Stack(self.directory / "stack", given, environment={**os.environ, "AWS_REGION": self.region})

    def address(self) -> str:
        """Where The Things Stack sends what devices send."""
        return str(self.stack().output().get("webhook_url"))

    def integrations(self) -> dict[str, Any]:
        """What The Things Stack has of the stack: the application is the run's own, and has no others."""
        assert self.application
        listed = self.application.json("GET", f"/as/webhooks/{self.application.id}").get("webhooks", [])
        return {each["ids"]["webhook_id"]: each for each in listed}

    def end(self, say: Say, *, sure: bool = True) -> bool:
        """Destroy the stack, list what is left, and remove what is the run's own. Returns whether nothing is left.

        Without being `sure`, only the list is made.
        """
        if sure and (self.directory / "stack" / "terraform.tfstate").exists():
            try:
                self.stack().destroy()
            except (TerraformError, ProviderNotFound) as error:
                say(f"terraform destroy failed: {error}")
        left = self._found()
        for each in left:
            say(f"{'not removed' if each.why_not else 'to be removed'}: {each.what}"
                + (f" ({each.why_not})" if each.why_not else ""))  # fmt: skip
        if not sure:
            return not left
        failed = removal.remove(left)
        left = self._left()
        for line in (*(f"could not be removed: {each}" for each in failed), *(f"left: {each.what}" for each in left)):
            if left:
                say(line)
        if not left:
            shutil.rmtree(self.directory)
        return not left

    def _found(self) -> list[removal.Found]:
        return removal.found(self.account, self.stack_name, self.id, self.started)

    def _left(self) -> list[removal.Found]:
        """What is still there: AWS lists for a minute what was removed."""
        deadline = time.monotonic() + LISTED_FOR
        left = self._found()
        while any(not each.why_not for each in left) and time.monotonic() < deadline:
            time.sleep(5)
            left = self._found()
        return left


def of_account(account: Account, account_id: str) -> Iterator[Run]:
    """The runs that have not ended, of this account and region."""
    for description in sorted(RUNS.glob(f"*/{DESCRIPTION}")):
        found = json.loads(description.read_text())
        if (found["account_id"], found["region"]) == (account_id, account.region):
            yield Run(**found, account=account)


def description_of(run: Run) -> dict[str, Any]:
    """What is kept of a run on disk: no credentials."""
    return {name: getattr(run, name) for name in ("id", "account_id", "region", "started", "inputs")}


def _stack_name(id_: str) -> str:
    return f"e2e-{id_}"


def _further_inputs(environment: Mapping[str, str]) -> dict[str, Any]:
    text = environment.get(INPUTS, "").strip() or "{}"
    try:
        given = json.loads(text)
    except ValueError as error:
        raise Unusable(f"{INPUTS} must be a JSON object of the module's variables: {error}") from error
    if not isinstance(given, dict):
        raise Unusable(f'{INPUTS} must be a JSON object of the module\'s variables; got "{text}"')
    return given
