"""AWS on this machine: ministack with IAM enforced, started and stopped; or an emulator that runs already.

Every boto3 client of the local environment and the tests comes from here, made by localstack-client. How ministack is
started is in local/emulator/; what is put into this AWS is decided elsewhere.
"""

from __future__ import annotations

import functools
import http.client
import json
import os
import platform
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import localstack_client.session
from botocore.config import Config

from local import mqtt
from local.bootstrap import EMULATOR, ROOT, RUNTIME, Environment
from local.processes import LOCALHOST, Running, StartFailed, free_port, start, wait_until_ready
from thingbridge.aws.clients import Clients
from thingbridge.aws.signing import Credentials, Signer

REGION = "eu-west-1"
# The account's root user in ministack and LocalStack; IAM is enforced for all others.
ROOT_KEY = "test"
ROOT_SECRET = "test"  # noqa: S105
ROOT_ACCOUNT = "000000000000"
CONFIG = Config(retries={"max_attempts": 4, "mode": "standard"}, connect_timeout=5, read_timeout=60)
# The variables that ministack, and with it every function it runs, inherits: none that could lead a function to a real
# account.
PASSED_ON = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")


def functions() -> dict[str, str]:
    """The root module's `functions` for an AWS on this machine, which runs them on this Python and this processor.

    They run in `.venv-runtime`, which has the boto3 of requirements-runtime.txt and nothing else, as a Lambda runtime
    does. A layer with machine code has to fit Python and processor; such layers are built for Linux only.
    """
    processor = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
    return {"architecture": processor, "runtime": f"python3.{sys.version_info.minor}"}


OWN_ENDPOINT = "THINGBRIDGE_LOCAL_ENDPOINT"
"""Variable that `thingbridge-local env` sets beside AWS_ENDPOINT_URL, to the same value."""


