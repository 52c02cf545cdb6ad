"""`python -m connector.sandbox <system> [--port N] [--seed N] [--set name=value ...]`: one vendor, alone."""

import argparse
import asyncio
import importlib
import json

SYSTEMS = ("exact", "coupa", "basware", "procore")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="connector.sandbox")
    parser.add_argument("system", choices=SYSTEMS)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--control-port", type=int, default=0)
    parser.add_argument(
        "--extra-port",
        action="append",
        default=[],
        metavar="NAME=PORT",
        help="the port of a further origin (basware: blob)",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=JSON", help="a switch of the sandbox")
    parser.add_argument(
        "--tls", nargs=2, metavar=("CERT", "KEY"), help="PEM files; serves the vendor's paths over https"
    )
    arguments = parser.parse_args(argv)
    from .core.clock import SandboxClock
    from .core.sandbox import Certificate, serve

    room = importlib.import_module(f"connector.sandbox.{arguments.system}")
    overrides = {name: json.loads(value) for name, value in (item.split("=", 1) for item in arguments.set)}
    sandbox = room.create(clock=SandboxClock(), seed=arguments.seed, **overrides)
    extra_ports = {name: int(port) for name, port in (item.split("=", 1) for item in arguments.extra_port)}
    certificate = Certificate(*arguments.tls) if arguments.tls else None
    ports = {"port": arguments.port, "control_port": arguments.control_port}
    asyncio.run(serve(sandbox, **ports, extra_ports=extra_ports, certificate=certificate))


if __name__ == "__main__":
    main()
