"""The cipher process: opens with the operator's passphrase alone, and takes nothing but idle times from the policies."""

import asyncio

import pytest

from gateway.ca.crl import read
from gateway.cipher.interface import ToOpen, ToSeal
from gateway.cipher.remote import RemoteCipher
from gateway.errors import ConfigurationError, SessionEnded, Unavailable
from gateway.link import Link
from gateway.runtime import cipher_process
from gateway.runtime.cipher_process import CipherRole
from gateway.runtime.signals import Signals
from gateway.runtime.startup import Startup
from tests.cli.conftest import CUSTOMER, PASSPHRASE

SECRET = b"c" * 32


@pytest.fixture
async def running(folder):
    """The process's own ``main``, in this one: yields its socket's path, ``stop`` and ``reload``."""
    stop, reload = asyncio.Event(), asyncio.Event()
    startup = Startup(cipher_link=SECRET, passphrase=PASSPHRASE.encode())
    task = asyncio.create_task(cipher_process.main(folder.config_file, startup, Signals(stop=stop, reload=reload)))
    socket = folder.config.run_dir / "cipher.sock"
    async with asyncio.timeout(30):
        while not socket.exists() and not task.done():
            await asyncio.sleep(0.01)
    yield socket, stop, reload
    stop.set()
    await asyncio.wait_for(task, 30)


@pytest.fixture
async def cipher(running):
    link = Link(running[0], SECRET, unavailable="cipher-unavailable")
    yield RemoteCipher(link)
    link.close()


async def test_a_value_goes_in_and_comes_back(cipher, folder):
    await cipher.unlock(CUSTOMER, "maria", folder.passwords["maria"])
    (sealed,) = await cipher.seal(CUSTOMER, [ToSeal("name", "Max Mustermann")])
    assert b"Max" not in sealed.sealed
    assert await cipher.open(CUSTOMER, [ToOpen("name", sealed.sealed)]) == ["Max Mustermann"]


async def test_it_keeps_the_customers_revocation_list(running, folder):
    async with asyncio.timeout(30):
        while read(folder.config.authority_dir(CUSTOMER)) is None:
            await asyncio.sleep(0.01)


async def test_without_a_password_nothing_is_sealed(cipher):
    with pytest.raises(SessionEnded):
        await cipher.seal(CUSTOMER, [ToSeal("name", "Max Mustermann")])


async def test_who_does_not_know_the_links_secret_hears_nothing(running, folder):
    link = Link(running[0], b"x" * 32, unavailable="cipher-unavailable")
    try:
        with pytest.raises(Unavailable, match="cipher-unavailable"):
            await RemoteCipher(link).unlock(CUSTOMER, "maria", folder.passwords["maria"])
    finally:
        link.close()


def test_the_socket_is_this_users_alone(running):
    socket = running[0]
    assert socket.stat().st_mode & 0o777 == 0o600
    assert socket.parent.stat().st_mode & 0o777 == 0o700


async def test_it_starts_also_while_the_policies_are_being_mended(folder):
    """A killed cipher must come back: a typo in a policy may not turn into an outage."""
    folder.policy().write_text("customer: [")
    stop = asyncio.Event()
    stop.set()
    startup = Startup(cipher_link=SECRET, passphrase=PASSPHRASE.encode())
    await asyncio.wait_for(cipher_process.main(folder.config_file, startup, Signals(stop=stop)), 30)


async def test_idle_times_follow_the_policy(folder):
    role = CipherRole(folder.config, folder.config_file, PASSPHRASE.encode())
    folder.policy().write_text(folder.policy().read_text().replace("idle: 15m", "idle: 1s"))
    revision = role.swap()
    assert len(revision) == 16
    assert (role._keys[CUSTOMER].idle, role._keys.get("nobody")) == (1, None)
    role.service.close()


async def test_no_start_without_the_operator_key(folder):
    with pytest.raises(ConfigurationError, match="does not open"):
        await cipher_process.main(folder.config_file, Startup(passphrase=b"wrong"), Signals())
