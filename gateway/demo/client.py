"""A plain HTTPS client, as customers have them: certificate, user, password, JSON. It knows nothing of tokens or of the gateway."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class PlainClient:
    """``certificate``: None connects without one. ``source``: the address to connect from."""

    url: str
    authority: Path
    certificate: tuple[Path, Path] | None
    user: str
    password: str
    source: str = "127.0.0.1"

    def send(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """One request on a connection of its own. Raises OSError when it is closed without an answer."""
        parts = urlsplit(self.url)
        context = ssl.create_default_context(cafile=str(self.authority))
        if self.certificate is not None:
            context.load_cert_chain(*map(str, self.certificate))
        connection = http.client.HTTPSConnection(
            parts.hostname or "", parts.port, context=context, source_address=(self.source, 0), timeout=30
        )
        try:
            connection.request(method, path, *self._payload(body, headers or {}))
            response = connection.getresponse()
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
        finally:
            connection.close()

    def _payload(self, body: Any, headers: dict[str, str]) -> tuple[bytes | None, dict[str, str]]:
        if self.user:
            credentials = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            headers = {"Authorization": f"Basic {credentials}", **headers}
        if body is None:
            return None, headers
        return json.dumps(body, ensure_ascii=False).encode(), {"Content-Type": "application/json", **headers}
