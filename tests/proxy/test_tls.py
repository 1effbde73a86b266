"""The TLS profile, seen from clients: what they can speak, and which certificates let them finish a handshake."""

import asyncio
import contextlib
import ssl

import pytest

from gateway.errors import ConfigurationError
from gateway.proxy.tls import server_context, server_name

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture
def own(new_authority):
    return new_authority("gateway")


@pytest.fixture
def server(own):
    issued = own.issue("server", names=["localhost"], server=True)
    return lambda pem="": server_context(issued.certificate, issued.key, pem)


async def visit(raw_server, context, client, name="localhost"):
    """What a client gets: (leaf seen by the server, server name seen, protocol). Reads before it believes (C-09)."""
    seen = []

    async def serve(reader, writer):
        encrypted = writer.get_extra_info("ssl_object")
        seen.append((encrypted.getpeercert(True) is not None, server_name(encrypted)))
        writer.write(b"ok")
        await writer.drain()

    port = await raw_server(serve, ssl=context)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=name)
    try:
        if await reader.read(2) != b"ok":
            raise ConnectionResetError
        encrypted = writer.get_extra_info("ssl_object")
        return *seen[0], encrypted.version(), encrypted.selected_alpn_protocol()
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@pytest.mark.parametrize(("version", "name"), [(V12, "TLSv1.2"), (V13, "TLSv1.3")])
async def test_a_known_certificate_is_identified_and_no_certificate_is_let_through_to_its_403(
    raw_server, server, own, new_authority, version, name
):
    customer = new_authority("customer")
    context = server(customer.pem)
    client = own.client_context(customer.issue("import"), version)
    assert await visit(raw_server, context, client) == (True, "localhost", name, "http/1.1")
    assert await visit(raw_server, context, own.client_context(None, version)) == (False, "localhost", name, "http/1.1")


@pytest.mark.parametrize("version", [V12, V13])
@pytest.mark.parametrize(
    ("issuer", "options"),
    [("stranger", {}), ("customer", {"days": (-30, -1)}), ("customer", {"days": (1, 30)}), ("customer", {"server": True})],
    ids=["unknown authority", "expired", "not yet valid", "a server's certificate (T-M9)"],
)
async def test_a_bad_certificate_fails_the_handshake(raw_server, server, own, new_authority, version, issuer, options):
    authorities = {"customer": new_authority("customer"), "stranger": new_authority("stranger")}
    client = own.client_context(authorities[issuer].issue("import", **options), version)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await visit(raw_server, server(authorities["customer"].pem), client)


@pytest.mark.parametrize("version", [V12, V13])
async def test_tm3_no_authorities_believe_nobody(raw_server, server, own, new_authority, version):
    client = own.client_context(new_authority("customer").issue("import"), version)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await visit(raw_server, server(""), client)
    assert (await visit(raw_server, server(""), own.client_context(None, version)))[0] is False


async def test_two_authorities_side_by_side(raw_server, server, own, new_authority):
    nord, sued = new_authority("nord"), new_authority("sued")
    for authority in (nord, sued):
        client = own.client_context(authority.issue("import"))
        assert (await visit(raw_server, server(nord.pem + sued.pem + nord.pem), client))[0]


def test_profile(server, new_authority):
    context = server(new_authority("customer").pem)
    assert context.minimum_version == V12
    assert context.verify_mode == ssl.CERT_OPTIONAL
    assert context.num_tickets == 0
    for option in (ssl.OP_NO_TICKET, ssl.OP_NO_COMPRESSION, ssl.OP_NO_RENEGOTIATION):
        assert context.options & option
    assert context.verify_flags & ssl.VERIFY_X509_PARTIAL_CHAIN
    weak = [each["name"] for each in context.get_ciphers() if not (each["aead"] and each["kea"] in ("kx-ecdhe", "kx-any"))]
    assert weak == []


@pytest.mark.parametrize("version", [V12, V13])
async def test_c01_no_ticket_is_ever_handed_out(raw_server, server, own, version):
    client = own.client_context(None, version)

    async def serve(reader, writer):
        writer.write(b"ok")
        await writer.drain()
        await reader.read()

    port = await raw_server(serve, ssl=server())
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname="localhost")
    assert await reader.read(2) == b"ok"
    session = writer.get_extra_info("ssl_object").session
    assert session is None or not session.has_ticket
    writer.close()
    await writer.wait_closed()


async def test_td8_h2_is_never_offered(raw_server, server, own):
    client = own.client_context()
    client.set_alpn_protocols(["h2", "http/1.1"])
    assert (await visit(raw_server, server(), client))[3] == "http/1.1"


@pytest.mark.parametrize(
    "damage",
    [
        lambda pem: "no certificate at all\n-----BEGIN CERTIFICATE-----\n",
        lambda pem: pem.replace("M", "!", 1),
        lambda pem: pem[: len(pem) // 2],
        lambda pem: pem + pem[: len(pem) // 2],
        lambda pem: pem + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ],
)
def test_tm3_damaged_authorities_are_a_load_error(server, new_authority, damage):
    with pytest.raises(ConfigurationError):
        server(damage(new_authority("customer").pem))


def test_tm3_own_files_missing_swapped_or_not_a_pair(own, new_authority, tmp_path):
    one, two = own.issue("one"), own.issue("two")
    for certificate, key in (
        (tmp_path / "none", one.key),
        (one.certificate, tmp_path / "none"),
        (one.key, one.certificate),
        (one.certificate, two.key),
    ):
        with pytest.raises(ConfigurationError):
            server_context(certificate, key, "")
