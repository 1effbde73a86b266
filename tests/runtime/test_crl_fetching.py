"""Revocation lists from a URL: what is taken, how often it is looked for, and who is told in time."""

import asyncio
import ssl
from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.audit import read
from gateway.ca.trust import Trust, sources_of
from gateway.errors import Refused
from gateway.policy.load import load_policies
from gateway.runtime import crl_fetching
from gateway.runtime.crl_fetching import ListKeeper, NotFetched, fetch, keep_fetched, pause_after_failures, pause_after_success
from tests.ca.pki import DAY, NOW, make_pki
from tests.cli.conftest import CUSTOMER

PKI = make_pki()
LISTED = PKI.sign()
HOUR = 3600.0
URL = "http://pki.example/ca.crl"


def moment(offset=timedelta(0)):
    return (NOW + offset).timestamp()


# -- one look-up


@pytest.fixture
async def session():
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5), auto_decompress=False) as session:
        yield session


@pytest.fixture
async def serve():
    """``await serve(handler)`` → the URL of a server that answers by it."""
    servers = []

    async def start(handler, context=None):
        application = web.Application()
        application.router.add_get("/{rest:.*}", handler)
        server = TestServer(application)
        servers.append(server)
        await server.start_server(ssl=context)
        return str(server.make_url("/ca.crl"))

    yield start
    for server in servers:
        await server.close()


