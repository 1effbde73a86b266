"""The cipher service: who is open, for how long, and its verbs. Runs on one event loop; only Argon2 leaves it.

What belongs here: unlocking and changing passwords with their bounded queue, and closing in time. What never may: a password kept, a
key returned, or a branch that seals or opens without the customer's token, or writes a keyslot without a credential.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from gateway.cipher import credentials, files, keyslots
from gateway.cipher.customers import CustomerKeys
from gateway.cipher.files import CustomerFiles, Identity
from gateway.cipher.interface import Sealed, ToOpen, ToSeal
from gateway.cipher.opened import OpenCustomer
from gateway.cipher.primitives import DEFAULT_COST, KEY, Argon2Parameters, authenticate, length_prefixed, wipe
from gateway.cipher.providers import OperatorKey
from gateway.cipher.values import ClassKeys
from gateway.errors import ConfigurationError, Refused, SessionEnded, Unavailable

IDLE = 15 * 60.0  # seconds that an open customer token outlives its last use
LONGEST = 12 * 3600.0  # seconds, whatever the use
THREADS = 2  # Argon2 releases the GIL; more would take the cores from those who are already in
WAITING = 16  # passwords of one customer being checked, changed or queued: 16 × 40 ms behind two threads is a third of a second
WAITING_IN_ALL = 128
#: Changes, one at a time and two Argon2 each: so many that the last one is answered long before the vault gives the link up (15 s).
CHANGING, CHANGING_IN_ALL = 4, 32

_T = TypeVar("_T")


class CipherService:
    """The local form of ``interface.Cipher``. ``idle_of`` and ``longest_of`` give a customer's seconds; ``today`` those since the epoch,
    for passwords that end."""

    def __init__(
        self,
        operator: OperatorKey,
        files_of: Callable[[str], CustomerFiles],
        *,
        idle_of: Callable[[str], float] = lambda _: IDLE,
        longest_of: Callable[[str], float] = lambda _: LONGEST,
        cost: Argon2Parameters = DEFAULT_COST,
        clock: Callable[[], float] = time.monotonic,
        today: Callable[[], float] = time.time,
    ) -> None:
        self._operator, self._files_of = operator, files_of
        self._idle_of, self._longest_of = idle_of, longest_of
        self._cost, self._clock, self._today = cost, clock, today
        self._boot_key = secrets.token_bytes(KEY)
        self._opened: dict[str, OpenCustomer] = {}
        self._checking: dict[bytes, asyncio.Task[None]] = {}
        self._waiting: Counter[str] = Counter()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="argon2")
        # A change waits for the lock of the customer's folder, which a command at a terminal may hold: never in the way of who signs in.
        self._changes = ThreadPoolExecutor(1, thread_name_prefix="keyslots")
        self._working: set[asyncio.Future[Any]] = set()
        self._changing: Counter[str] = Counter()

    # -- interface.Cipher

    async def unlock(self, customer: str, user: str, password: str) -> None:
        proof = self._proof(customer, user, password)
        opened = self._find(customer)
        if opened is not None and opened.recognises(proof, self._today()):
            opened.touch(self._clock())
            return
        check = self._checking.get(proof)
        if check is None:
            check = self._begin_check(proof, customer, user, password)
        # Shielded: one client that hangs up must not make the others that wait for the same answer fail.
        await asyncio.shield(check)

    async def seal(self, customer: str, items: Sequence[ToSeal]) -> list[Sealed]:
        keys = self._keys(customer, {item.data_class for item in items}, draw=True)
        return [keys[item.data_class].seal(item) for item in items]

    async def open(self, customer: str, items: Sequence[ToOpen]) -> list[str | None]:
        keys = self._keys(customer, {item.data_class for item in items}, draw=False)
        return [keys[item.data_class].open(item) if item.data_class in keys else None for item in items]

    async def change_password(self, customer: str, user: str, old: str, new: str | None, overlap: int) -> str:
        chosen = credentials.generate_password() if new is None else new
        by = credentials.password(user, old)
        await self._change(customer, lambda keys: keys.set_password(user, chosen, authorised_by=by, overlap=overlap))
        return chosen

    async def make_user(self, customer: str, by_user: str, by_password: str, user: str, password: str | None) -> str:
        chosen = credentials.generate_password() if password is None else password
        by = credentials.password(by_user, by_password)
        await self._change(customer, lambda keys: keys.add_user(user, chosen, authorised_by=by))
        return chosen

    async def users(self, customer: str) -> list[str]:
        if self._find(customer) is None:
            raise SessionEnded
        return await self._in_queue(customer, self._threads, lambda keys: keys.users())

    # -- closing

    def sweep(self, now: float | None = None) -> list[str]:
        """Close and wipe whoever is idle, too long open, or shredded meanwhile. The process calls it every few seconds."""
        now = self._clock() if now is None else now
        ended = [customer for customer, opened in self._opened.items() if self._expired(customer, opened, now) or self._gone(customer)]
        for customer in ended:
            self.lock(customer)
        return ended

    def lock(self, customer: str) -> None:
        """Close a customer now; everybody of that customer shows the password again."""
        opened = self._opened.pop(customer, None)
        if opened is not None:
            opened.close()

    def close(self) -> None:
        for customer in list(self._opened):
            self.lock(customer)
        for threads in (self._threads, self._changes):
            threads.shutdown(wait=True, cancel_futures=True)

    def open_customers(self) -> list[str]:
        return sorted(self._opened)

    # -- unlocking

    def _proof(self, customer: str, user: str, password: str) -> bytes:
        """What a repeated password is recognised by. Length-prefixed, with the customer (T-A2); the exact octets, so another
        spelling of one password just costs another Argon2."""
        parts = (each.encode("utf-8", "surrogatepass") for each in (customer, user, password))
        return authenticate(self._boot_key, length_prefixed(*parts))

    def _begin_check(self, proof: bytes, customer: str, user: str, password: str) -> asyncio.Task[None]:
        self._queue(customer)
        check = asyncio.get_running_loop().create_task(self._check(proof, customer, user, password))
        self._checking[proof] = check
        check.add_done_callback(lambda done: self._end_check(proof, customer, done))
        return check

    def _end_check(self, proof: bytes, customer: str, done: asyncio.Task[None]) -> None:
        del self._checking[proof]
        self._leave(customer)
        if not done.cancelled():
            done.exception()  # seen, even if everybody who waited for it has gone

    async def _check(self, proof: bytes, customer: str, user: str, password: str) -> None:
        loop = asyncio.get_running_loop()
        if not files.CUSTOMER_NAME.fullmatch(customer):  # before a path is made of it
            await loop.run_in_executor(self._threads, keyslots.decoy, self._cost)
            raise Refused("password-wrong")
        keys = self._keys_of(customer)
        token, until, slots = await loop.run_in_executor(self._threads, _open, keys, user, password)
        self._admit(keys, token).remember(proof, slots, until)

    def _admit(self, keys: CustomerKeys, token: bytearray) -> OpenCustomer:
        """One open token per customer, however many users came with it."""
        now, opened = self._clock(), self._find(keys.customer)
        if opened is not None and opened.same_token(token):
            wipe(token)
            opened.touch(now)
            return opened
        self.lock(keys.customer)
        self._opened[keys.customer] = OpenCustomer(keys, token, now)
        return self._opened[keys.customer]

    # -- changing

    async def _change(self, customer: str, change: Callable[[CustomerKeys], None]) -> None:
        """In a thread of its own, and to its end whoever hangs up meanwhile: a slot is written or not, and the answer says which."""
        if not files.CUSTOMER_NAME.fullmatch(customer):
            raise Refused("password-wrong")
        if self._changing[customer] >= CHANGING or self._changing.total() >= CHANGING_IN_ALL:
            raise Refused("throttled", retry_after=1)
        await self._in_queue(customer, self._changes, change)

    async def _in_queue(self, customer: str, threads: ThreadPoolExecutor, work: Callable[[CustomerKeys], _T]) -> _T:
        self._queue(customer)
        running = asyncio.get_running_loop().run_in_executor(threads, work, self._keys_of(customer))
        self._working.add(running)
        changing = Counter([customer] if threads is self._changes else [])
        self._changing += changing
        running.add_done_callback(lambda done: self._end_work(customer, changing, done))
        try:
            return await asyncio.shield(running)
        except (ConfigurationError, OSError):  # what a person at a terminal would be told: keys that are gone; a full disk
            raise Unavailable("keys-unavailable") from None

    def _end_work(self, customer: str, changing: Counter[str], done: asyncio.Future[Any]) -> None:
        self._working.discard(done)
        self._changing -= changing
        self._leave(customer)
        if not done.cancelled():
            done.exception()  # seen, even if who asked has gone

    # -- the queue

    def _queue(self, customer: str) -> None:
        if self._waiting[customer] >= WAITING or self._waiting.total() >= WAITING_IN_ALL:
            raise Refused("throttled", retry_after=1)
        self._waiting[customer] += 1

    def _leave(self, customer: str) -> None:
        self._waiting[customer] -= 1
        if not self._waiting[customer]:
            del self._waiting[customer]

    # -- the open ones

    def _keys_of(self, customer: str) -> CustomerKeys:
        return CustomerKeys(customer, self._files_of(customer), self._operator, self._cost, self._today)

    def _expired(self, customer: str, opened: OpenCustomer, now: float) -> bool:
        return opened.expired(now, self._idle_of(customer), self._longest_of(customer))

    def _gone(self, customer: str) -> bool:
        return files.identity(self._files_of(customer).data_keys) is None

    def _find(self, customer: str) -> OpenCustomer | None:
        """The open customer; judged at every use, not only when somebody sweeps."""
        opened = self._opened.get(customer)
        if opened is not None and self._expired(customer, opened, self._clock()):
            self.lock(customer)
            return None
        return opened

    def _keys(self, customer: str, data_classes: set[str], *, draw: bool) -> Mapping[str, ClassKeys]:
        opened = self._find(customer)
        if opened is None:
            raise SessionEnded
        try:
            keys = opened.classes(data_classes, draw=draw)
        except (Unavailable, OSError):  # OSError: the disk took no new key
            self.lock(customer)
            raise Unavailable("keys-unavailable") from None
        opened.touch(self._clock())
        return keys


def _open(keys: CustomerKeys, user: str, password: str) -> tuple[bytearray, int, Identity]:
    """In a thread. The file's identity is taken first, so that a slot changed meanwhile is not taken for the one we checked."""
    slots = files.identity(keys.files.keyslots)
    token, until = keys.open_until(credentials.password(user, password))
    if slots is None:  # it appeared this very moment
        wipe(token)
        raise Unavailable("keys-unavailable")
    return token, until, slots
