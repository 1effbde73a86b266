"""The operators' process by its own ``main``: TLS only, its files read anew, and no failure of its own that customers would notice."""

import asyncio
import logging
import os
import re
import socket
import ssl

import pytest

from gateway.ca.server import create_server_certificate
from gateway.runtime import admin_process, worker
from gateway.runtime.signals import Signals
from gateway.runtime.startup import Startup
from tests.cli.conftest import CUSTOMER, PASSPHRASE

HEAD = "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n"


class Running:
    """``main`` until the end of the test, on a port that is free."""

    def __init__(self, folder, main=admin_process.main, passphrase=b""):
        self.folder, self.stop, self.reload = folder, asyncio.Event(), asyncio.Event()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        text = folder.config_file.read_text().replace("{listen: 127.0.0.1:0}", f"{{listen: 127.0.0.1:{self.port}}}")
        folder.config_file.write_text(text)
        self.task = asyncio.create_task(
            main(folder.config_file, Startup(passphrase=passphrase), Signals(stop=self.stop, reload=self.reload))
        )

    def context(self, authority="server-ca.pem"):
        context = ssl.create_default_context(cafile=self.folder.path / "certs" / authority)
        context.check_hostname = False
        return context

    async def get(self, path, *more, host="127.0.0.1", context=None):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=context or self.context())
        writer.write(HEAD.format(path=path, host=host, more="".join(f"{line}\r\n" for line in more)).encode())
        answer = await reader.read()
        writer.close()
        return answer.decode()

    async def until(self, condition):
        """Polled, because files tell nobody that they were read; bounded."""
        async with asyncio.timeout(30):
            while True:
                assert not self.task.done(), self.task
                try:
                    if found := await condition():
                        return found
                except OSError:
                    pass
                await asyncio.sleep(0.02)

    async def up(self):
        await self.until(lambda: self.get("/healthz"))
        return self


@pytest.fixture
async def start(folder):
    running = []

    def started(**options):
        running.append(Running(folder, **options))
        return running[-1]

    yield started
    for one in running:
        one.stop.set()
        await asyncio.wait_for(one.task, 30)


@pytest.mark.parametrize("main", [admin_process.main, worker.main], ids=["separate", "one"])
async def test_health_readiness_and_the_token(start, folder, main):
    one = main is worker.main
    if one:
        text = folder.config_file.read_text().replace("0.0.0.0:8443", "127.0.0.1:0").replace("processes: separate", "processes: one")
        folder.config_file.write_text(text)
    running = await start(main=main, passphrase=PASSPHRASE.encode()).up()
    alive = await running.get("/healthz")
    assert alive.startswith("HTTP/1.1 200 OK\r\n")
    assert "\r\nServer: gateway\r\n" in alive
    assert (await running.get("/readyz")).startswith(f"HTTP/1.1 {200 if one else 503} ")  # alone it has no vault and no cipher
    assert (await running.get("/metrics")).startswith("HTTP/1.1 401 ")
    token = folder.config.admin_token
    assert token.stat().st_mode & 0o777 == 0o600
    assert (await running.get("/metrics", f"Authorization: Bearer {token.read_text().strip()}")).startswith("HTTP/1.1 200 ")


async def test_nothing_is_served_in_the_clear_nor_in_old_tls(start):
    running = await start().up()
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(HEAD.format(path="/healthz", host="127.0.0.1", more="").encode())
    assert b"HTTP" not in await reader.read()
    writer.close()
    old = running.context()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await running.get("/healthz", context=old)


async def test_nothing_is_loaded_again_that_did_not_change(start, caplog):
    with caplog.at_level(logging.INFO):
        running = await start().up()
        running.reload.set()  # what is asked for is done, and it is the only one
        await running.until(lambda: asyncio.sleep(0, "reloaded, revision" in caplog.text))
    assert caplog.text.count("reloaded, revision") == 1


