"""T-A1: who exists cannot be told from how long a no takes: the work is counted, which says more than any clock."""

import random
from dataclasses import dataclass, field

import pytest

from gateway.cipher import credentials, keyslots
from gateway.cipher.customers import CustomerKeys
from gateway.cipher.primitives import Argon2Parameters
from gateway.errors import Refused
from tests.vault.house import ADDRESS, CHEAP, GONE, OTHERS, OURS, USERS, build, password, write_policies

#: Who is asked for → what is true of that name. All with a wrong password, and the answer is one and the same.
NAMES = {
    (OURS, "maria"): "exists, and her old password still goes on beside the new one",
    (OURS, "paula"): "exists, and her old password has ended",
    (OURS, "import_job"): "exists, with one password",
    (OURS, GONE): "has a keyslot, and no policy names him",
    (OURS, "nele"): "is listed in the policy, and has no password yet",
    (OURS, "mallory"): "is nobody",
    (OURS, ""): "is no name; it does not stand for the recovery code either",
    (OURS, "m" * 5_000): "cannot be a name",
    (OTHERS, "maria"): "is another customer's",
    ("gibt_es_nicht", "maria"): "is of no customer",
}
TRIALS = 200


@dataclass
class Work:
    """What a check did that takes time: Argon2 by its cost, and attempts to open."""

    done: list[object] = field(default_factory=list)

    def taken(self) -> tuple[object, ...]:
        done, self.done = tuple(self.done), []
        return done


@pytest.fixture
def work(monkeypatch):
    counted, stretch, unwrap = Work(), keyslots.stretch, keyslots.unwrap

    def stretching(secret: bytes, salt: bytes, cost: Argon2Parameters) -> bytearray:
        counted.done.append(cost)
        return stretch(secret, salt, cost)

    def unwrapping(key: bytearray, wrapped: bytes, associated: bytes) -> bytearray:
        counted.done.append("unwrap")
        return unwrap(key, wrapped, associated)

    monkeypatch.setattr(keyslots, "stretch", stretching)
    monkeypatch.setattr(keyslots, "unwrap", unwrapping)
    return counted


@pytest.fixture
async def house(tmp_path):
    house = build(tmp_path)
    keys = CustomerKeys(OURS, house.cipher._files_of(OURS), house.cipher._operator, CHEAP)
    for user, overlap, now in (("maria", 3600, keys.clock()), ("paula", 3600, 1_000_000_000)):
        then = CustomerKeys(OURS, keys.files, keys.operator, CHEAP, lambda now=now: now)
        then.set_password(user, f"{user} isst Kohl & Rüben", authorised_by=credentials.password(user, password(user)), overlap=overlap)
    house.policies = write_policies(house.folder, users={**USERS, "nele": "importer"})
    yield house
    await house.close()


@pytest.mark.trap(
    "T-A1", "A wrong password costs the same, counted in Argon2 and attempts to open: of a user, of one with two passwords, of nobody."
)
async def test_ta1_the_work_tells_no_user_from_nobody(house, work):
    trials = [name for name in NAMES for _ in range(TRIALS // len(NAMES))]
    random.Random(1).shuffle(trials)  # interleaved: what a trial leaves behind must not tell either
    seen = {name: set() for name in NAMES}
    for number, (customer, user) in enumerate(trials):
        house.clock.now += 3_601  # nobody waits for the trial before
        with pytest.raises(Refused) as refused:
            await house.vault.open_session(customer, user, f"geraten {number}", ADDRESS)
        seen[customer, user].add((refused.value.reason, refused.value.retry_after, work.taken()))
    assert seen == {name: {("password-wrong", None, (CHEAP, "unwrap", "unwrap"))} for name in NAMES}


@pytest.mark.trap("T-A1", "Nor does it tell while the customer's key is open, or when the right password belongs to somebody else.")
async def test_ta1_nor_while_others_work(house, work):
    await house.session("import_job")
    work.taken()
    for customer, user in NAMES:
        for secret in ("", "\ud800", password("import_job") if user != "import_job" else "falsch", "x" * 100_000):
            house.clock.now += 3_601
            with pytest.raises(Refused, match="password-wrong"):
                await house.vault.open_session(customer, user, secret, ADDRESS)
            assert work.taken() == (CHEAP, "unwrap", "unwrap"), (customer, user[:10])


@pytest.mark.trap("T-A1", "A name that does not exist is slowed down after as many failures as one that does, for as long.")
async def test_ta1_nobody_is_throttled_like_somebody(house):
    waits = {}
    for user in ("maria", "mallory", "nele", GONE):
        waits[user] = []
        for _ in range(12):
            with pytest.raises(Refused) as refused:
                await house.vault.open_session(OURS, user, "geraten", "192.0.2.99")
            waits[user].append((refused.value.reason, refused.value.retry_after))
            house.clock.now += refused.value.retry_after or 0
        house.clock.now += 7_200
    assert len({tuple(each) for each in waits.values()}) == 1
