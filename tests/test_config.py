"""``config.yaml``: what each key may say, what is refused with its line, and where state lies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.config import OPTIONAL, REQUIRED, Config, load_config
from gateway.errors import ConfigurationError
from gateway.pkcs11_uri import TokenUri

SHIPPED = Path(__file__).parent.parent / "config.yaml"
GOOD = {
    "listen": "0.0.0.0:8443",
    "hostnames": "[gateway.example]",
    "certificate": "certs/server.pem",
    "private_key": "certs/server.key",
    "policies": "policies/",
    "state": "state/",
    "vault": "sqlite",
    "operator_key": "file:certs/operator.key",
}
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """``config.yaml`` with some keys changed; None leaves one out."""

    def write(**changed: str | None) -> Path:
        file = tmp_path / "config.yaml"
        entries = GOOD | changed
        file.write_text("".join(f"{key}: {value}\n" for key, value in entries.items() if value is not None))
        return file

    return write


def mistakes(file: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        load_config(file)
    return [str(mistake).removeprefix(f"{file.parent}/") for mistake in raised.value.mistakes]


def test_the_shipped_file_loads() -> None:
    config = load_config(SHIPPED)
    assert config.listen == ("0.0.0.0", 8443)
    assert config.hostnames == ("gateway.example",)
    assert config.admin == ("127.0.0.1", 9443)
    assert (config.processes, config.workers) == ("separate", None)
    assert config.policies == SHIPPED.parent / "policies"


def test_the_least_file_and_its_defaults(write: Write, tmp_path: Path) -> None:
    assert load_config(write()) == Config(
        file=tmp_path / "config.yaml",
        listen=("0.0.0.0", 8443),
        hostnames=("gateway.example",),
        certificate=tmp_path / "certs/server.pem",
        private_key=tmp_path / "certs/server.key",
        policies=tmp_path / "policies",
        state=tmp_path / "state",
        operator_key=tmp_path / "certs/operator.key",
        processes="separate",
        workers=None,
        admin=None,
    )


READ = [
    ("listen", '"[::]:8443"', "listen", ("::", 8443)),
    ("listen", '"[2001:db8::1]:443"', "listen", ("2001:db8::1", 443)),
    ("listen", "127.0.0.1:0", "listen", ("127.0.0.1", 0)),
    ("hostnames", "[Gateway.Example, 192.0.2.1, a-b.example]", "hostnames", ("gateway.example", "192.0.2.1", "a-b.example")),
    ("certificate", "/etc/gateway/server.pem", "certificate", Path("/etc/gateway/server.pem")),
    ("operator_key", "file:/etc/gateway/operator.key", "operator_key", Path("/etc/gateway/operator.key")),
    ("authority_keys", "file", "authority_keys", None),
    (
        "authority_keys",
        "pkcs11:token=authorities?module-path=/usr/lib/m.so&pin-source=file:/run/pin",
        "authority_keys",
        TokenUri("authorities", Path("/usr/lib/m.so"), Path("/run/pin")),
    ),
    ("processes", "one", "processes", "one"),
    ("workers", "auto", "workers", None),
    ("workers", "3", "workers", 3),
    ("proxy_protocol", "[]", "proxy_protocol", ()),
    ("admin", "{listen: 127.0.0.1:9443}", "admin", ("127.0.0.1", 9443)),
    ("admin", '{listen: "[::1]:9443"}', "admin", ("::1", 9443)),
]


@pytest.mark.parametrize(("key", "text", "attribute", "expected"), READ)
def test_a_key_is_read(key: str, text: str, attribute: str, expected: object, write: Write) -> None:
    assert getattr(load_config(write(**{key: text})), attribute) == expected


ADDRESS = "expected an address and a port, such as 0.0.0.0:8443 or '[::]:8443' (in quotes)"
HOSTNAME = "a plain host name or IPv4 address is needed, without port, wildcard or trailing dot"
BROKEN = [
    ("listen", "8443", ADDRESS),
    ("listen", '":8443"', ADDRESS),
    ("listen", "0.0.0.0", ADDRESS),
    ("listen", '"0.0.0.0:"', ADDRESS),
    ("listen", "0.0.0.0:65536", ADDRESS),
    ("listen", "0.0.0.0:-1", ADDRESS),
    ("listen", "0.0.0.0:٨٤٤٣", ADDRESS),
    ("listen", "gateway.example:8443", ADDRESS),
    ("listen", "0.0.0.0:" + "9" * 5000, ADDRESS),
    ("listen", '"2001:db8::1:8443"', ADDRESS),  # an address of its own, or one and a port?
    ("listen", '"[127.0.0.1]:8443"', ADDRESS),
    ("hostnames", "[]", "at least one host name is needed"),
    ("hostnames", "gateway.example", "expected a list, found a text"),
    ("hostnames", '[""]', HOSTNAME),
    ("hostnames", "[gateway.example.]", HOSTNAME),
    ("hostnames", '["*.gateway.example"]', HOSTNAME),
    ("hostnames", '["gateway.example:8443"]', HOSTNAME),
    ("hostnames", '["https://gateway.example"]', HOSTNAME),
    ("hostnames", '["a..b"]', HOSTNAME),
    ("hostnames", '["a b"]', HOSTNAME),
    ("hostnames", '["gateway.example\\n"]', HOSTNAME),
    ("hostnames", "[müller.example]", HOSTNAME),
    ("hostnames", '["' + "a" * 64 + '"]', HOSTNAME),
    ("hostnames", '["' + "a." * 130 + 'b"]', HOSTNAME),
    ("certificate", '""', "expected a path"),
    ("private_key", "[a]", "expected a text, found a list"),
    ("policies", '""', "expected a path"),
    ("state", "", "expected a text, found nothing"),
    ("vault", "postgresql://host/vault_{customer}", "this version keeps vaults in SQLite only"),
    ("operator_key", "certs/operator.key", "expected file:PATH"),
    ("operator_key", '"file:"', "expected file:PATH"),
    ("operator_key", "pkcs11:token=gateway", "this version keeps the operator key in an encrypted file only"),
    ("authority_keys", "vault", "expected file, or pkcs11:token=NAME"),
    ("authority_keys", "file:certs/ca.key", "expected file, or pkcs11:token=NAME"),
    ("authority_keys", "pkcs11:token=a", "expected pkcs11:token=NAME?module-path="),
    ("authority_keys", '"pkcs11:token=a?module-path=/m.so&pin-value=1234"', "a PIN does not belong into this file"),
    ("processes", "two", "expected one of separate, one"),
    ("workers", "0", "expected a whole number from 1 to 256"),
    ("workers", "257", "expected a whole number from 1 to 256"),
    ("workers", "many", "expected a whole number from 1 to 256"),
    ("proxy_protocol", "[192.0.2.1/24]", "'192.0.2.1/24' has bits set behind its prefix: write 192.0.2.0/24"),
    ("admin", "127.0.0.1:9443", "expected a mapping, found a text"),
    ("admin", "{}", "'listen' is missing"),
    ("admin", "{listen: 0.0.0.0:9443}", "the operators' listener is for loopback addresses only"),
    ("admin", "{listen: 192.0.2.1:9443}", "the operators' listener is for loopback addresses only"),
    ("admin", "{listen: 127.0.0.1:9443, password: x}", "unknown key 'password'"),
    ("hostname", "[a]", "unknown key 'hostname'; did you mean 'hostnames'?"),
]


@pytest.mark.parametrize(("key", "text", "expected"), BROKEN, ids=[f"{key}-{number}" for number, (key, _, _) in enumerate(BROKEN)])
def test_a_wrong_key_is_refused_with_its_line(key: str, text: str, expected: str, write: Write) -> None:
    """T-A4, T-M5: neither an operators' listener for everybody nor a host name that equals a missing one."""
    line = [*GOOD, *({key: ""} if key not in GOOD else {})].index(key) + 1
    found = mistakes(write(**{key: text}))
    assert found[0].startswith(f"config.yaml:{line}: {expected}")
    assert len(found) == 1


