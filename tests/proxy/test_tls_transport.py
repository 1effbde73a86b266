"""The TLS layer between a fake socket and a fake application: what each is told, in every order in which bytes can come.

The client is OpenSSL's own, over memory BIOs, so that each byte of it can be held back, cut and repeated.
"""

import asyncio
import contextlib
import ssl

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.proxy.tls import server_context
from gateway.proxy.tls_transport import HELLO_BYTES, IDLE_BYTES, Entrance, TlsLayer, reason_of
from gateway.proxy.turnstile import Turnstile
from tests.proxy.records import APPLICATION, HANDSHAKE, KEY_UPDATE, writer_of

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


class Raw(asyncio.Transport):
    """The socket's transport. ``full``: bytes that nobody takes out of it."""

    def __init__(self):
        super().__init__()
        self.sent, self.calls, self.full = b"", [], 0

    def write(self, data):
        self.sent += data

    def taken(self):
        sent, self.sent = self.sent, b""
        return sent

    def get_write_buffer_size(self):
        return self.full

    def can_write_eof(self):
        return True

    def get_extra_info(self, name, default=None):
        return ("198.51.100.1", 1) if name == "peername" else default

    def set_write_buffer_limits(self, high=None, low=None):
        pass

    def is_closing(self):
        return "abort" in self.calls or "close" in self.calls


for name in ("write_eof", "abort", "close", "pause_reading", "resume_reading"):
    setattr(Raw, name, lambda self, name=name: self.calls.append(name))


class App(asyncio.Protocol):
    def __init__(self):
        self.told, self.data = [], b""

    def connection_made(self, transport):
        self.transport = transport
        self.told.append("made")

    def data_received(self, data):
        self.data += data

    def eof_received(self):
        self.told.append("eof")

    def connection_lost(self, exc):
        self.told.append("lost")

    def pause_writing(self):
        self.told.append("pause")

    def resume_writing(self):
        self.told.append("resume")


class Scene:
    """One connection. ``client`` speaks, the layer answers, everything that is said elsewhere is kept."""

    def __init__(self, context, client, *, handshake=60, goodbye=60, has_room=lambda peer: True):
        self.app, self.told, self.raw = App(), [], Raw()
        entrance = Entrance(context, lambda: self.app, lambda *told: self.told.append(told), Turnstile(), handshake, goodbye)
        self.layer = TlsLayer(entrance, "192.0.2.1", lambda: self.told.append("left"), has_room, lambda: self.told.append("lost"))
        self.layer.connection_made(self.raw)
        self._to_client, self._from_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client.wrap_bio(self._to_client, self._from_client, server_hostname="localhost")

    async def give(self, data):
        self.layer.data_received(data)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def shake_hands(self, size=1 << 20):
        for _ in range(10):
            try:
                self.client.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                done = False
            said = self._from_client.read()
            for at in range(0, len(said), size):
                await self.give(said[at : at + size])
            self._to_client.write(self.raw.taken())
            if done:
                return self
        raise AssertionError("the handshake does not end")

    def said(self, text):
        """What the client's OpenSSL makes of ``text``."""
        self.client.write(text)
        return self._from_client.read()

    def heard(self):
        self._to_client.write(self.raw.taken())
        return self.client.read(1 << 20)


@pytest.fixture
def own(new_authority):
    return new_authority("gateway")


@pytest.fixture
def customer(new_authority):
    return new_authority("customer")


@pytest.fixture
def context(own, customer):
    issued = own.issue("server", names=["localhost"], server=True)
    return server_context(issued.certificate, issued.key, customer.pem)


@pytest.fixture
def scene(own, customer, context):
    issued = customer.issue("import")
    return lambda version=None, **options: Scene(context, own.client_context(issued, version), **options)


