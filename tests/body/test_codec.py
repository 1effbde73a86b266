"""The media types that are read, and that everything else on a declared route is refused (T-B2)."""

from __future__ import annotations

import pytest

from gateway.body.codec import CODECS, check_media_type
from gateway.errors import Refused


@pytest.mark.parametrize(
    "content_type",
    [
        *(
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            'application/json;charset="UTF-8"',
            "application/json ; Charset=UTF-8",
        ),
        *(
            "application/problem+json",
            "application/vnd.api+json",
            "application/merge-patch+json",
            "application/json;",
            "application/json; profile=x",
        ),
        *("application/json; charset=utf-8 ", 'application/ld+json; profile="http://www.w3.org/ns/json-ld#compacted"'),
    ],
)
def test_json_and_its_relatives_are_read(content_type: str) -> None:
    assert check_media_type(content_type) is CODECS["application/json"]


@pytest.mark.parametrize(
    "content_type",
    [
        *(
            None,
            "",
            "json",
            "application",
            "application/",
            "/json",
            "*/*",
            "text/json",
            "text/plain",
            "application/jsonx",
            "application/x-json",
        ),
        *(
            "application/octet-stream",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/xml",
            "image/svg+xml",
        ),
        *(
            "application/json; charset=latin-1",
            "application/json; charset=utf-16",
            "application/json; charset=utf8",
            "application/json; charset=",
        ),
        *(
            "application/json; charset=utf-8; charset=utf-8",
            "application/json; charset=utf-8; charset=utf-16",
            "application/json, text/plain",
        ),
        *(
            "application/json application/json",
            "application/json\x00",
            " application/json",
            "application/json; charset",
            'application/json; charset="utf-8',
        ),
        *(
            'application/json; charset="utf\\-8"',
            "application/json-patch+json",
            "application/x-ndjson",
            "application/json-seq",
            "text/event-stream",
        ),
        *("application/geo+json-seq", "text/vnd.x+json", "application/json; charset=ｕtf-8", "application/json\n"),
    ],
)
def test_everything_else_is_refused(content_type: str | None) -> None:
    """B-06: JSON Patch names members in values, NDJSON and sequences hold many bodies."""
    with pytest.raises(Refused) as caught:
        check_media_type(content_type)
    assert caught.value.reason == "media-type"
