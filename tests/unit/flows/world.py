"""Both sides of a stack that is applied: a simulated The Things Stack, an AWS account in process, and its inputs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from local.things_stack import ThingsStack as Simulation
from tests.unit.flows.applies import Applies
from thingbridge.aws.clients import Clients

APPLICATIONS = ("farm-app", "barn-app")
ROLE = "arn:aws:iam::111122223333:role/Farm-things-stack-eu-west-1"


@dataclass
class World:
    """Both sides of a stack `Farm`, and its applies."""

    clients: Clients
    simulation: Simulation
    keys: dict[str, str]
    secret_arn: str
    webhook_secret_arn: str
    label: str
    versions: Iterator[int]

    def applies(self, mode: str) -> Applies:
        return Applies(self.clients, "end_to_end_encryption" if mode == "end_to_end_encryption" else "integration")

    def wanted(self, mode: str, **changes: Any) -> dict[str, Any]:
        """Right inputs of a mode, with `changes` to those of the application or to the settings of the mode."""
        application = {
            "application_id": "farm-app",
            "cluster_address": self.simulation.url,
            "identity_server_address": self.simulation.url,
            "api_key_secret_arn": self.secret_arn,
            "api_key_version": 1,
        }
        if mode == "end_to_end_encryption":
            settings = {"key_encryption_key_secret_arn": self.label, "key_encryption_key_version": 1}
            return {**application, **settings, **changes}
        settings = {**self._settings(mode)}
        settings |= {name: changes.pop(name) for name in list(changes) if name in settings}
        stack = {"stack_name": "Farm", "account_id": "111122223333", "region": "eu-west-1"}
        return {**application, **stack, "mode": mode, "settings": settings, **changes}

    def _settings(self, mode: str) -> dict[str, Any]:
        role = {"role_arn": ROLE, "external_id": "b5b5a2a0"}
        fields = {"region": "region", "stack_name": "stack_name", "role_arn": "role_arn", "external_id": "external_id"}
        return {
            "manual": {},
            "mqtt": {
                "server_url": "mqtts://127.0.0.1:1",
                "ca_certificate": 3 * "PEM of an authority\n",
                "certificate_version": 1,
                "client_id": "tts-0123456789abcdef",
                "policy_name": "Farm-things-stack",
            },
            "package": {**role, "f_port": 198, "data_fields": fields},
            "pubsub": role,
            "webhook": {
                "url": "https://abc.lambda-url.eu-west-1.on.aws/",
                "secret_arn": self.webhook_secret_arn,
                "secret_version": 1,
            },
        }[mode]

    def key(self, text: str) -> dict[str, Any]:
        """Write another API key; returns the inputs that name it."""
        self.clients("secretsmanager").put_secret_value(SecretId=self.secret_arn, SecretString=text)
        return {"api_key_version": next(self.versions)}

    @property
    def configured(self) -> dict[str, Any]:
        """All that The Things Stack is configured with, without the certificate."""
        server, configured = self.simulation.servers.application, dict[str, Any]()
        for kind, records in (("p", server.pubsubs), ("w", server.webhooks), ("a", server.associations)):
            for at, record in records.items():
                kept = {name: value for name, value in record.items() if name not in ("created_at", "updated_at")}
                if "mqtt" in kept:
                    own = ("tls_client_cert", "tls_client_key")
                    kept["mqtt"] = {name: value for name, value in kept["mqtt"].items() if name not in own}
                configured[f"{kind} {at}"] = kept
        for application, settings in self.simulation.servers.join.settings.items():
            configured |= {f"label {application}": settings["kek_label"]} if settings.get("kek_label") else {}
        for application, link in server.links.items():
            configured |= {f"skips {application}": True} if link.get("skip_payload_crypto") else {}
        return configured

    @property
    def certificates(self) -> list[str]:
        """Those that can connect. moto keeps an inactive one when another of its policy was deleted before."""
        certificates = self.clients("iot").list_certificates()["certificates"]
        return [each["certificateId"] for each in certificates if each["status"] == "ACTIVE"]