@pytest.mark.parametrize("version", [V12, V13])
@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 20])
async def test_tm4_a_handshake_in_pieces_of_any_size_is_the_same_handshake(scene, version, size):
    one = await scene(version).shake_hands(size)
    assert (one.told, one.app.told) == (["left"], ["made"])
    transport = one.app.transport
    peer = transport.get_extra_info("peer")
    assert (peer.address, peer.server_name) == ("192.0.2.1", "localhost") and peer.leaf is not None
    assert transport.get_extra_info("peername") == ("192.0.2.1", 0)  # not the socket's: that may be a load balancer's
    assert transport.get_extra_info("ssl_object").version() == {V12: "TLSv1.2", V13: "TLSv1.3"}[version]
    assert transport.get_extra_info("sslcontext") is not None
    await one.give(one.said(b"hallo"))
    assert one.app.data == b"hallo"
    transport.write(b"welt")
    transport.writelines([b"!", bytearray(b"!"), memoryview(b"!")])
    assert one.heard() + one.client.read(100) == b"welt!!!"  # a record each


async def test_t_m4_a_padded_hello_over_several_records(scene):
    """16 kB of padding, cut into records of 100 bytes as RFC 8446 section 5.1 allows: the same certificate is asked for."""
    one = scene(V13)
    with pytest.raises(ssl.SSLWantReadError):
        one.client.do_handshake()
    hello = one._from_client.read()
    message = hello[5:]
    padding = b"\x00\x15" + (16000).to_bytes(2) + bytes(16000)  # extension 21, RFC 7685
    session = 38 + 1 + message[38]
    suites = session + 2 + int.from_bytes(message[session : session + 2])
    extensions = suites + 1 + message[suites]
    length = int.from_bytes(message[extensions : extensions + 2]) + len(padding)
    grown = message[4:extensions] + length.to_bytes(2) + padding + message[extensions + 2 :]
    grown = b"\x01" + len(grown).to_bytes(3) + grown
    for at in range(0, len(grown), 100):
        piece = grown[at : at + 100]
        await one.give(b"\x16\x03\x01" + len(piece).to_bytes(2) + piece)
    assert one.raw.sent[:1] == b"\x16" and one.told == []  # a ServerHello: it goes on as with any other hello


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(cuts=st.lists(st.integers(0, 600), max_size=12), text=st.binary(min_size=1, max_size=40_000))
def test_content_arrives_as_it_was_sent_however_it_is_cut(scene, cuts, text):
    async def main():
        one = await scene(V13).shake_hands()
        said = one.said(text)
        for at in sorted(cuts, reverse=True):
            await one.give(said[:at])
            said = said[at:]
        await one.give(said)
        assert one.app.data == text

    asyncio.run(main())


async def test_large_answers_leave_as_they_were_written(scene):
    one = await scene().shake_hands()
    text = bytes(range(256)) * 1000
    one.app.transport.write(text)
    one._to_client.write(one.raw.taken())
    heard = b""
    while len(heard) < len(text):
        heard += one.client.read(1 << 20)
    assert heard == text


