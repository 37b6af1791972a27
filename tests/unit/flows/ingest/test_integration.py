"""What is to be configured in The Things Stack, read from what Terraform wrote for `configure`."""

from tests import events
from thingbridge.flows.ingest.integration import IngestMode, Integration


def test_what_terraform_wrote_is_read() -> None:
    event = events.load("parameters/integration")
    integration = Integration.read(event)
    assert integration.mode is IngestMode.WEBHOOK
    assert integration.base_topic == "thethings/lorawan/farm"
    assert integration.settings == event["settings"]


def test_an_integration_moves_when_its_mode_or_its_f_port_changes_and_not_with_other_settings() -> None:
    event = events.load("parameters/integration")
    before = Integration.read(event)
    other_url = {**event["settings"], "url": "https://other.lambda-url.eu-west-1.on.aws/"}
    assert Integration.read({**event, "settings": other_url}).place == before.place
    assert Integration.read({**event, "mode": "manual"}).place != before.place
    assert Integration.read({**event, "settings": {**event["settings"], "f_port": 7}}).place != before.place
