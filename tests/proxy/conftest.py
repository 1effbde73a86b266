"""Servers and certificates for the tests of the edge: real sockets, real handshakes, nothing simulated."""

import asyncio
import contextlib
import datetime
import ssl
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LOOPS = {"asyncio": asyncio.new_event_loop}
with contextlib.suppress(ImportError):
    import uvloop

    LOOPS["uvloop"] = uvloop.new_event_loop

ON_BOTH_LOOPS = {"test_upstream", "test_dialing", "test_health", "test_tls", "test_server"}


def pytest_asyncio_loop_factories(config, item):
    """What touches sockets must behave alike on both event loops; uvloop's transports are other types, and report ends differently."""
    return LOOPS if item.path.stem in ON_BOTH_LOOPS else {"asyncio": asyncio.new_event_loop}


@dataclass
class Issued:
    certificate: Path
    key: Path


class Authority:
    """A certificate authority that issues whatever a test wants to see accepted or refused."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._certificate = self._build(self._subject, self._key.public_key(), authority=True, days=(-400, 400))

    def _build(self, subject, public_key, *, authority, days, names=(), server=False):
        now = datetime.datetime.now(datetime.UTC)
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=days[0]))
            .not_valid_after(now + datetime.timedelta(days=days[1]))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        )
        if not authority:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    @property
    def pem(self):
        return self._certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def file(self):
        path = self.folder / f"{self.name}.pem"
        path.write_text(self.pem)
        return path

    def issue(self, name, *, days=(-1, 30), names=(), server=False):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._build(subject, key.public_key(), authority=False, days=days, names=names, server=server)
        issued = Issued(self.folder / f"{self.name}-{name}.pem", self.folder / f"{self.name}-{name}.key")
        issued.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        issued.key.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        return issued

    def client_context(self, issued=None, version=None):
        context = ssl.create_default_context(cadata=self.pem)
        context.set_alpn_protocols(["http/1.1"])
        if issued is not None:
            context.load_cert_chain(issued.certificate, issued.key)
        if version is not None:
            context.minimum_version = context.maximum_version = version
        return context


@pytest.fixture
def new_authority(tmp_path):
    return lambda name: Authority(tmp_path, name)


@pytest.fixture
async def raw_server():
    """Start a server from ``async def serve(reader, writer)``; what is returned is its port, or with ``path`` its UNIX socket."""
    servers = []

    async def start(serve, **options):
        writers = []

        async def guarded(reader, writer):
            writers.append(writer)
            try:
                await serve(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass  # the gateway hung up, which is what many of these tests want
            finally:
                writer.close()

        if "path" in options:
            server = await asyncio.start_unix_server(guarded, **options)
        else:
            server = await asyncio.start_server(guarded, options.pop("host", "127.0.0.1"), options.pop("port", 0), **options)
        servers.append((server, writers))
        return options["path"] if "path" in options else server.sockets[0].getsockname()[1]

    yield start
    for server, writers in servers:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await server.wait_closed()
    await asyncio.sleep(0)