async def test_a_plain_answer_is_taken_as_it_came(session, serve, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody there: had it been asked, nothing would come
    url = await serve(answering(body=b"\x30\x00list"))
    assert await fetch(session, url) == b"\x30\x00list"


async def slow(request):
    answer = web.StreamResponse()
    await answer.prepare(request)
    await answer.write(b"\x30")
    await asyncio.sleep(60)
    return answer


async def cut(request):
    answer = web.StreamResponse(headers={"Content-Length": "1000"})
    await answer.prepare(request)
    await answer.write(b"\x30")
    request.transport.close()
    return answer


async def endless(request):
    answer = web.StreamResponse()
    await answer.prepare(request)
    while True:
        await answer.write(b"\0" * 65536)


async def elsewhere(request):
    assert request.path == "/ca.crl", "a redirect was followed"
    raise web.HTTPFound("/elsewhere")


def answering(**options):
    async def answer(request):
        return web.Response(**options)

    return answer


REFUSED = [
    (answering(status=404), "status 404"),
    (answering(status=500, body=b"\x30"), "status 500"),
    (answering(status=204), "status 204"),
    (answering(status=206, body=b"\x30"), "status 206"),
    (elsewhere, "status 302"),
    (answering(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"}), "compressed"),
    (endless, "larger than 1 MiB"),
    (answering(body=bytes((1 << 20) + 1)), "larger than 1 MiB"),
    (cut, "connection failed"),
    (slow, "no whole answer"),
]
IDS = ["absent", "broken", "nothing", "a part", "redirect", "compressed", "endless", "too large", "cut off", "slow"]


@pytest.mark.parametrize(("handler", "said"), REFUSED, ids=IDS)
async def test_t_d7_everything_else_is_nothing(serve, monkeypatch, handler, said):
    monkeypatch.setattr(crl_fetching, "MAX_FILE", 1 << 20)
    url = await serve(handler)
    timeout = aiohttp.ClientTimeout(total=0.3 if handler is slow else 30)
    async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session:
        with pytest.raises(NotFetched, match=said):
            await fetch(session, url)


async def test_nobody_there(session):
    with pytest.raises(NotFetched, match="the connection failed"):
        await fetch(session, "http://127.0.0.1:9/ca.crl")


async def test_https_is_vouched_for_by_the_systems_roots(session, serve, folder):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder.config.certificate, folder.config.private_key)
    url = await serve(answering(body=b"\x30"), context)
    assert url.startswith("https://")
    with pytest.raises(NotFetched, match="the connection failed"):
        await fetch(session, url)


# -- how often


@pytest.mark.parametrize(("left", "pause"), [(30 * 24, 60), (2, 60), (1, 30), (0.5, 15), (0.01, 1), (-5, 1)])
def test_the_nearer_the_end_the_more_often(left, pause):
    assert pause_after_success(left * HOUR, 0.0) == pause * 60


def test_a_server_that_is_down_is_asked_less_and_less():
    assert [pause_after_failures(count) / 60 for count in (1, 2, 3, 4, 5, 6, 7, 50)] == [1, 2, 4, 8, 16, 32, 60, 60]


# -- the whole of it, without a network


class House:
    """A customer with an own authority and a URL; ``server``: what it answers, bytes or an exception; ``clock``: what time it is."""

    def __init__(self, folder, url=URL):
        self.folder = folder
        self.authority = folder.path / "certs" / "own-ca.pem"
        self.authority.write_bytes(PKI.pem)
        self.write(f'{{file: certs/own-ca.pem, crl: "{url}"}}')
        self.server, self.asked, self.clock = PKI.crl(LISTED, number=5), [], moment()
        self.keeper = ListKeeper(folder.config_file, self.fetch, lambda: self.clock)

    def write(self, certificates):
        lines = self.folder.policy().read_text().splitlines()
        self.folder.policy().write_text(
            "\n".join(f"certificates: {certificates}" if x.startswith("certificates") else x for x in lines) + "\n"
        )

    async def fetch(self, url):
        self.asked.append(url)
        if isinstance(self.server, Exception):
            raise self.server
        return self.server

    async def look(self, later=0.0):
        self.clock += later
        await self.keeper.look()
        await asyncio.gather(*(schedule.task for schedule in self.keeper._schedules.values() if schedule.task))

    @property
    def kept(self):
        return self.folder.config.fetched_crl(CUSTOMER)

    def judged(self, leaf):
        config = self.folder.config
        trust = Trust.build(sources_of(load_policies(config), config.authority_dir, config.fetched_crl), self.clock)
        try:
            return trust.identify(leaf.public_bytes(Encoding.DER), self.clock).customer
        except Refused as refusal:
            return refusal.reason

    def reasons(self):
        folder = self.folder.config.audit_dir
        return [record["reason"] for record in read(folder)] if folder.is_dir() else []


@pytest.fixture
def house(folder):
    return House(folder)


async def test_a_customer_is_refused_until_a_list_came_and_then_let_in(house):
    good = PKI.sign()
    assert house.judged(good) == "revocation-unknown"  # and everybody else's gateway has started
    await house.look()
    assert house.asked == [URL]
    assert (house.judged(good), house.judged(LISTED)) == (CUSTOMER, "certificate-revoked")
    assert house.kept.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in house.kept.parent.iterdir() if "crl" in file.name] == ["fetched.crl"]
    assert house.reasons() == []


NOT_TAKEN = [
    (b"", "is empty"),
    (b"<html>Max Mustermann</html>", "neither PEM nor DER"),
    (make_pki("Other").crl(number=9), "without a revocation list of its own"),
    (make_pki("Own PKI").crl(number=9), "without a revocation list of its own"),
    (PKI.crl(number=9, begin=NOW - 3 * DAY, end=NOW - DAY), "has expired"),
    (PKI.crl(number=9, begin=NOW + DAY, end=NOW + 2 * DAY), "is not valid yet"),
    (PKI.crl(number=4), "is older than what is kept"),
    (PKI.crl(number=9, begin=NOW - 2 * DAY), "is older than what is kept"),
    (NotFetched("the answer has status 404"), "status 404"),
    (RuntimeError("Max Mustermann"), "RuntimeError at "),
]


@pytest.mark.parametrize(
    ("answer", "said"), NOT_TAKEN,
    ids=["empty", "a page", "other authority", "same name", "expired", "not yet", "smaller number", "earlier", "absent", "bug"],
)  # fmt: skip
async def test_what_may_not_be_taken_leaves_the_last_good_one(house, caplog, answer, said):
    await house.look()
    before = house.kept.read_bytes()
    house.server = answer
    await house.look(HOUR)
    assert house.kept.read_bytes() == before
    assert said in caplog.text
    assert "Mustermann" not in caplog.text
    assert house.reasons() == ["crl-fetch-failed"]


async def test_a_newer_list_takes_the_place(house):
    await house.look()
    house.server = PKI.crl(number=6, begin=NOW - timedelta(hours=1))
    await house.look(HOUR)
    assert house.judged(LISTED) == CUSTOMER  # as the authority says now


async def test_the_same_list_is_not_written_again(house):
    await house.look()
    before = house.kept.stat()
    await house.look(HOUR)
    assert len(house.asked) == 2
    assert (house.kept.stat().st_ino, house.kept.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


async def test_it_is_asked_when_it_is_due_and_not_before(house):
    await house.look()
    for later, times in ((1, 1), (HOUR - 2, 1), (1, 2)):
        await house.look(later)
        assert len(house.asked) == times
    house.server = NotFetched("down")
    await house.look(HOUR)
    for later, times in ((59, 3), (1, 4), (119, 4), (1, 5)):
        await house.look(later)
        assert len(house.asked) == times
    assert house.reasons() == ["crl-fetch-failed"], "once a day"


async def test_a_url_that_changed_is_asked_at_once_and_one_that_went_no_more(house):
    await house.look()
    house.write('{file: certs/own-ca.pem, crl: "http://pki.example/other.crl"}')
    await house.look(1)
    assert house.asked == [URL, "http://pki.example/other.crl"]
    house.write("{file: certs/own-ca.pem}")
    await house.look(2 * HOUR)
    assert len(house.asked) == 2


async def test_another_authority_needs_another_list_at_once(house):
    await house.look()
    newer = make_pki("New PKI")
    house.authority.write_bytes(newer.pem)
    house.server = newer.crl(number=1)
    await house.look(1)
    assert len(house.asked) == 2
    assert house.judged(newer.sign()) == CUSTOMER  # what was kept for the old one is nothing that it could be older than


async def test_while_a_policy_has_a_mistake_the_last_good_ones_go_on(house):
    await house.look()
    house.folder.policy().write_text("customer: [")
    await house.look(HOUR)
    await house.look(1)
    assert len(house.asked) == 2


async def test_the_alarm_comes_before_the_end_and_once_a_day(house, caplog):
    house.server = PKI.crl(number=5, begin=NOW - DAY, end=NOW + 8 * DAY)  # a third of nine days are three
    await house.look()
    house.server = NotFetched("down")
    told = []
    for hours, expected in ((24 * 4, []), (24 + 2, ["crl-expires-soon"]), (1, []), (24, ["crl-expires-soon"]), (48, ["crl-expired"])):
        await house.look(hours * HOUR)
        news = [reason for reason in house.reasons() if reason.startswith("crl-exp")][len(told) :]
        told += news
        assert news == expected, hours
    assert f"customer '{CUSTOMER}': the revocation list in {URL} ended on " in caplog.text


async def test_lists_in_files_and_authorities_are_watched_over_too(house):
    (house.folder.path / "certs" / "own.crl").write_bytes(PKI.crl(end=NOW + timedelta(hours=3)))
    house.authority.write_bytes(make_pki(key=PKI.key, end=NOW + 2 * DAY).pem)
    house.write("{file: certs/own-ca.pem, crl: certs/own.crl}")
    await house.look()
    assert house.asked == []
    assert sorted(house.reasons()) == ["authority-expires-soon", "crl-expires-soon"]


async def test_an_audit_log_that_cannot_be_written_ends_nothing(house, caplog):
    house.folder.config.audit_dir.write_text("no folder")
    house.server = NotFetched("down")
    await house.look()
    assert "could not be recorded" in caplog.text


async def test_it_ends_at_once_also_while_a_server_keeps_it_waiting(house):
    stop, asked = asyncio.Event(), asyncio.Event()

    async def never(url):
        asked.set()
        await asyncio.Event().wait()

    house.keeper.fetch, house.keeper.interval = never, 0.01
    running = asyncio.create_task(house.keeper.run(stop))
    await asyncio.wait_for(asked.wait(), 30)
    stop.set()
    await asyncio.wait_for(running, 30)


async def test_a_look_that_fails_is_not_the_last_one(house, monkeypatch, caplog):
    read_files = crl_fetching._read
    failures = iter([OSError("disk")])

    def read_or_fail(*arguments):
        for failure in failures:
            raise failure
        return read_files(*arguments)

    monkeypatch.setattr(crl_fetching, "_read", read_or_fail)
    house.keeper.interval = 0.01
    stop = asyncio.Event()
    running = asyncio.create_task(house.keeper.run(stop))
    async with asyncio.timeout(30):
        while not house.kept.exists():
            await asyncio.sleep(0.01)
    stop.set()
    await running
    assert "revocation lists: OSError at " in caplog.text


async def test_from_a_real_server_into_the_state_folder(folder, serve):
    published = PKI.crl(LISTED)
    url = await serve(answering(body=published))
    house = House(folder, url)
    stop = asyncio.Event()
    running = asyncio.create_task(keep_fetched(folder.config_file, stop))
    async with asyncio.timeout(30):
        while not house.kept.exists():
            await asyncio.sleep(0.01)
    stop.set()
    await asyncio.wait_for(running, 30)
    assert house.kept.read_bytes() == published
    assert house.judged(LISTED) == "certificate-revoked"
