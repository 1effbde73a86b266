"""The suite's HTTP surface: JSON under ``/CUSTOMER/orders``, and the dispatchers' page at ``/CUSTOMER/``.

Every URL that is handed out is relative, so that the suite works at a base path, and as well when a proxy shows it at its root.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from examples.planning_suite import documents
from examples.planning_suite.database import PAGE_SIZE, Database
from examples.planning_suite.orders import Unacceptable, appointment_columns, order_columns, whole_order

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

DATABASES = web.AppKey("databases", dict[str, Database])

_STATIC = Path(__file__).with_name("static")
_PAGE_FILES = {"suite.js": "text/javascript", "suite.css": "text/css", "suite.svg": "image/svg+xml"}
_HEADERS = {"Content-Security-Policy": "default-src 'self'", "X-Content-Type-Options": "nosniff"}
_JSON_TYPES = ("application/json", "application/merge-patch+json")
_LARGEST_ID = (1 << 63) - 1  # SQLite's


def create_app(data: Path, customers: Sequence[str]) -> web.Application:
    """One application for all customers; each has its own database file ``data/CUSTOMER.db``."""
    app = web.Application(middlewares=[_answer_mistakes])
    data.mkdir(parents=True, exist_ok=True)

    async def databases(app: web.Application) -> AsyncIterator[None]:
        app[DATABASES] = {customer: Database(data / f"{customer}.db") for customer in customers}
        yield
        for database in app[DATABASES].values():
            database.close()

    app.cleanup_ctx.append(databases)
    app.add_routes(_routes())
    return app


def _routes() -> list[web.RouteDef]:
    order = r"/{customer}/orders/{order:\d{1,19}}"
    return [
        web.get("/{customer}/", show_page),
        web.get("/{customer}/static/{file}", show_file),
        web.get("/{customer}/orders", list_orders),
        web.post("/{customer}/orders", create_order),
        web.get(order, read_order),
        web.put(order, replace_order),
        web.patch(order, patch_order),
        web.delete(order, delete_order),
        web.get(order + "/documents", download_documents),
        web.get(order + "/appointments", list_appointments),
        web.post(order + "/appointments", create_appointment),
        web.patch(r"/{customer}/appointments/{appointment:\d{1,19}}", patch_appointment),
    ]


@web.middleware
async def _answer_mistakes(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors are JSON like everything else, and never repeat what was sent."""
    try:
        return await handler(request)
    except Unacceptable as error:
        return web.json_response({"error": str(error)}, status=400)
    except LookupError:
        return web.json_response({"error": "not found"}, status=404)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        return web.json_response({"error": error.reason}, status=error.status, headers=headers)


async def list_orders(request: web.Request) -> web.Response:
    page, name = _page_number(request.query.get("page", "1")), request.query.get("name")
    items, total = _database(request).list_orders(page, name)
    following = {"page": page + 1} | ({} if name is None else {"name": name})
    more = page * PAGE_SIZE < total
    return web.json_response({"items": items, "total": total, "next": f"orders?{urlencode(following)}" if more else None})


async def create_order(request: web.Request) -> web.Response:
    order = _database(request).create_order(whole_order(await _document(request)))
    return web.json_response(order, status=201, headers={"Location": f"orders/{order['id']}"})


async def read_order(request: web.Request) -> web.Response:
    return web.json_response(_database(request).read_order(_id(request, "order")))


async def replace_order(request: web.Request) -> web.Response:
    columns = whole_order(await _document(request))
    return web.json_response(_database(request).update_order(_id(request, "order"), columns))


async def patch_order(request: web.Request) -> web.Response:
    """JSON Merge Patch (RFC 7396): only what is present changes, ``null`` empties."""
    columns = order_columns(await _document(request))
    return web.json_response(_database(request).update_order(_id(request, "order"), columns))


async def delete_order(request: web.Request) -> web.Response:
    _database(request).delete_order(_id(request, "order"))
    return web.Response(status=204)


async def download_documents(request: web.Request) -> web.StreamResponse:
    order = _id(request, "order")
    _database(request).read_order(order)
    response = web.StreamResponse(headers={"Content-Disposition": f'attachment; filename="order-{order}.pdf"'})
    response.content_type = "application/pdf"
    await response.prepare(request)
    for piece in documents.pages(order):
        await response.write(piece)
    await response.write_eof()
    return response


async def list_appointments(request: web.Request) -> web.Response:
    return web.json_response({"items": _database(request).list_appointments(_id(request, "order"))})


async def create_appointment(request: web.Request) -> web.Response:
    columns = appointment_columns(await _document(request))
    appointment = _database(request).create_appointment(_id(request, "order"), columns)
    return web.json_response(appointment, status=201, headers={"Location": f"../../appointments/{appointment['id']}"})


async def patch_appointment(request: web.Request) -> web.Response:
    columns = appointment_columns(await _document(request))
    return web.json_response(_database(request).update_appointment(_id(request, "appointment"), columns))


async def show_page(request: web.Request) -> web.Response:
    _database(request)
    return web.Response(text=(_STATIC / "index.html").read_text(encoding="utf-8"), content_type="text/html", headers=_HEADERS)


async def show_file(request: web.Request) -> web.Response:
    _database(request)
    file = request.match_info["file"]
    media_type = _PAGE_FILES[file]  # a KeyError is a LookupError: 404
    return web.Response(text=(_STATIC / file).read_text(encoding="utf-8"), content_type=media_type, headers=_HEADERS)


def _database(request: web.Request) -> Database:
    return request.app[DATABASES][request.match_info["customer"]]


def _id(request: web.Request, name: str) -> int:
    number = int(request.match_info[name])
    if number > _LARGEST_ID:
        raise LookupError
    return number


def _page_number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= len(text) <= 9 and int(text) >= 1):
        raise Unacceptable("page is a number from 1")
    return int(text)


async def _document(request: web.Request) -> Any:
    if request.content_type not in _JSON_TYPES:
        raise web.HTTPUnsupportedMediaType
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError):
        raise Unacceptable("the body is not JSON") from None
