"""The application behind both candidates: answers at once, keeps the first four orders it is sent, and gives them back as a page.

It knows nothing of tokens: what stands in the page is what arrived. What never may come in: work, which would be measured as somebody's.
"""

from __future__ import annotations

import asyncio
import json

PAGE_LENGTH = 4
ORDER_MADE = b'{"id":"0f3f2b9c-7d0a-4c55-9d0b-9a2f5c6f1c11"}'
CREATED = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(ORDER_MADE), ORDER_MADE)


class Pages:
    """Path prefix → the orders that arrived there first."""

    def __init__(self) -> None:
        self._orders: dict[bytes, list[bytes]] = {}
        self._pages: dict[bytes, bytes] = {}

    def keep(self, prefix: bytes, order: bytes) -> None:
        orders = self._orders.setdefault(prefix, [])
        if len(orders) < PAGE_LENGTH:
            orders.append(order)
            self._pages.pop(prefix, None)

    def answer(self, prefix: bytes) -> bytes:
        if prefix not in self._pages:
            body = b'{"items":[' + b",".join(self._orders.get(prefix, [])) + b'],"total":4,"next":null}'
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
            self._pages[prefix] = head + body
        return self._pages[prefix]


class Backend(asyncio.Protocol):
    """Just enough of HTTP/1.1 for two proxies that send correct requests one after the other."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream transport; uvloop's is no subclass of asyncio's

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            length = content_length(head)
            if len(self._buffer) < end + 4 + length:
                return
            body, self._buffer = self._buffer[end + 4 : end + 4 + length], self._buffer[end + 4 + length :]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        assert self._transport is not None
        method, target, _ = head.split(b"\r\n", 1)[0].split(b" ", 2)
        prefix = target.split(b"/", 2)[1]
        if method == b"POST":
            self._pages.keep(prefix, body)
        self._transport.write(CREATED if method == b"POST" else self._pages.answer(prefix))


def content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
        if name.lower() == b"transfer-encoding":
            raise ValueError("the benchmark's peers send lengths")
    return 0


async def serve(host: str = "127.0.0.1", port: int = 0) -> asyncio.Server:
    pages = Pages()
    return await asyncio.get_running_loop().create_server(lambda: Backend(pages), host, port, backlog=256)


async def main() -> None:
    server = await serve()
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    from benchmarks.loop import run

    run(main())
