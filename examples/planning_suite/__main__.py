"""``python -m examples.planning_suite --listen 127.0.0.1:0 --data DIR --customer NAME …``: run the suite until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import signal
from pathlib import Path

from aiohttp import web

from examples.planning_suite.app import create_app


def main() -> None:
    arguments = _parser().parse_args()
    asyncio.run(_serve(create_app(arguments.data, arguments.customer), *arguments.listen))


async def _serve(app: web.Application, host: str, port: int) -> None:
    """The bound address is printed as one JSON line, so that whoever started us with port 0 learns it."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        bound = runner.addresses[0]
        shown = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
        print(json.dumps({"url": f"http://{shown}:{bound[1]}", "host": bound[0], "port": bound[1]}), flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m examples.planning_suite", description=__doc__)
    parser.add_argument("--listen", type=_address, default=("127.0.0.1", 8080), metavar="HOST:PORT", help="port 0 takes a free one")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="where the databases are, one file per customer")
    parser.add_argument("--customer", type=_customer, action="append", required=True, metavar="NAME", help="can be given several times")
    return parser


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not (colon and host and port.isdigit() and int(port) < 65536):
        raise argparse.ArgumentTypeError("must be HOST:PORT")
    return host.strip("[]"), int(port)


def _customer(text: str) -> str:
    if re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", text) is None:
        raise argparse.ArgumentTypeError("must be lower-case letters, digits, _ and -")
    return text


if __name__ == "__main__":
    main()
