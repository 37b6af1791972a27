"""`python -m local.webhook_gate`: the one address of the local AWS that others may reach, for webhooks of a The Things
Stack that runs elsewhere.

A tunnel or port forwarding leads to it. It passes POST requests to the URL of one function, which checks their secret,
and nothing else: the local AWS itself accepts a well-known key.
"""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Iterable
from pathlib import Path
from wsgiref.types import StartResponse, WSGIEnvironment

import requests
from botocore.exceptions import BotoCoreError, ClientError
from werkzeug.wrappers import Request, Response

from local.aws import LocalAws
from local.processes import end_with_caller
from local.things_stack import AwsAccess
from local.things_stack.api.listener import Listener
from thingbridge.messaging.webhook import SECRET_HEADER

PASSED = ("Content-Type", SECRET_HEADER)
LONGEST = 256 * 1024
"""Bytes of a request: twice what the function accepts, so that it is the function that answers 413."""
SECONDS = 10.0


class Gate:
    """A WSGI application that posts to the URL of a function at `aws`, once that exists."""

    def __init__(self, aws: LocalAws, function_name: str) -> None:
        self._aws, self._function_name = aws, function_name
        self._access = AwsAccess(aws.endpoint_url, aws.access_key, aws.secret_key)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return self._answer(Request(environ))(environ, start_response)

    def _answer(self, request: Request) -> Response:
        if request.method != "POST":
            return Response(status=405)
        if (request.content_length or 0) > LONGEST:
            return Response(status=413)
        try:
            config = self._aws.client("lambda").get_function_url_config(FunctionName=self._function_name)
            url, host = self._access.reach(config["FunctionUrl"].rstrip("/") + request.path)
            headers = {name: request.headers[name] for name in PASSED if name in request.headers}
            with requests.Session() as session:
                session.trust_env = False
                answer = session.post(url, data=request.get_data(), headers={**headers, **host}, timeout=SECONDS)
        except (BotoCoreError, ClientError, requests.RequestException):
            # Nothing is applied yet, or no longer: The Things Stack may try again.
            return Response(status=503)
        return Response(answer.content, answer.status_code)


def main() -> None:
    end_with_caller()
    parser = argparse.ArgumentParser(prog="python -m local.webhook_gate", description="The way in for webhooks.")
    parser.add_argument("--port", type=int, required=True, help="port of 127.0.0.1 to listen on")
    parser.add_argument("--aws-endpoint-url", required=True, help="of the AWS emulator")
    parser.add_argument("--region", required=True, help="of the function")
    parser.add_argument("--function", required=True, help="name of the function that is called")
    options = parser.parse_args()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    aws = LocalAws.attach(options.aws_endpoint_url, Path.cwd(), region=options.region)
    listener = Listener(options.port, Gate(aws, options.function))
    listener.start()
    print(f"Webhooks on 127.0.0.1:{options.port} are passed to the function {options.function}", flush=True)
    ended.wait()
    listener.stop()


if __name__ == "__main__":
    main()