@pytest.mark.parametrize("key", REQUIRED)
def test_a_missing_key_has_no_default(key: str, write: Write) -> None:
    assert mistakes(write(**{key: None})) == [f"config.yaml:1: {key!r} is missing"]


def test_keys_are_the_ones_tested_here() -> None:
    assert set(REQUIRED) == set(GOOD)
    assert {key for key, *_ in READ if key not in GOOD} == set(OPTIONAL)


def test_every_mistake_at_once(write: Write) -> None:
    file = write(listen="8443", vault=None, workers="0", admin="{listen: 0.0.0.0:1}", colour="blue")
    assert [found.split(": ")[0] for found in mistakes(file)] == [f"config.yaml:{line}" for line in (1, 1, 8, 9, 10)]


def test_a_file_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    assert mistakes(tmp_path / "config.yaml") == ["config.yaml: cannot be read (No such file or directory)"]


def test_relative_paths_count_from_the_file_wherever_the_program_was_started(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write()
    monkeypatch.chdir(tmp_path)
    config = load_config(Path("config.yaml"))
    assert config.certificate == tmp_path / "certs/server.pem"
    assert config.file.is_absolute()


def test_where_state_lies(write: Write, tmp_path: Path) -> None:
    """A customer's share lies apart from his folder: each is backed up without the other."""
    config = load_config(write())
    state = tmp_path / "state"
    mine = state / "customers" / "energie_nord"
    assert config.customer_dir("energie_nord") == mine
    assert config.vault_db("energie_nord") == mine / "vault.db"
    assert config.keyslots("energie_nord") == mine / "keyslots"
    assert config.data_keys("energie_nord") == mine / "datakeys"
    assert config.authority_dir("energie_nord") == mine / "ca"
    assert config.fetched_crl("energie_nord") == mine / "fetched.crl"
    assert config.share("energie_nord") == state / "shares" / "energie_nord"
    assert config.tombstone("energie_nord") == state / "tombstones" / "energie_nord"
    assert (config.customers_dir, config.audit_dir, config.run_dir) == (state / "customers", state / "audit", state / "run")
