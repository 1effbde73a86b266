"""More than 300 spellings of targets: refused, or the resource that was judged is the one that nginx, Apache, HAProxy, aiohttp and a
servlet container look for (T-P1 to T-P5). The servers are real, but for the last one.
"""

from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Refused
from gateway.policy.path import canonical
from tests.attacks import spellings
from tests.attacks.servers import Reading, aiohttp_server, like_tomcat, programs

BASE = b"/nord"


@pytest.fixture(scope="module")
def servers(neighbour, tmp_path_factory):
    with aiohttp_server() as aiohttp, programs(neighbour, tmp_path_factory.mktemp("servers")) as others:
        yield {**others, "aiohttp": aiohttp}


def judged(target, base=BASE):
    """What the policy made of it: the resource, its query as it stands, and the parameters."""
    reading = canonical(target.decode("ascii"))
    path = base + b"/" + b"/".join(segment.encode() for segment in reading.segments)
    query = target.partition(b"?")[2]
    pairs = b"\n".join(f"{parameter.name}\t{parameter.value}".encode() for parameter in reading.parameters)
    return Reading(path, query), Reading(path, pairs)


def disagreeing(servers, sent, whole, parsed):
    readings = {name: server.reads(sent) for name, server in servers.items()}
    expected = {"aiohttp": parsed, "haproxy": whole._replace(query=unquote_to_bytes(whole.query))}
    return {name: reading for name, reading in {**readings, "tomcat": like_tomcat(sent)}.items() if reading != expected.get(name, whole)}


def asked(attacker, target):
    """The status, and None where the connection ends without an answer."""
    reply = attacker.ask(attacker.head(b"GET " + target + b" HTTP/1.1"))
    return reply and reply.status


def named(groups):
    targets = [(f"{group}-{number}", target) for group, listed in groups.items() for number, target in enumerate(listed.split())]
    return [pytest.param(target.encode(), id=name) for name, target in targets]


RAW = [pytest.param(target, id=f"raw {name}") for name, target in spellings.RAW.items()]


@pytest.mark.trap("T-P1", "Of more than 300 spellings those that could be read in two ways are 400, and none reaches the suite.")
@pytest.mark.trap("T-P2", "A target with a fragment is 400.")
@pytest.mark.trap("T-P5", "Parameters that are repeated, empty, separated by semicolons or spelled in another way are 400.")
@pytest.mark.parametrize("target", [*named(spellings.REFUSED), *RAW])
def test_tp1_tp2_tp5_spellings_that_are_refused(attacker, suite, target):
    assert asked(attacker, target) == 400
    assert suite.seen == []


@pytest.mark.trap("T-P4", "Neighbours, other cases and other letters of a declared path are 404, and none reaches the suite.")
@pytest.mark.parametrize("target", named(spellings.UNKNOWN))
def test_tp4_spellings_of_something_else(attacker, suite, target):
    assert asked(attacker, target) == 404
    assert suite.seen == []


@pytest.mark.trap("T-P1", "What is forwarded names for nginx, Apache, HAProxy and aiohttp the very resource that was judged.")
@pytest.mark.trap("T-P3", "The query of what is forwarded is for every server what it was for the policy, and so are its parameters.")
@pytest.mark.parametrize("target", named(spellings.FORWARDED))
def test_tp1_tp3_one_resource_for_everybody(attacker, suite, servers, target):
    assert asked(attacker, target) == 200
    [request] = suite.seen
    method, sent, version = request.split(b"\r\n", 1)[0].split(b" ")
    assert (method, version) == (b"GET", b"HTTP/1.1")
    path, parameters = canonical(target.decode()).segments, canonical(target.decode()).parameters
    whole, parsed = judged(sent.removeprefix(BASE))
    assert whole.path == BASE + b"/" + "/".join(path).encode()
    assert [line.split(b"\t")[0] for line in parsed.query.split(b"\n") if line] == [each.name.encode() for each in parameters]
    if not any(parameter.name == "name" for parameter in parameters):
        assert sent == BASE + target
    assert disagreeing(servers, sent, whole, parsed) == {}


def test_a_second_blank_before_the_version_is_not_sent_on(attacker, suite):
    """Our parser takes it for one (RFC 9112 section 3 lets it); the target has none then, for us and for the suite."""
    assert asked(attacker, b"/orders ") == 200
    assert suite.seen[0].startswith(b"GET /nord/orders HTTP/1.1\r\n")


def test_the_corpus_is_as_large_as_it_says():
    assert len(set(spellings.EVERY)) == len(spellings.EVERY) > 300


@pytest.mark.trap("T-P1", "The spellings are dangerous: without the gateway real servers read more than a hundred of them differently.")
def test_tp1_the_servers_alone_do_not_agree(servers):
    """Or the tests above would show nothing. A refusal of one counts as no reading."""
    differing = []
    for target in spellings.of(spellings.REFUSED):
        readings = {reading.path for reading in (*(server.reads(target) for server in servers.values()), like_tomcat(target)) if reading}
        if len(readings) > 1:
            differing.append(target)
    assert len(differing) > 100


EVIL = """
    / // . .. %2e %2E %2f %5c %25 %00 ; ;x=1 ? & = + %20 %26 %3d %3f %23 %7e $ ' * u%cc%88 %ef%bc%8e %e2%80%a6 %c0%ae [ ] page=1
""".split()  # noqa: SIM905  (one line each would be a page of quotes)
HARMLESS = "/a /b ~ : @ , ! ( ) - _ a b 1 orders %c3%bc %61 %41 %2b %2d %e2%82%ac %22 %7b".split()  # noqa: SIM905
PIECES = st.lists(st.one_of(st.sampled_from(HARMLESS), st.sampled_from(HARMLESS), st.sampled_from(EVIL)), max_size=10)
PARAMETERS = st.lists(st.tuples(st.sampled_from(["a", "b", "p%61ge", "%2b", "a+b"]), PIECES.map("".join)), max_size=3)


@pytest.mark.trap("T-P1", "Whatever is made of such pieces at random: what the policy takes is one resource for all servers.")
@settings(max_examples=300)
@given(PIECES, PARAMETERS)
def test_tp1_pieces_at_random(servers, pieces, parameters):
    query = "&".join(f"{name}={value}" for name, value in parameters)
    target = f"/{''.join(pieces)}{'?' if query else ''}{query}".encode()
    try:
        whole, parsed = judged(target, base=b"")
    except Refused:
        return
    assert disagreeing(servers, target, whole, parsed) == {}