BAD = {
    "plain HTTP": (b"GET / HTTP/1.1\r\n\r\n", "not-tls"),
    "an old version": (None, "tls-version"),
    "noise": (b"\x16\x03\x01\x00\x05Max\x00\x00\x00\x00", "handshake-failed"),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", BAD)
async def test_c08_a_failed_handshake_ends_with_an_alert_and_a_reason(own, context, name):
    hello, reason = BAD[name]
    client = own.client_context()
    if hello is None:
        client.minimum_version, client.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        client.set_ciphers("ALL:@SECLEVEL=0")
    one = Scene(context, client)
    if hello is None:
        with pytest.raises(ssl.SSLWantReadError):
            one.client.do_handshake()
        hello = one._from_client.read()
    await one.give(hello)
    assert one.told == ["left", ("192.0.2.1", reason)]
    assert one.raw.sent[:2] in (b"\x15\x03", b"")  # an alert record; to plain HTTP OpenSSL says nothing
    assert one.raw.calls == ["write_eof", "resume_reading"]  # the socket lives until it was read
    one.layer.eof_received()
    assert one.raw.calls[-1] == "close"
    one.layer.connection_lost(None)
    assert one.told[2:] == ["lost"] and one.app.told == []


@pytest.mark.parametrize("version", [V12, V13])
@pytest.mark.parametrize(
    ("issuer", "days", "alert", "reason"),
    [
        ("stranger", (-1, 30), "UNKNOWN_CA", "certificate-unknown"),
        ("customer", (-30, -1), "CERTIFICATE_EXPIRED", "certificate-expired"),
        ("customer", (1, 30), "BAD_CERTIFICATE", "certificate-expired"),
    ],
)
async def test_c08_c09_the_client_learns_why_its_certificate_is_refused(
    own, customer, new_authority, context, version, issuer, days, alert, reason
):
    authority = customer if issuer == "customer" else new_authority("stranger")
    one = Scene(context, own.client_context(authority.issue("import", days=days), version))
    with pytest.raises(ssl.SSLError, match=alert):
        await one.shake_hands()
        one.heard()  # TLS 1.3: only who reads learns that the handshake has failed
    assert one.told == ["left", ("192.0.2.1", reason)]


async def test_td6_a_handshake_has_a_deadline(scene):
    one = scene(handshake=0)
    while not one.told:
        await asyncio.sleep(0)
    assert one.told == ["left", ("192.0.2.1", "tls-timeout")] and one.raw.calls == ["abort"]
    one.layer.connection_lost(None)
    assert one.told[2:] == ["lost"]


async def test_a_handshake_without_end_is_cut(scene):
    one = scene()
    record = b"\x16\x03\x01\x40\x00" + b"\x01\x00\xff\xff" + bytes(16380)
    for _ in range(HELLO_BYTES // len(record) + 2):
        await one.give(record)
    assert len([told for told in one.told if told != "left"]) == 1


@pytest.fixture
def writer(own, context, tmp_path):
    """A connection of TLS 1.3, and what makes its client's records by hand."""

    async def open_connection():
        client = own.client_context(None, V13)
        client.keylog_filename = str(tmp_path / "keys.log")
        one = await Scene(context, client).shake_hands()
        return one, writer_of(one.client, tmp_path / "keys.log")

    return open_connection


async def test_tm13_some_key_updates_are_honest(writer):
    one, client = await writer()
    for number in range(100):
        await one.give(client.key_update(answer=number % 2 == 0) + client.record(APPLICATION, b"."))
    assert one.app.data == b"." * 100 and one.told == ["left"]
    assert one.raw.sent.count(b"\x17\x03\x03") >= 50  # its own updates, as asked for


FLOODS = {
    "KeyUpdates": lambda client: client.key_update(),
    "KeyUpdates that want an answer": lambda client: client.key_update(answer=True),
    "a byte in 64 KeyUpdates": lambda client: b"".join(client.key_update() for _ in range(64)) + client.record(APPLICATION, b"."),
}


@pytest.mark.parametrize("flood", FLOODS)
async def test_tm13_a_flood_of_them_is_cut(writer, flood):
    """10,000 of them: cut after 64 kB that carried nothing, which is what bounds the work."""
    one, client = await writer()
    sent = answered = 0
    while "abort" not in one.raw.calls and sent < 270_000:
        records = b"".join(FLOODS[flood](client) for _ in range(8))
        sent += len(records)
        await one.give(records)
        answered += len(one.raw.taken())
    assert one.told == ["left", ("192.0.2.1", "tls-flood")]
    assert sent < 2 * IDLE_BYTES and answered < 2 * IDLE_BYTES
    await one.give(client.record(APPLICATION, b"Mustermann"))
    assert b"Mustermann" not in one.app.data


async def test_tm13_an_answer_into_half_a_key_update_ends_the_connection(writer):
    """OpenSSL then writes nothing before it has read the rest: an exception out of ``write``, in the middle of an answer."""
    one, client = await writer()
    await one.give(client.record(HANDSHAKE, KEY_UPDATE))
    one.app.transport.write(b"antwort")
    one.app.transport.write(b"mehr")
    assert one.told == ["left", ("192.0.2.1", "tls-flood")] and one.raw.calls == ["abort"]


async def test_one_byte_in_each_record_is_slow_and_honest(writer):
    one, client = await writer()
    for _ in range(200):
        await one.give(b"".join(client.record(APPLICATION, b".") for _ in range(50)))
    assert len(one.app.data) == 10_000 and one.told == ["left"]


async def test_pauses_hold_back_what_was_read_already(scene):
    one = await scene().shake_hands()
    first, second = one.said(b"eins"), one.said(b"zwei")
    one.app.transport.pause_reading()
    await one.give(first + second)
    assert one.app.data == b""
    one.app.transport.resume_reading()
    await asyncio.sleep(0)
    assert one.app.data == b"einszwei"
    assert one.raw.calls == ["pause_reading", "resume_reading"]


async def test_a_small_record_before_large_ones_is_no_flood(scene):
    """A head and a megabyte of body that arrive together, while the application pauses after the head."""
    one = await scene().shake_hands()
    said = one.said(b"head")
    one.client.write(bytes(1 << 14))
    said += b"".join(one.said(bytes(1 << 14)) for _ in range(64)) + one._from_client.read()
    data_received = one.app.data_received

    def pausing(data):
        data_received(data)
        one.app.transport.pause_reading()

    one.app.data_received = pausing
    await one.give(said)
    assert one.app.data == b"head"
    one.app.data_received = data_received
    one.app.transport.resume_reading()
    await asyncio.sleep(0)
    assert len(one.app.data) == 4 + 65 * (1 << 14) and one.told == ["left"]


async def test_pressure_from_below_reaches_the_application(scene):
    one = await scene().shake_hands()
    one.layer.pause_writing()
    one.layer.resume_writing()
    assert one.app.told == ["made", "pause", "resume"]


async def test_a_goodbye_follows_the_answer_and_waits_to_be_read(scene):
    one = await scene().shake_hands()
    one.app.transport.write(b"antwort")
    one.app.transport.close()
    assert one.app.transport.is_closing()
    one.app.transport.write(b"zu spaet")
    one.app.transport.close()
    assert one.raw.calls == ["write_eof", "resume_reading"]
    assert one.heard() == b"antwort"
    assert one.client.read(10) == b""  # close_notify: the end is the end, not a cut
    await one.give(b"whatever still comes is nobody's")
    assert one.layer.eof_received() is True
    one.layer.connection_lost(None)
    assert one.app.told == ["made", "lost"] and one.told == ["left", "lost"]


async def test_a_peer_that_never_reads_the_goodbye_is_cut(scene):
    one = await scene(goodbye=0).shake_hands()
    one.raw.full = 100
    one.app.transport.close()
    await asyncio.sleep(0.01)
    assert "abort" not in one.raw.calls  # what is written is on its way: the server's own deadline judges that
    one.raw.full = 0
    one.layer.resume_writing()
    while "abort" not in one.raw.calls:
        await asyncio.sleep(0)


async def test_td2_one_too_many_hears_a_goodbye_and_reaches_nothing(scene):
    asked = []
    one = await scene(has_room=lambda peer: asked.append(peer.server_name)).shake_hands()
    assert asked == ["localhost"]
    assert one.told == ["left", ("192.0.2.1", "connections-exceeded")] and one.app.told == []
    assert one.raw.calls == ["write_eof", "resume_reading"]
    assert one.client.read() == b""


async def test_a_client_that_says_goodbye(scene):
    one = await scene().shake_hands()
    with pytest.raises(ssl.SSLWantReadError):
        one.client.unwrap()
    await one.give(one._from_client.read())
    assert one.app.told == ["made", "eof"]
    assert one.raw.calls == ["write_eof", "resume_reading"]
    assert one.layer.eof_received() is True
    assert one.raw.calls[2:] == ["close"]


@pytest.mark.parametrize("when", ["in its handshake", "later"])
async def test_a_client_that_just_leaves_holds_its_place_no_longer(scene, when):
    """As most scripts do. Nothing of it can come any more, so there is no goodbye to wait for; what was written still goes out."""
    one = scene()
    if when == "later":
        await one.shake_hands()
    assert one.layer.eof_received() is True
    assert one.app.told == (["made", "eof"] if when == "later" else [])
    assert one.raw.calls == ["write_eof", "resume_reading", "close"]


async def test_a_forged_record_ends_the_connection_and_nothing_of_it_arrives(scene):
    one = await scene().shake_hands()
    record = bytearray(one.said(b"Mustermann"))
    record[-1] ^= 1
    await one.give(bytes(record))
    assert one.app.data == b"" and one.raw.calls == ["write_eof", "resume_reading"]
    assert one.app.transport.is_closing()


async def test_gone_in_the_middle_of_a_handshake(scene):
    one = scene()
    one.layer.connection_lost(ConnectionResetError())
    assert one.told == ["left", ("192.0.2.1", "client-gone"), "lost"] and one.app.told == []


async def test_abort(scene):
    one = await scene().shake_hands()
    one.app.transport.abort()
    assert one.raw.calls == ["abort"]
    assert one.app.transport.is_closing()
    one.layer.connection_lost(None)
    one.app.transport.abort()
    assert one.raw.calls == ["abort"] and one.told == ["left", "lost"]


@pytest.mark.parametrize("paused", [False, True])
async def test_what_came_before_an_abort_is_not_delivered_after_it(scene, paused):
    """A connection that was just broken off because its certificate was revoked, say."""
    one = await scene().shake_hands()
    said = one.said(b"eins") + one.said(b"zwei")
    data_received = one.app.data_received

    def breaking_off(data):
        data_received(data)
        one.app.transport.abort()

    one.app.data_received = breaking_off
    if paused:
        one.app.transport.pause_reading()
        await one.give(said)
        one.app.transport.resume_reading()
        one.app.transport.abort()
    else:
        await one.give(said)
    await asyncio.sleep(0)
    assert one.app.data == (b"" if paused else b"eins")


@pytest.mark.parametrize(("error", "reason"), [(ssl.SSLError(1, "Max Mustermann"), "handshake-failed")])
def test_reasons_are_a_closed_list(error, reason):
    assert reason_of(error) == reason


@pytest.mark.parametrize("size", [1, 20_000, 300_000])
@pytest.mark.parametrize("piece", [1 << 20, 65_536, 1460])
async def test_what_comes_right_behind_a_handshake_is_content_however_much_it_is(own, customer, context, size, piece):
    """TLS 1.3 clients send their request with the end of the handshake: while that waits for its turn, an import of 300 kB may lie
    behind it, and is no flood. What is not OpenSSL's yet is bounded: nothing more is read."""
    one = Scene(context, own.client_context(customer.issue("import"), V13))
    with contextlib.suppress(ssl.SSLWantReadError):
        one.client.do_handshake()
    await one.give(one._from_client.read())
    one._to_client.write(one.raw.taken())
    one.client.do_handshake()
    said = one._from_client.read() + one.said(b"x" * size)
    for at in range(0, len(said), piece):
        if one.raw.calls[-1:] == ["pause_reading"]:
            break
        one.layer.data_received(said[at : at + piece])
    else:
        at += piece
    assert at < HELLO_BYTES + piece or piece > len(said)
    for _ in range(5):
        await asyncio.sleep(0)
    assert one.told == ["left"] and one.raw.calls[-1:] != ["pause_reading"]
    await one.give(said[at:])
    assert one.app.data == b"x" * size


@pytest.mark.parametrize("version", [V12, V13])
@pytest.mark.parametrize(("certificates", "fits"), [(8, True), (80, False)])
async def test_tm12_a_chain_without_end_is_not_read(own, customer, context, tmp_path, version, certificates, fits):
    """Each certificate of it costs OpenSSL a quarter of a millisecond in which nobody else is served."""
    issued = customer.issue("import")
    chain = tmp_path / "chain.pem"
    chain.write_text(issued.certificate.read_text() * certificates)
    client = own.client_context(None, version)
    client.load_cert_chain(chain, issued.key)
    one = Scene(context, client)
    if fits:
        assert (await one.shake_hands()).told == ["left"]
    else:
        with contextlib.suppress(AssertionError):
            await one.shake_hands()
        assert one.told == ["left", ("192.0.2.1", "tls-flood")]