class LocalAws:
    """One emulated AWS account. `start()` it, or use a running one with `attach`.

    `directory` holds its state, temporary files and log (`aws.log`); two instances need two directories. It ends with
    the process that started it unless it `outlives` that.
    `emulator` is the virtual environment that it runs in, `runtime` that of the functions.
    `process` is None until it is started, and for an instance that was attached.
    What is billed is recorded in the file `records`, if one is given (local/metering.py reads it).
    """

    def __init__(
        self,
        directory: Path,
        *,
        region: str = REGION,
        emulator: Environment = EMULATOR,
        runtime: Environment = RUNTIME,
        outlives: bool = False,
        records: Path | None = None,
    ) -> None:
        self.directory = directory
        self.region, self.records = region, records
        self.emulator, self.runtime, self.outlives = emulator, runtime, outlives
        self.endpoint_url = ""
        self.mqtt_port: int | None = None
        self.process: Running | None = None
        self.access_key, self.secret_key = ROOT_KEY, ROOT_SECRET
        self._clients: dict[tuple[Any, ...], Any] = {}
        self._lock = threading.RLock()

    @classmethod
    def attach(
        cls, endpoint_url: str, directory: Path, *, region: str = REGION, process: Running | None = None
    ) -> LocalAws:
        """An AWS that answers at `endpoint_url` already; `stop` leaves it alone unless `process` is given."""
        aws = cls(directory, region=region)
        aws.endpoint_url = endpoint_url.rstrip("/")
        aws.process = process
        return aws

    @classmethod
    def from_environment(
        cls,
        directory: Path,
        environment: Mapping[str, str] = os.environ,
        *,
        outlives: bool = False,
        records: Path | None = None,
    ) -> LocalAws:
        """The one that AWS_ENDPOINT_URL or LOCALSTACK_HOST names, with its credentials; a new one if neither is set.

        An address that `thingbridge-local env` set is not the user's own: its environment is up, or has ended.
        """
        url = environment.get("AWS_ENDPOINT_URL", "").strip()
        if url == environment.get(OWN_ENDPOINT):
            url = ""
        if not url and (host := environment.get("LOCALSTACK_HOST", "").strip()):
            scheme = "https" if environment.get("USE_SSL") in ("1", "true") else "http"
            url = f"{scheme}://{host if ':' in host else f'{host}:4566'}"
        if not url:
            return cls(directory, outlives=outlives, records=records).start()
        region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or REGION
        aws = cls.attach(url, directory, region=region)
        aws.outlives = outlives
        aws.access_key = environment.get("AWS_ACCESS_KEY_ID") or ROOT_KEY
        aws.secret_key = environment.get("AWS_SECRET_ACCESS_KEY") or ROOT_SECRET
        return aws

    def start(self) -> LocalAws:
        """Start ministack and wait until it answers; raises StartFailed with the end of its log."""
        for attempt in (1, 2, 3):
            try:
                self._start(free_port(), free_port())
                break
            except StartFailed as failure:
                # Between being chosen and being bound, a free port may have been taken by another process.
                if attempt == 3 or "already in use" not in str(failure):
                    raise
        return self

    def stop(self) -> None:
        """Stop it and the functions' processes; harmless when it is stopped already, or was attached."""
        if self.process:
            # It would wait for open connections of its clients, and has nothing to save.
            self.process.stop(timeout=0)
            self.process = None

    def __enter__(self) -> LocalAws:
        return self if self.endpoint_url else self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def answers(self) -> bool:
        """Whether it can be used now."""
        address = urlsplit(self.endpoint_url)
        secure = address.scheme == "https"
        connection_class = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = connection_class(address.hostname or LOCALHOST, address.port, timeout=2)
        try:
            connection.request("GET", "/_ministack/ready" if self.process else "/_localstack/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    # How others reach it

    def settings(self) -> dict[str, str]:
        """The variables that make any AWS SDK, and Terraform, use it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            # SDKs retry an operation that the emulator lacks. Terraform's provider has a number of its own, 25.
            "AWS_MAX_ATTEMPTS": "5",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def environment(self, base: Mapping[str, str] = os.environ) -> dict[str, str]:
        """A complete environment for a child process: `base`, with the settings of this AWS instead of any other's."""
        kept = {name: value for name, value in base.items() if not name.startswith("AWS_")}
        for name in ("NO_PROXY", "no_proxy"):
            kept[name] = ",".join(part for part in (kept.get(name), "127.0.0.1", "localhost") if part)
        return kept | self.settings()

    def client(self, service: str, **options: Any) -> Any:
        """A boto3 client with root's key, or with those of boto3's options. Kept, because making one is slow."""
        key = (service, *sorted(options.items()))
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._client(service, **options)
            return self._clients[key]

    @functools.cached_property
    def clients(self) -> Clients:
        """The same clients for the product's adapters (`thingbridge.aws`)."""
        return Clients(self._session(), config=CONFIG)

    def create_things(self, things: Mapping[str, Mapping[str, str]]) -> None:
        """Create things with these attributes, by name, in one request: local/emulator/launcher.py accepts it."""
        host, body = urlsplit(self.endpoint_url).netloc, json.dumps(things).encode()
        signer = Signer(Credentials(self.access_key, self.secret_key, None), self.region, "iot")
        at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        headers = signer.signed("POST", "/things", "", {"host": host, "content-type": "application/json"}, body, at)
        connection = http.client.HTTPConnection(host, timeout=CONFIG.read_timeout)
        try:
            connection.request("POST", "/things", body, headers)
            answer = connection.getresponse()
            if answer.status != http.HTTPStatus.OK:
                raise RuntimeError(f"things were not created: {answer.status} {answer.read()[:200].decode()}")
        finally:
            connection.close()

    def iot_host(self) -> str:
        """The name of the account's MQTT endpoint; it need not resolve, since `mqtt` connects by address."""
        endpoint = self.client("iot").describe_endpoint(endpointType="iot:Data-ATS")
        return str(endpoint["endpointAddress"])

    def mqtt(self, client_id: str, credentials: mqtt.Credentials | None = None) -> mqtt.MqttConnection:
        """An MQTT connection over WebSocket, as root unless other credentials are given."""
        chosen = credentials or mqtt.Credentials(self.access_key, self.secret_key)
        return mqtt.connect(self.endpoint_url, self.iot_host(), self.region, chosen, client_id)

    @property
    def mqtt_url(self) -> str:
        """The address for MQTT over TLS with client certificates."""
        return f"mqtts://{LOCALHOST}:{self.mqtt_port}"

    def mqtt_of_device(self, credentials: Mapping[str, Any], client_id: str | None = None) -> mqtt.MqttConnection:
        """The connection of a device with what was handed out for it (`thingbridge.devices`), as its own client id.

        Raises MqttError if it is refused.
        """
        return mqtt.connect_with_certificate(
            LOCALHOST,
            self.mqtt_port or 0,
            client_id or credentials["clientId"],
            certificate=credentials["certificatePem"],
            private_key=credentials["privateKey"],
            authority=credentials["caCertificate"],
        )

    def mqtt_authority(self) -> str:
        """The certificate (PEM) of the authority that signed the one of `mqtt_url`; ministack makes both."""
        connection = http.client.HTTPConnection(urlsplit(self.endpoint_url).netloc, timeout=30)
        try:
            connection.request("GET", "/_ministack/iot/ca.pem")
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    # Inside

    def _client(self, service: str, **options: Any) -> Any:
        names = ("aws_access_key_id", "aws_secret_access_key", "region_name")
        session = self._session(**{name: options.pop(name) for name in names if name in options})
        return session.client(service, config=options.pop("config", CONFIG), **options)

    def _session(self, **options: Any) -> Any:
        address = urlsplit(self.endpoint_url)
        mine = {
            "aws_access_key_id": self.access_key,
            "aws_secret_access_key": self.secret_key,
            "region_name": self.region,
            "localstack_host": f"{address.hostname}:{address.port or 4566}",
        }
        session = localstack_client.session.Session(**{**mine, **options})
        # It would prefer AWS_ENDPOINT_URL of this process, which may lead to another AWS, and know no https otherwise.
        session._service_endpoint_mapping = dict.fromkeys(session._service_endpoint_mapping, self.endpoint_url)
        return session

    def _start(self, gateway_port: int, mqtt_port: int) -> None:
        for needed in (self.emulator, self.runtime):
            if not needed.python.exists():
                raise StartFailed(f"{needed.directory} does not exist: run `make setup`")
        temporary = self.directory / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        self.endpoint_url, self.mqtt_port = f"http://{LOCALHOST}:{gateway_port}", mqtt_port
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ} | {
            "AUTH": "true",
            "BIND_HOST": LOCALHOST,
            "GATEWAY_PORT": str(gateway_port),
            "IOT_MTLS_PORT": str(mqtt_port),
            "SFTP_ENABLED": "0",
            "MINISTACK_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "PERSIST_STATE": "0",
            "STATE_DIR": str(self.directory / "state"),
            "S3_DATA_DIR": str(self.directory / "s3"),
            "TMPDIR": str(temporary),
            "HOME": str(self.directory),
            "AWS_EC2_METADATA_DISABLED": "true",
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
        }
        if self.records:
            environment["THINGBRIDGE_LOCAL_RECORDS"] = str(self.records)
        self.process = start(
            "The local AWS (ministack)",
            [str(self.emulator.python), "-m", "local.emulator.launcher", str(self.runtime.python)],
            environment=environment,
            log=self.directory / "aws.log",
            cwd=temporary,
            ends_with_caller=not self.outlives,
        )
        wait_until_ready(self.process, lambda: self.answers)