async def test_a_new_server_certificate_counts_without_a_restart(start, folder):
    running = await start().up()
    for name in ("server.pem", "server.key", "server-ca.pem"):
        (folder.path / "certs" / name).rename(folder.path / "certs" / f"old-{name}")
    create_server_certificate(folder.path / "certs", ["gateway.example"])
    running.reload.set()
    assert await running.until(lambda: running.get("/healthz"))
    with pytest.raises(ssl.SSLCertVerificationError):
        await running.get("/healthz", context=running.context("old-server-ca.pem"))


async def test_host_names_follow_the_configuration(start, folder):
    running = await start().up()
    assert (await running.get("/healthz", host="new.example")).startswith("HTTP/1.1 421 ")
    folder.config_file.write_text(folder.config_file.read_text().replace("hostnames: [", 'hostnames: ["new.example", '))
    running.reload.set()

    async def taken_over():
        return (await running.get("/healthz", host="new.example")).startswith("HTTP/1.1 200 ")

    assert await running.until(taken_over)


async def test_it_starts_while_somebody_mends_a_policy(start, folder, caplog):
    """A restart in the middle of an edit must not leave the operators without eyes."""
    folder.policy().write_text("customer: 1\n")
    running = await start().up()
    assert re.search(r"not loaded: .*stadtwerke_musterstadt\.yaml:1:", caplog.text)
    assert (await running.get("/healthz")).startswith("HTTP/1.1 200 ")


async def test_metrics_tell_of_certificates_policies_and_failed_reloads(start, folder):
    running = await start().up()
    bearer = f"Authorization: Bearer {folder.config.admin_token.read_text().strip()}"
    text = await running.get("/metrics", bearer)
    assert "\ngateway_customers 1.0\n" in text
    assert f'gateway_certificates_expiring{{customer="{CUSTOMER}"}} 0.0' in text
    assert "\ngateway_reload_failed 0.0\n" in text
    folder.policy().write_text("customer: 1\n")
    running.reload.set()

    async def noticed():
        return "\ngateway_reload_failed 1.0\n" in await running.get("/metrics", bearer)

    assert await running.until(noticed)
    assert "\ngateway_customers 1.0\n" in await running.get("/metrics", bearer)  # the last good ones


async def test_a_revocation_list_of_ours_is_published(start, folder):
    running = await start().up()
    assert (await running.get(f"/crl/{CUSTOMER}.crl")).startswith("HTTP/1.1 404 ")
    (folder.config.authority_dir(CUSTOMER) / "crl.der").write_bytes(b"signed elsewhere")
    assert (await running.get(f"/crl/{CUSTOMER}.crl")).endswith("signed elsewhere")


async def test_without_a_listener_it_runs_all_the_same(folder):
    folder.config_file.write_text(re.sub(r"(?m)^admin:.*$", "", folder.config_file.read_text()))
    stop, (reading, writing) = asyncio.Event(), os.pipe()
    task = asyncio.create_task(admin_process.main(folder.config_file, Startup(ready_fd=writing), Signals(stop=stop)))
    assert await asyncio.wait_for(asyncio.to_thread(os.read, reading, 1), 30) == b"1"
    os.close(reading)
    stop.set()
    await asyncio.wait_for(task, 30)
    assert not folder.config.admin_token.exists()


async def test_a_port_that_is_taken_is_named(folder):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        folder.config_file.write_text(folder.config_file.read_text().replace("{listen: 127.0.0.1:0}", f"{{listen: {taken}}}"))
        with pytest.raises(OSError, match="Address already in use") as raised:
            await admin_process.main(folder.config_file, Startup(), Signals())
    assert raised.value.filename == taken


async def test_inside_a_worker_a_failure_is_tried_again(folder, monkeypatch, caplog):
    monkeypatch.setattr(admin_process, "AGAIN", 0.01)
    tried, stop = [], asyncio.Event()

    def fails(*_):
        tried.append(1)
        if len(tried) == 3:
            stop.set()
        raise RecursionError("Max Mustermann")

    monkeypatch.setattr(admin_process, "AdminRole", fails)
    with caplog.at_level(logging.ERROR):
        await asyncio.wait_for(admin_process.beside(folder.config, folder.config_file, None, admin_process.Ending(stop, stop)), 30)
    assert len(tried) == 3
    assert "RecursionError" in caplog.text
    assert "Mustermann" not in caplog.text
