"""The import job with ``aiohttp``."""

import asyncio
import json
import os
import ssl
import sys

from aiohttp import BasicAuth, ClientSession, ClientTimeout

context = ssl.create_default_context(cafile=os.environ.get("AUTHORITY"))
context.minimum_version = context.maximum_version = ssl.TLSVersion[os.environ["TLS"].replace(".", "_")]
if "CERTIFICATE" in os.environ:
    context.load_cert_chain(os.environ["CERTIFICATE"], os.environ["PRIVATE_KEY"])


def credentials(of: str) -> BasicAuth:
    return BasicAuth(*os.environ[of].split(":", 1), encoding="utf-8")


async def main() -> None:
    async with ClientSession(os.environ["URL"], timeout=ClientTimeout(30)) as session:
        order = json.loads(sys.stdin.buffer.read())
        async with session.post("/orders", json=order, auth=credentials("SENDER"), ssl=context) as sent:
            print(sent.status, await sent.text())
            if not sent.ok:
                return
            number = (await sent.json())["id"]
        async with session.get(f"/orders/{number}", auth=credentials("READER"), ssl=context) as read:
            print(read.status, await read.text())


asyncio.run(main())
