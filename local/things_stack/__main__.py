"""`python -m local.things_stack`: a simulation as a process, with its control API, until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import json
import os
import signal
import threading
from pathlib import Path

from local.processes import end_with_caller
from local.things_stack.profiles import DEFAULT, PROFILES
from local.things_stack.providers.aws_access import AwsAccess
from local.things_stack.simulation import ThingsStack


def main() -> None:
    end_with_caller()
    parser = argparse.ArgumentParser(prog="python -m local.things_stack", description="A simulated Things Stack.")
    parser.add_argument("--port", type=int, default=0, help="port of the cluster; 0 selects a free one")
    parser.add_argument(
        "--identity-port",
        type=int,
        help="port of the Identity Server, if it is to have its own; 0 selects a free one",
    )
    parser.add_argument("--profile", choices=sorted(PROFILES), default=DEFAULT, help="the deployment that is simulated")
    parser.add_argument("--gateway-port", type=int, default=0, help="UDP port for gateways; 0 selects a free one")
    parser.add_argument("--state", type=Path, help="JSON file for the simulation's addresses, written once it listens")
    parser.add_argument(
        "--aws-endpoint-url",
        help="of an AWS emulator; credentials from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    )
    options = parser.parse_args()
    aws = None
    if "AWS_ACCESS_KEY_ID" in os.environ:
        aws = AwsAccess(options.aws_endpoint_url, os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"],
                        os.environ.get("AWS_SESSION_TOKEN"))  # fmt: skip
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with ThingsStack(options.port, aws=aws, identity_port=options.identity_port, profile=options.profile,
                     gateway_port=options.gateway_port) as simulation:  # fmt: skip
        if options.state is not None:
            written = options.state.with_suffix(".new")
            written.write_text(json.dumps({
                "url": simulation.url, "address": simulation.address, "identity_url": simulation.identity_url,
                "identity_address": simulation.identity_address,
                "gateway_address": simulation.gateway_server.address, "pid": os.getpid(),
            }))  # fmt: skip
            written.replace(options.state)  # atomic: a reader never sees half of the file
        print(f"The simulated Things Stack listens on {simulation.url}, for gateways on UDP "
              f"{simulation.gateway_server.address}", flush=True)  # fmt: skip
        ended.wait()
    if options.state is not None:
        options.state.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
