"""A claim is checked before it is printed; the first that fails ends the demo."""

import io

import pytest
from rich.console import Console

from gateway.demo.claims import ClaimFailed, Claims


def test_what_holds_is_printed_and_counted():
    said = io.StringIO()
    claims = Claims(Console(file=said))
    claims.check("names [bold]are[/] unreadable", True)
    assert claims.held == 1
    assert "names [bold]are[/] unreadable" in said.getvalue()


def test_what_does_not_hold_is_never_printed():
    said = io.StringIO()
    claims = Claims(Console(file=said))
    with pytest.raises(ClaimFailed, match="never printed"):
        claims.check("never printed", False)
    assert (claims.held, said.getvalue()) == (0, "")
