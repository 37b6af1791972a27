"""The only place that wires: builds each function's flow from its settings, once per execution environment.

A flow that calls The Things Stack is bound to an invocation, whose time it must not exceed: its builder returns a
function of Lambda's context. What is remembered between invocations (clients, secrets, things, sessions) is built once.

Imports are local to the builders: a function imports only what it runs, which keeps its cold start short.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from handlers.context import LambdaContext
from thingbridge.aws.clients import Clients
from thingbridge.aws.direct import Direct

if TYPE_CHECKING:
    from handlers.batches import Retries
    from handlers.settings import ThingsStackSettings, UpstreamSettings
    from thingbridge.aws.secret_versions import SecretVersion
    from thingbridge.aws.secrets import Secrets
    from thingbridge.aws.things_log import ThingsLog
    from thingbridge.flows.configure import Configure
    from thingbridge.flows.devices.old_certificates import OldCertificates
    from thingbridge.flows.devices.provisioning import Provisioning
    from thingbridge.flows.devices.registration import Registration
    from thingbridge.flows.directory import Directory
    from thingbridge.flows.downlink_order import DownlinkArrivals, DownlinkOrder
    from thingbridge.flows.end_to_end_encryption.decryption import Decryption
    from thingbridge.flows.end_to_end_encryption.downlinks import EncryptedDownlinkQueue
    from thingbridge.flows.end_to_end_encryption.session_keys import SessionKeys
    from thingbridge.flows.ingest.account import Tokens
    from thingbridge.flows.ingest.authorizer import Authorizer
    from thingbridge.flows.ingest.receiver import Receiver
    from thingbridge.flows.paced_shadow import PacedShadowWriter
    from thingbridge.flows.registry.setbacks import Sparing
    from thingbridge.flows.requeue import Requeue
    from thingbridge.flows.shadow import RecordedShadows
    from thingbridge.flows.shared_directory import SharedDirectory
    from thingbridge.flows.sync import Sync
    from thingbridge.flows.telemetry import Telemetry
    from thingbridge.flows.upstream import Upstream, Waiting
    from thingbridge.flows.waiting import WaitingMessages
    from thingbridge.pacing import TokenBucket
    from thingbridge.shadow.state import ShadowSettings
    from thingbridge.things_stack.client import ThingsStack

Environment = Mapping[str, str]

CLIENTS: Final = Clients(direct=Direct.read(os.environ))
"""The clients of this execution environment."""


ATTEMPTS_IN_REGISTRY: Final = 2
"""How often a call of the thing registry is made for a message that can wait, at most."""


def retries(environment: Environment, clients: Clients = CLIENTS, *, longest_pause: int | None = None) -> Retries:
    """When failed messages are delivered again, for every function that works on a queue."""
    from handlers.batches import PAUSES, Retries
    from handlers.settings import WorkQueueSettings
    from thingbridge.aws.queues import Redelivery

    settings = WorkQueueSettings.read(environment)
    return Retries(Redelivery(clients), settings.maximum_receive_count, longest_pause or PAUSES[-1])


def upstream(environment: Environment, clients: Clients = CLIENTS) -> Upstream:
    """The flow of the function `upstream`."""
    from handlers.settings import UpstreamSettings

    settings = UpstreamSettings.read(environment)
    waiting: Waiting | None = None
    if settings.waiting_table and settings.waiting_queue_url:
        from thingbridge.aws.queues import Queue
        from thingbridge.aws.waiting_devices import WaitingDevices
        from thingbridge.flows.waiting import WaitingQueue

        waiting = WaitingQueue(
            WaitingDevices(clients, settings.waiting_table), Queue(clients, settings.waiting_queue_url)
        )
        # A message that can wait in a queue need not do so in an invocation, of which an account has a thousand.
        clients.try_at_most("iot", ATTEMPTS_IN_REGISTRY)
    return _upstream(settings, clients, waiting=waiting)


def waiting(environment: Environment, clients: Clients = CLIENTS) -> WaitingMessages:
    """The flow of the function `waiting`."""
    from handlers.settings import WaitingSettings
    from thingbridge.aws.queues import Queue
    from thingbridge.aws.waiting_devices import WaitingDevices
    from thingbridge.flows.waiting import WaitingMessages
    from thingbridge.pacing import TokenBucket

    settings = WaitingSettings.read(environment)
    clients.try_at_most("iot", ATTEMPTS_IN_REGISTRY)
    paces = {
        "CreateThing": TokenBucket(rate=settings.create_thing_rate),
        "ListThings": TokenBucket(rate=settings.list_things_rate),
    }
    return WaitingMessages(
        _upstream(settings, clients, paces=paces),
        WaitingDevices(clients, settings.waiting_table),
        Queue(clients, settings.waiting_dead_letters_url),
    )


def shadow(environment: Environment, clients: Clients = CLIENTS) -> PacedShadowWriter:
    """The flow of the function `shadow`."""
    from handlers.settings import ShadowWriterSettings
    from thingbridge.aws.things_log import ThingsLog
    from thingbridge.pacing import TokenBucket

    settings = ShadowWriterSettings.read(environment)
    pace = TokenBucket(rate=settings.shadow_writes_rate)
    shadows = _recorded_shadows(clients, ThingsLog(clients, settings.things_log_group), pace)
    return _paced_shadow_writer(
        clients, shadows, settings.shadow_states_table, settings.shadow_queue_url, settings.shadow
    )


def webhook(environment: Environment, clients: Clients = CLIENTS) -> Receiver:
    """The flow of the function `webhook`."""
    from handlers.settings import WebhookSettings
    from thingbridge.aws.broker import Broker
    from thingbridge.aws.secrets import Secrets
    from thingbridge.flows.ingest.receiver import Receiver

    settings = WebhookSettings.read(environment)
    return Receiver(
        stack_name=settings.stack_name,
        secret_arn=settings.webhook_secret_arn,
        secrets=Secrets(clients),
        broker=Broker(clients),
        basic_ingest_rule=settings.basic_ingest_rule,
    )


def authorizer(environment: Environment) -> Authorizer:
    """The flow of the function `authorizer`."""
    from handlers.settings import AuthorizerSettings
    from thingbridge.flows.ingest.authorizer import Authorizer

    return Authorizer(AuthorizerSettings.read(environment).authorizer_policy)


def downlink_arrivals(environment: Environment, clients: Clients = CLIENTS) -> DownlinkArrivals:
    """The flow of the function `downlink` for what has arrived."""
    from handlers.settings import DownlinkSettings
    from thingbridge.aws.queues import Queue
    from thingbridge.aws.things_log import ThingsLog
    from thingbridge.aws.waiting_downlinks import WaitingDownlinks
    from thingbridge.flows.downlink_order import DownlinkArrivals

    settings = DownlinkSettings.read(environment)
    return DownlinkArrivals(
        WaitingDownlinks(clients, settings.downlinks_table),
        Queue(clients, settings.sending_queue_url),
        ThingsLog(clients, settings.things_log_group),
    )


def downlink(environment: Environment, clients: Clients = CLIENTS) -> Callable[[LambdaContext], DownlinkOrder]:
    """The flow of the function `downlink` for what is due."""
    from handlers.settings import DownlinkSettings
    from thingbridge.aws.broker import Broker
    from thingbridge.aws.secrets import Secrets
    from thingbridge.aws.shadows import Shadows
    from thingbridge.aws.stacks import Stacks
    from thingbridge.aws.things import Things
    from thingbridge.aws.things_log import ThingsLog
    from thingbridge.aws.waiting_downlinks import WaitingDownlinks
    from thingbridge.flows.desired_state import DesiredStates
    from thingbridge.flows.downlink import PATIENCE, DownlinkQueue, DownlinkRequests, PacedQueue, Rejections
    from thingbridge.flows.downlink_formatters import DownlinkFormatters
    from thingbridge.flows.downlink_order import DownlinkOrder
    from thingbridge.flows.shadow import RecordedShadows
    from thingbridge.flows.unowned_requests import ELECTION_SHADOW, UnownedRequests
    from thingbridge.pacing import Pace
    from thingbridge.shadow.delta import thing_of
    from thingbridge.shadow.state import SHADOW_NAME

    settings = DownlinkSettings.read(environment)
    secrets, things, shadows = Secrets(clients), Things(clients), Shadows(clients, SHADOW_NAME)
    log = ThingsLog(clients, settings.things_log_group)
    rejections = Rejections(settings.stack_name, Broker(clients), log)
    unowned = UnownedRequests(settings.stack_name, Stacks(clients), Shadows(clients, ELECTION_SHADOW))
    keys = _session_keys(clients, secrets, settings.sessions_table, settings.key_encryption_key_secret_arn)
    formatters, policy = DownlinkFormatters(), settings.downlink
    pace = Pace(rate=policy.rate_per_minute, callers=policy.concurrency)

    def order(context: LambdaContext) -> DownlinkOrder:
        things_stack = _connect(settings, secrets, context, settings.ca_certificate, patience=PATIENCE)
        unpaced = _encrypted_queue(things_stack, keys, PATIENCE) if keys else DownlinkQueue(things_stack, formatters)
        queue = PacedQueue(unpaced, things_stack, pace)

        def flow(event: Mapping[str, Any]) -> DownlinkRequests | DesiredStates:
            if settings.delta_f_port and thing_of(event.get("topic")):
                return DesiredStates(
                    stack_name=settings.stack_name,
                    f_port=settings.delta_f_port,
                    things=things,
                    shadows=shadows,
                    recorded_shadows=RecordedShadows(shadows, log),
                    queue=queue,
                    rejections=rejections,
                )
            return DownlinkRequests(settings.stack_name, things, queue, unowned, rejections, policy.maximum_age_seconds)

        return DownlinkOrder(
            WaitingDownlinks(clients, settings.downlinks_table),
            flow,
            policy.hold_seconds,
            _remaining_seconds(context),
        )

    return order


def requeue(environment: Environment, clients: Clients = CLIENTS) -> Callable[[LambdaContext], Requeue]:
    """The flow of the function `requeue`."""
    from handlers.settings import RequeueSettings
    from thingbridge.aws.secrets import Secrets
    from thingbridge.aws.sessions import SessionTable
    from thingbridge.aws.things import Things
    from thingbridge.aws.things_log import ThingsLog
    from thingbridge.flows.end_to_end_encryption.downlinks import EncryptedDownlinkQueue
    from thingbridge.flows.end_to_end_encryption.session_keys import SessionKeys
    from thingbridge.flows.requeue import PATIENCE, Requeue
    from thingbridge.flows.thing_directory import ThingDirectory

    settings = RequeueSettings.read(environment)
    secrets = Secrets(clients)
    table = SessionTable(clients, settings.sessions_table)
    keys = SessionKeys(table, secrets, settings.key_encryption_key_secret_arn)
    log = ThingsLog(clients, settings.things_log_group)
    directory = ThingDirectory(Things(clients), settings.stack, log)
    return lambda context: Requeue(
        stack_name=settings.stack_name,
        keys=keys,
        queue=EncryptedDownlinkQueue(
            _connect(settings, secrets, context, settings.ca_certificate), keys, patience=PATIENCE
        ),
        directory=directory,
        log=log,
    )


def directory(environment: Environment, clients: Clients = CLIENTS) -> Directory:
    """The flow of the function `directory`."""
    from handlers.settings import DirectorySettings
    from thingbridge.aws.directory_table import DirectoryTable
    from thingbridge.aws.things import Things
    from thingbridge.aws.things_log import ThingsLog
    from thingbridge.flows.directory import Directory

    settings = DirectorySettings.read(environment)
    log = ThingsLog(clients, settings.things_log_group)
    return Directory(settings.stack, Things(clients), DirectoryTable(clients, settings.directory_table), log)


def registry(environment: Environment, clients: Clients = CLIENTS) -> Callable[[LambdaContext], Sparing]:
    """The flow of the function `registry`."""
    from handlers.settings import RegistrySettings
    from thingbridge.aws.directory_table import DirectoryTable
    from thingbridge.aws.queues import Queue
    from thingbridge.aws.secrets import Secrets
    from thingbridge.aws.shadows import Shadows
    from thingbridge.aws.things import Things
    from thingbridge.aws.things_log import ThingsLog
    from thingbridge.flows.registry.deletions import Deletions
    from thingbridge.flows.registry.devices import DevicesWithoutThing
    from thingbridge.flows.registry.scrubbing import Scrubbing
    from thingbridge.flows.registry.setbacks import PATIENCE, Setbacks, Sparing
    from thingbridge.flows.registry.standing import LOOK_UPS_AT_ONCE, StandingThings
    from thingbridge.flows.registry.things import Registry, RegistryRules
    from thingbridge.flows.shared_directory import SharedDirectory
    from thingbridge.flows.thing_directory import ThingDirectory
    from thingbridge.pacing import TokenBucket
    from thingbridge.registry.marks import Owner
    from thingbridge.shadow.state import SHADOW_NAME

    settings = RegistrySettings.read(environment)
    secrets, things = Secrets(clients), Things(clients)
    log = ThingsLog(clients, settings.things_log_group)
    pace, setbacks = TokenBucket(rate=settings.look_ups_rate, burst=LOOK_UPS_AT_ONCE), Setbacks()
    standing = StandingThings(settings.stack, things, pace)
    shared = SharedDirectory(DirectoryTable(clients, settings.directory_table))
    directory = ThingDirectory(things, settings.stack, log, shared)
    scrubbing = Scrubbing(things, Queue(clients, settings.registry_queue_url)) if settings.scrub_keys else None

    def flow(context: LambdaContext) -> Sparing:
        things_stack = _connect(settings, secrets, context, settings.ca_certificate, patience=PATIENCE)
        owner = Owner.of_function(context.invoked_function_arn, settings.stack_name)
        registry = Registry(
            rules=RegistryRules(owner, settings.default_frequency_plan_id, settings.on_thing_deleted),
            things=things,
            shadows=Shadows(clients, SHADOW_NAME),
            things_stack=things_stack,
            devices_without_thing=DevicesWithoutThing(
                owner, settings.stack, settings.on_thing_deleted, things, things_stack, standing, directory, log
            ),
            deletions=Deletions(owner, standing, things_stack, log),
            log=log,
            scrubbing=scrubbing,
        )
        return Sparing(registry, setbacks)

    return flow


def sync(environment: Environment, clients: Clients = CLIENTS) -> Callable[[LambdaContext], Sync]:
    """The flow of the function `sync`."""
    from handlers.settings import SyncSettings
    from thingbridge.aws.directory_table import DirectoryTable
    from thingbridge.aws.queues import Queue
    from thingbridge.aws.secrets import Secrets
    from thingbridge.aws.things import Things
    from thingbridge.aws.things_log import ThingsLog
    from thingbridge.flows.checkup import Checkup
    from thingbridge.flows.directory import Directory
    from thingbridge.flows.directory_upkeep import Survey, Upkeep
    from thingbridge.flows.sync import PATIENCE, PATIENCE_OF_CHECKUP, Registries, Sync, thing_pages_per_second
    from thingbridge.pacing import TokenBucket
    from thingbridge.registry.marks import Owner
    from thingbridge.registry.sync import KeptIndex

    settings = SyncSettings.read(environment)
    secrets, things, table = Secrets(clients), Things(clients), DirectoryTable(clients, settings.directory_table)
    kept = KeptIndex()
    directory = Directory(settings.stack, things, table, ThingsLog(clients, settings.things_log_group))
    registry_queue, own_queue = Queue(clients, settings.registry_queue_url), Queue(clients, settings.sync_queue_url)

    def pace() -> TokenBucket:
        return TokenBucket(rate=thing_pages_per_second(registry_queue.waiting(), settings.list_things_rate))

    survey = Survey(things, table, directory, pace)
    return lambda context: Sync(
        owner=Owner.of_function(context.invoked_function_arn, settings.stack_name),
        mode=settings.sync_mode,
        on_thing_deleted=settings.on_thing_deleted,
        registries=lambda: Registries(
            settings.stack_name,
            things,
            _connect(settings, secrets, context, settings.ca_certificate, patience=PATIENCE),
            registry_queue,
            Upkeep(table, directory),
            list_things_per_second=settings.list_things_rate,
            last_seen=settings.silent_after_seconds is not None,
        ),
        queue=own_queue,
        remaining_seconds=_remaining_seconds(context),
        kept=kept,
        survey=survey,
        silent_after=settings.silent_after_seconds,
        checkup=Checkup(
            settings.stack_name,
            lambda: _connect(settings, secrets, context, settings.ca_certificate, patience=PATIENCE_OF_CHECKUP),
            settings.ca_certificate,
            settings.releases_url,
        ),
    )


def devices(environment: Environment, clients: Clients = CLIENTS) -> Registration:
    """The flow of the function `devices`."""
    from handlers.settings import DevicesSettings
    from thingbridge import diagnostics
    from thingbridge.devices.fleet import Fleet
    from thingbridge.flows.devices.registration import Registration
    from thingbridge.flows.devices.registry import DeviceRegistry

    settings = DevicesSettings.read(environment)
    fleet = Fleet.read(settings.stack_name, settings.devices)
    return Registration(DeviceRegistry.of(fleet, clients, settings.telemetry_states_table, log=diagnostics.emit))


def provision(environment: Environment, clients: Clients = CLIENTS) -> Provisioning:
    """The flow of the function `provision`."""
    from handlers.settings import ProvisionSettings
    from thingbridge.aws.allowed_devices import AllowedDevices
    from thingbridge.aws.device_shadows import DeviceShadows
    from thingbridge.aws.things import Things
    from thingbridge.aws.things_log import ThingsLog
    from thingbridge.devices.admission import Admission
    from thingbridge.devices.fleet import Fleet
    from thingbridge.flows.devices.provisioning import Provisioning

    settings = ProvisionSettings.read(environment)
    return Provisioning(
        Admission(Fleet.read(settings.stack_name, settings.devices), settings.name_pattern),
        AllowedDevices(clients, settings.allowed_devices_table),
        Things(clients),
        DeviceShadows(clients),
        ThingsLog(clients, settings.things_log_group),
    )


def rotations(environment: Environment, clients: Clients = CLIENTS) -> Callable[[LambdaContext], OldCertificates]:
    """The flow of the function `rotations`."""
    from handlers.settings import RotationsSettings
    from thingbridge import diagnostics
    from thingbridge.aws.rotations import Rotations
    from thingbridge.aws.things_log import ThingsLog
    from thingbridge.devices.fleet import Fleet
    from thingbridge.flows.devices.old_certificates import OldCertificates
    from thingbridge.flows.devices.registry import DeviceRegistry

    settings = RotationsSettings.read(environment)
    fleet = Fleet.read(settings.stack_name, settings.devices)
    devices = DeviceRegistry.of(fleet, clients, log=diagnostics.emit)
    table, log = Rotations(clients, settings.rotations_table), ThingsLog(clients, settings.things_log_group)
    return lambda context: OldCertificates(
        devices, table, log, settings.end_after_hours * 3600, _remaining_seconds(context)
    )


def telemetry(environment: Environment, clients: Clients = CLIENTS) -> Telemetry:
    """The flow of the function `telemetry`."""
    from handlers.settings import TelemetrySettings
    from thingbridge.aws.broker import Broker
    from thingbridge.aws.notifications import Notifications
    from thingbridge.aws.shadow_states import ShadowStates
    from thingbridge.aws.shadows import Shadows
    from thingbridge.aws.things_log import ThingsLog
    from thingbridge.flows.telemetry import RememberedSettings, Telemetry

    settings = TelemetrySettings.read(environment)
    shadows = Shadows(clients, None)
    topic = settings.alert_topic_arn
    return Telemetry(
        stack_name=settings.stack_name,
        types=settings.telemetry_types,
        settings=RememberedSettings(shadows, settings.settings_seconds),
        states=ShadowStates(clients, settings.telemetry_states_table, subject="alert"),
        shadows=shadows,
        broker=Broker(clients),
        notifications=Notifications(clients, topic) if topic else None,
        log=ThingsLog(clients, settings.things_log_group),
    )


def configure(environment: Environment, clients: Clients = CLIENTS) -> Callable[[LambdaContext], Configure]:
    """The flow of the function `configure`."""
    from handlers.settings import ConfigureSettings
    from thingbridge.aws.account import Account as AwsAccount
    from thingbridge.aws.authorizers import Authorizers
    from thingbridge.aws.certificates import ClientCertificates
    from thingbridge.aws.parameters import Parameters
    from thingbridge.aws.queues import Queue
    from thingbridge.aws.secret_versions import SecretVersion, current_version
    from thingbridge.aws.secrets import Secrets
    from thingbridge.flows.check import Check
    from thingbridge.flows.configuration import Application
    from thingbridge.flows.configure import Configure
    from thingbridge.flows.convergence import Convergence, Part
    from thingbridge.flows.diagnosis import Diagnosis
    from thingbridge.flows.drain import Drain
    from thingbridge.flows.end_to_end_encryption.part import EncryptionPart
    from thingbridge.flows.ingest.account import Account
    from thingbridge.flows.ingest.part import IntegrationPart

    settings = ConfigureSettings.read(environment)
    secrets, parameters = Secrets(clients), Parameters(clients)

    def secret(arn: str) -> str:
        return secrets.read(arn, refresh=True)

    def key_version(arn: str) -> str:
        return current_version(clients, arn)

    account = Account(secret, ClientCertificates(clients), Authorizers(clients), _tokens)
    parts: dict[str, Part] = {
        "integration": IntegrationPart(account),
        "end_to_end_encryption": EncryptionPart(secret),
    }

    def flow(context: LambdaContext) -> Configure:
        def connect(application: Application, version: str, patience: float) -> ThingsStack:
            key = SecretVersion(clients, version)
            return _connect(application, key, context, settings.ca_certificate, patience=patience)

        return Configure(
            AwsAccount(clients),
            Check(settings.parameter_path, parameters, connect, key_version),
            Diagnosis(settings.parameter_path, parameters, connect, key_version, account, settings.ca_certificate),
            Drain(f"{settings.parameter_path}/record/integration", parameters, lambda url: Queue(clients, url)),
            {
                name: Convergence(part, settings.parameter_path, name, parameters, connect, key_version)
                for name, part in parts.items()
            },
        )

    return flow


def _remaining_seconds(context: LambdaContext) -> Callable[[], float]:
    return lambda: context.get_remaining_time_in_millis() / 1000


class _Address(Protocol):
    """Where The Things Stack is reached, and the secret of the API key."""

    @property
    def application_id(self) -> str: ...
    @property
    def cluster_address(self) -> str: ...
    @property
    def identity_server_address(self) -> str: ...
    @property
    def api_key_secret_arn(self) -> str: ...


def _connect(
    address: _Address | ThingsStackSettings,
    secrets: Secrets | SecretVersion,
    context: LambdaContext,
    ca_certificate: str | None,
    *,
    patience: float = math.inf,
) -> ThingsStack:
    """A client that gives up before the invocation ends, and on one call after `patience` seconds."""
    from thingbridge.things_stack.client import ThingsStack
    from thingbridge.things_stack.transport import Transport

    transport = Transport(
        cluster_address=address.cluster_address,
        identity_server_address=address.identity_server_address,
        api_key=lambda refresh: secrets.read(address.api_key_secret_arn, refresh=refresh),
        remaining_seconds=_remaining_seconds(context),
        patience=patience,
        ca_certificate=ca_certificate,
    )
    return ThingsStack(address.application_id, transport)


def _shared_directory(clients: Clients, settings: UpstreamSettings) -> SharedDirectory:
    from thingbridge.aws.directory_table import DirectoryTable
    from thingbridge.aws.queues import Queue
    from thingbridge.flows.shared_directory import SharedDirectory

    queues = settings.directory_queue_url, settings.directory_dead_letters_url
    events = tuple(Queue(clients, url) for url in queues if url)
    return SharedDirectory(DirectoryTable(clients, settings.directory_table), events)


def _upstream(
    settings: UpstreamSettings,
    clients: Clients,
    *,
    waiting: Waiting | None = None,
    paces: Mapping[str, TokenBucket] | None = None,
) -> Upstream:
    """The flow of a message. `paces`: of its calls of the thing registry."""
    from thingbridge.aws.broker import Broker
    from thingbridge.aws.things import Things
    from thingbridge.aws.things_log import ThingsLog
    from thingbridge.flows.codecs import PackagedCodecs
    from thingbridge.flows.shadow import ImmediateShadowWriter
    from thingbridge.flows.thing_directory import ThingDirectory
    from thingbridge.flows.upstream import Upstream

    log = ThingsLog(clients, settings.things_log_group)
    shadows = _recorded_shadows(clients, log)
    keys = _session_keys(clients, None, settings.sessions_table, settings.key_encryption_key_secret_arn)
    return Upstream(
        stack_name=settings.stack_name,
        shadow_settings=settings.shadow,
        directory=ThingDirectory(Things(clients, paces), settings.stack, log, _shared_directory(clients, settings)),
        broker=Broker(clients),
        shadow_writer=(
            _paced_shadow_writer(
                clients, shadows, settings.shadow_states_table, settings.shadow_queue_url, settings.shadow
            )
            if settings.shadow_states_table and settings.shadow_queue_url
            else ImmediateShadowWriter(shadows)
        ),
        decoder=PackagedCodecs(),
        decryption=_decryption(keys, log) if keys else None,
        log=log,
        waiting=waiting,
    )


def _recorded_shadows(clients: Clients, log: ThingsLog, pace: TokenBucket | None = None) -> RecordedShadows:
    from thingbridge.aws.shadows import Shadows
    from thingbridge.flows.shadow import RecordedShadows
    from thingbridge.shadow.state import SHADOW_NAME

    return RecordedShadows(Shadows(clients, SHADOW_NAME, pace), log)


def _paced_shadow_writer(
    clients: Clients, shadows: RecordedShadows, table: str, queue_url: str, settings: ShadowSettings
) -> PacedShadowWriter:
    from thingbridge.aws.queues import Queue
    from thingbridge.aws.shadow_states import ShadowStates
    from thingbridge.flows.paced_shadow import PacedShadowWriter

    return PacedShadowWriter(shadows, ShadowStates(clients, table), Queue(clients, queue_url), settings)


# The rest only under end-to-end encryption, or where tokens are signed: `cryptography` comes in a separate layer and
# lengthens a cold start.


def _tokens() -> Tokens:
    from thingbridge.encryption import tokens

    return tokens


def _session_keys(
    clients: Clients, secrets: Secrets | None, table: str | None, key_encryption_key_secret_arn: str | None
) -> SessionKeys | None:
    """None without end-to-end encryption. `secrets` None: the function reads no other secret."""
    if not table or not key_encryption_key_secret_arn:
        return None
    from thingbridge.aws.secrets import Secrets
    from thingbridge.aws.sessions import SessionTable
    from thingbridge.flows.end_to_end_encryption.session_keys import SessionKeys

    return SessionKeys(SessionTable(clients, table), secrets or Secrets(clients), key_encryption_key_secret_arn)


def _decryption(keys: SessionKeys, log: ThingsLog) -> Decryption:
    from thingbridge.flows.end_to_end_encryption.decryption import Decryption

    return Decryption(keys, log)


def _encrypted_queue(things_stack: ThingsStack, keys: SessionKeys, patience: float) -> EncryptedDownlinkQueue:
    from thingbridge.flows.end_to_end_encryption.downlinks import EncryptedDownlinkQueue

    return EncryptedDownlinkQueue(things_stack, keys, patience)
