"""Entity tags: every view has its own, they come back as what the upstream wrote, and what is no tag never leaves (T-B3)."""

import re
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Refused
from gateway.proxy.validators import LONGEST, if_match, if_none_match, public_tag, view_of

OURS = view_of("0123456789abcdef", "stadtwerke_musterstadt", "dispatcher")
OTHERS = [
    view_of("0123456789abcdef", "stadtwerke_musterstadt", "auditor"),
    view_of("0123456789abcdef", "stadtwerke_nord", "dispatcher"),
    view_of("fedcba9876543210", "stadtwerke_musterstadt", "dispatcher"),
]


def ours(tag, view=OURS):
    return public_tag(tag, view).encode()


def made_up(raw):
    return b'"gw1-%b-%b"' % (OURS, urlsafe_b64encode(raw).rstrip(b"="))


def test_each_view_has_its_own_tag():
    tags = {public_tag(b'"v7"', view) for view in (OURS, *OTHERS)}
    assert len(tags) == 4 and not [tag for tag in tags if "v7" in tag]


@pytest.mark.parametrize("tag", [b'"v7"', b'W/"v7"', b'""', b'"a,b"', b'"\xc3\xa4"', b"unquoted", b'"' + b"x" * (LONGEST - 2) + b'"'])
def test_there_and_back(tag):
    public = ours(tag)
    assert re.fullmatch(rb'(W/)?"[\x21\x23-\x7e]*"', public)
    assert public.startswith(b"W/") == tag.startswith(b"W/")
    assert if_match(public, OURS) == tag
    assert if_none_match(public, OURS, reads=True, looked_into=True) == tag


@given(st.from_regex(rb'(W/)?"[\x21\x23-\x7e\x80-\xff]{0,50}"', fullmatch=True))
def test_every_tag_comes_back(tag):
    assert if_match(ours(tag), OURS) == tag


@pytest.mark.parametrize(
    "tag", [b"", b'"', b'"a', b'a"', b'"a"b"', b'"a b"', b'"a", "b"', b'w/"a"', b'"\x7f"', b'"' + b"x" * LONGEST + b'"']
)
def test_what_is_no_tag_makes_none(tag):
    assert public_tag(tag, OURS) == ""


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (b"*", b"*"),
        (b'"v7"', b'"v7"'),  # of a route that is passed, or out of a body: the upstream knows it or says 412
        (b"unquoted", b"unquoted"),
        (b'"a" , W/"b"', b'"a" , W/"b"'),
        (b"%b" % ours(b'"v7"'), b'"v7"'),
        (b"W/" + ours(b'"v7"'), b'W/"v7"'),  # weakened on the way by whoever compressed
        (ours(b'W/"v7"').removeprefix(b"W/"), b'W/"v7"'),
        (b'%b,"b" ,%b' % (ours(b'"v7"'), ours(b'"v8"')), b'"v7", "b", "v8"'),
        (b'%b, "b"' % ours(b'"v7"', OTHERS[0]), b'"b"'),
    ],
)
def test_if_match_goes_back_to_what_the_upstream_wrote(value, sent):
    assert if_match(value, OURS) == sent


UNKNOWN = {
    "another role": ours(b'"v7"', OTHERS[0]),
    "another customer": ours(b'"v7"', OTHERS[1]),
    "an older policy": ours(b'"v7"', OTHERS[2]),
    "no base64": b'"gw1-%b-x"' % OURS,
    "empty": b'"gw1-%b-"' % OURS,
    "cut": b'"gw1-%b' % OURS,
    "no view": b'"gw1-djc"',
    "a line end": made_up(b'"a"\r\nX-Role: admin'),
    "two tags": made_up(b'"a", "b"'),
    "a blank": made_up(b"a b"),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_ts7_what_cannot_be_mapped_goes_nowhere(case):
    with pytest.raises(Refused, match=r"^precondition-unknown$"):
        if_match(UNKNOWN[case], OURS)
    assert if_none_match(UNKNOWN[case], OURS, reads=True, looked_into=True) == b""
    assert if_none_match(UNKNOWN[case], OURS, reads=True, looked_into=False) == b""
    with pytest.raises(Refused, match=r"^precondition-unknown$"):
        if_none_match(UNKNOWN[case] + b', "b"', OURS, reads=False, looked_into=True)


@pytest.mark.parametrize(
    ("value", "reads", "looked_into", "sent"),
    [
        (b"*", True, True, b"*"),
        (b"*", False, True, b"*"),  # create only what is not there yet
        (b'"v7"', True, True, b""),  # "unchanged" would be said of bytes that this client never got
        (b'"v7"', True, False, b'"v7"'),
        (b'"v7", "x"', False, True, b'"v7", "x"'),
        (b'%b, "x"' % ours(b'"v7"'), True, True, b'"v7"'),
        (b'%b, "x"' % ours(b'"v7"'), True, False, b'"x"'),
        (b'%b, "x"' % ours(b'"v7"'), False, True, b'"v7", "x"'),
        (b"%b, %b" % (ours(b'"v6"', OTHERS[0]), ours(b'"v7"')), True, True, b'"v7"'),
    ],
)
def test_if_none_match(value, reads, looked_into, sent):
    assert if_none_match(value, OURS, reads=reads, looked_into=looked_into) == sent


@given(st.binary(max_size=100), st.booleans(), st.booleans())
def test_nothing_else_ever_happens(value, reads, looked_into):
    for prefix in (b"", b'"gw1-', b'"gw1-%b-' % OURS):
        try:
            sent = if_match(prefix + value, OURS)
            none = if_none_match(prefix + value, OURS, reads=reads, looked_into=looked_into)
        except Refused as refused:
            assert refused.reason == "precondition-unknown"
        else:
            assert b"\n" in value or b"\r" in value or not {*sent, *none} & {10, 13}
