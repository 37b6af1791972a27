"""Mode `webhook`: what The Things Stack posts, where, and with which secret."""

from collections.abc import Callable

from local.things_stack import ThingsStack as Simulation
from thingbridge.flows.ingest import webhook
from thingbridge.flows.ingest.account import Account
from thingbridge.flows.ingest.integration import IngestMode, Integration
from thingbridge.messaging.topics import UPSTREAM_EVENTS
from thingbridge.things_stack.client import ThingsStack


def test_every_kind_has_a_path_the_secret_is_in_a_header_and_no_downlink_key_is_sent(
    simulation: Simulation,
    open_client: Callable[..., ThingsStack],
    account: Account,
    integration: Callable[..., Integration],
) -> None:
    client, wanted = open_client(), integration(IngestMode.WEBHOOK)
    webhook.configure(client, wanted, None, account)
    client.webhooks.set(wanted.id, {"downlink_api_key": "NNSXS.SET.BEFORE"}, ["downlink_api_key"])
    webhook.configure(client, wanted, wanted, account)
    (configured,) = simulation.servers.application.webhooks.values()
    assert configured["base_url"] == "https://abc.lambda-url.eu-west-1.on.aws"
    assert configured["headers"] == {"X-Thingbridge-Secret": "text of arn:secret"}
    assert {kind: configured[kind]["path"] for kind in UPSTREAM_EVENTS} == {
        kind: f"/{event}" for kind, event in UPSTREAM_EVENTS.items()
    }
    assert "downlink_api_key" not in configured
    webhook.remove(client, wanted)
