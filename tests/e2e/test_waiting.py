"""Messages of a new device while AWS throttles the creation of things: they wait, and come in order."""

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from wsgiref.types import StartResponse, WSGIEnvironment

import requests
from werkzeug.wrappers import Request, Response

from local.things_stack.api.listener import Listener
from tests.e2e.conftest import PATIENCE, Bridge
from tests.e2e.polling import eventually
from tests.e2e.test_queues import paused

UPLINKS = 3


class Throttling:
    """A WSGI application in front of AWS IoT's registry that answers creations of things with 429, as AWS does."""

    def __init__(self, endpoint_url: str) -> None:
        self._endpoint_url = endpoint_url
        self.refused = threading.Semaphore(0)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return self._answer(Request(environ))(environ, start_response)

    def _answer(self, request: Request) -> Response:
        if request.method == "POST" and request.path.startswith("/things/"):
            self.refused.release()
            body = json.dumps({"message": "Rate exceeded"})
            return Response(body, 429, {"x-amzn-ErrorType": "ThrottlingException"}, content_type="application/json")
        url = self._endpoint_url + request.environ["REQUEST_URI"]
        headers = {name: value for name, value in request.headers.items() if name != "Content-Length"}
        answer = requests.request(request.method, url, data=request.get_data(), headers=headers, timeout=PATIENCE)
        kept = {name: value for name, value in answer.headers.items() if name.lower().startswith("x-amzn")}
        return Response(answer.content, answer.status_code, kept, content_type=answer.headers.get("Content-Type"))


@contextmanager
def throttled(bridge: Bridge, function: str) -> Iterator[Throttling]:
    """AWS throttles the creations of things by this function."""
    application = Throttling(bridge.aws.endpoint_url)
    listener = Listener(0, application)
    listener.start()
    client, name = bridge.aws.client("lambda"), bridge.outputs["function_names"][function]
    variables = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    through = {**variables, "AWS_ENDPOINT_URL_IOT": f"http://{listener.address}"}
    client.update_function_configuration(FunctionName=name, Environment={"Variables": through})
    try:
        yield application
    finally:
        client.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
        listener.stop()


def test_messages_of_a_device_whose_thing_is_not_made_for_the_rate_of_calls_wait_and_come_in_order(
    farm: Bridge,
) -> None:
    new, known = farm.new_device(), farm.joined_device()
    with paused(farm, "waiting"):
        with throttled(farm, "upstream") as registry:
            farm.things_stack.network.join(new.application_id, new.device_id)
            eventually("the join waits", lambda: waiting(farm) == 1, timeout=PATIENCE)
            assert registry.refused.acquire(blocking=False)
        # AWS would create the thing now, but a message must not overtake those that wait.
        for number in range(UPLINKS):
            farm.things_stack.network.uplink(new.application_id, new.device_id)
            eventually(f"uplink {number} waits", lambda: waiting(farm) == number + 2, timeout=PATIENCE)  # noqa: B023
        assert farm.thing(new.dev_eui) is None
        farm.things_stack.network.uplink(known.application_id, known.device_id)
        farm.topics.wait_for(f"lorawan/{known.dev_eui}/uplink", timeout=PATIENCE)
    topic = f"lorawan/{new.dev_eui}/uplink"
    eventually("every uplink", lambda: len(farm.topics.messages(topic)) == UPLINKS, timeout=PATIENCE)
    assert len(farm.topics.messages(f"lorawan/{new.dev_eui}/join")) == 1
    counters = [each.json()["uplink_message"].get("f_cnt", 0) for each in farm.topics.messages(topic)]
    assert counters == sorted(counters)
    # Nothing waits any more: the next message takes the short way.
    eventually("an empty queue", lambda: waiting(farm) == 0, timeout=PATIENCE)
    farm.things_stack.network.uplink(new.application_id, new.device_id)
    eventually("the next uplink", lambda: len(farm.topics.messages(topic)) == UPLINKS + 1, timeout=PATIENCE)


def waiting(bridge: Bridge) -> int:
    """How many messages wait for their thing."""
    url = bridge.outputs["queue_urls"]["waiting"]
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = bridge.aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)
