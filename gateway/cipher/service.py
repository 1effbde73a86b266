"""The cipher service: who is open, for how long, and the three verbs. Runs on one event loop; only Argon2 leaves it.

What belongs here: unlocking with its bounded queue, and closing in time. What never may: a password kept, a key returned, or a
branch that seals or opens without the customer's token.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from gateway.cipher import credentials, files, keyslots
from gateway.cipher.customers import CustomerKeys
from gateway.cipher.files import CustomerFiles, Identity
from gateway.cipher.interface import Sealed, ToOpen, ToSeal
from gateway.cipher.opened import OpenCustomer
from gateway.cipher.primitives import DEFAULT_COST, KEY, Argon2Parameters, authenticate, length_prefixed, wipe
from gateway.cipher.providers import OperatorKey
from gateway.cipher.values import ClassKeys
from gateway.errors import Refused, SessionEnded, Unavailable

IDLE = 15 * 60.0  # seconds that an open customer token outlives its last use
LONGEST = 12 * 3600.0  # seconds, whatever the use
THREADS = 2  # Argon2 releases the GIL; more would take the cores from those who are already in
WAITING = 16  # passwords of one customer being checked or queued: 16 × 40 ms behind two threads is a third of a second
WAITING_IN_ALL = 128


class CipherService:
    """The local form of ``interface.Cipher``. ``idle_of`` and ``longest_of`` give a customer's seconds."""

    def __init__(
        self,
        operator: OperatorKey,
        files_of: Callable[[str], CustomerFiles],
        *,
        idle_of: Callable[[str], float] = lambda _: IDLE,
        longest_of: Callable[[str], float] = lambda _: LONGEST,
        cost: Argon2Parameters = DEFAULT_COST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._operator, self._files_of = operator, files_of
        self._idle_of, self._longest_of = idle_of, longest_of
        self._cost, self._clock = cost, clock
        self._boot_key = secrets.token_bytes(KEY)
        self._opened: dict[str, OpenCustomer] = {}
        self._checking: dict[bytes, asyncio.Task[None]] = {}
        self._waiting: Counter[str] = Counter()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="argon2")

    # -- interface.Cipher

    async def unlock(self, customer: str, user: str, password: str) -> None:
        proof = self._proof(customer, user, password)
        opened = self._find(customer)
        if opened is not None and opened.recognises(proof):
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
        self._threads.shutdown(wait=True, cancel_futures=True)

    def open_customers(self) -> list[str]:
        return sorted(self._opened)

    # -- unlocking

    def _proof(self, customer: str, user: str, password: str) -> bytes:
        """What a repeated password is recognised by. Length-prefixed, with the customer (T-A2); the exact octets, so another
        spelling of one password just costs another Argon2."""
        parts = (each.encode("utf-8", "surrogatepass") for each in (customer, user, password))
        return authenticate(self._boot_key, length_prefixed(*parts))

    def _begin_check(self, proof: bytes, customer: str, user: str, password: str) -> asyncio.Task[None]:
        if self._waiting[customer] >= WAITING or len(self._checking) >= WAITING_IN_ALL:
            raise Refused("throttled", retry_after=1)
        self._waiting[customer] += 1
        check = asyncio.get_running_loop().create_task(self._check(proof, customer, user, password))
        self._checking[proof] = check
        check.add_done_callback(lambda done: self._end_check(proof, customer, done))
        return check

    def _end_check(self, proof: bytes, customer: str, done: asyncio.Task[None]) -> None:
        del self._checking[proof]
        self._waiting[customer] -= 1
        if not self._waiting[customer]:
            del self._waiting[customer]
        if not done.cancelled():
            done.exception()  # seen, even if everybody who waited for it has gone

    async def _check(self, proof: bytes, customer: str, user: str, password: str) -> None:
        loop = asyncio.get_running_loop()
        if not files.CUSTOMER_NAME.fullmatch(customer):  # before a path is made of it
            await loop.run_in_executor(self._threads, keyslots.decoy, self._cost)
            raise Refused("password-wrong")
        keys = CustomerKeys(customer, self._files_of(customer), self._operator, self._cost)
        token, slots = await loop.run_in_executor(self._threads, _open, keys, user, password)
        self._admit(keys, token).remember(proof, slots)

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

    # -- the open ones

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


def _open(keys: CustomerKeys, user: str, password: str) -> tuple[bytearray, Identity]:
    """In a thread. The file's identity is taken first, so that a slot changed meanwhile is not taken for the one we checked."""
    slots = files.identity(keys.files.keyslots)
    token = keys.open(credentials.password(user, password))
    if slots is None:  # it appeared this very moment
        wipe(token)
        raise Unavailable("keys-unavailable")
    return token, slots
