"""Is this installation in order: files, certificates, lists, modes, space, ports? For ``doctor``; reads, and changes nothing.

What never may come in: a key, a passphrase (nothing is opened), or a finding that quotes what stands in a secret file.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from gateway.admin.token import fault_of
from gateway.ca.authority import LEDGER_FILE
from gateway.ca.crl import due
from gateway.ca.expiry import WARN, days_left, expiring
from gateway.ca.ledger import Ledger
from gateway.ca.server_chain import ends, faults, read_chain
from gateway.config import Config, load_config
from gateway.errors import ConfigurationError
from gateway.proxy.access import Snapshot
from gateway.runtime import key_exchange, roster
from gateway.runtime.selfcheck import Finding, judge, tls_openssl
from gateway.runtime.snapshot import build_snapshot

DAY = 86400.0
CLOCKS = 300.0  # seconds that our clock may lie before what it wrote itself
MUCH, LITTLE = 1 << 30, 100 << 20  # bytes of space: below the first somebody should know, below the second a day's records may not fit
OFTEN = 3  # restarts of a process


def installation(config_path: Path, now: float) -> Iterator[Finding]:
    """Every check that can be made; what cannot be read is a finding, and keeps no other from being made."""
    try:
        config = load_config(config_path.absolute())
    except ConfigurationError as error:
        yield from _mistakes("configuration", error)
        return
    yield Finding("configuration", "fine", str(config.file))
    try:
        snapshot = build_snapshot(config)
    except ConfigurationError as error:
        yield from _mistakes("policies and trust", error)
    else:
        yield from _policies(config, snapshot, now)
        yield from _tls(snapshot.tls)
    yield from _server_certificate(config, now)
    yield from _modes(config)
    yield _space(config)
    running = roster.read(config.run_dir)
    yield _processes(running)
    yield _port("port", config.listen, running)
    if config.admin is not None:
        yield _port("operators' port", config.admin, running)
        yield _token(config)


def _mistakes(check: str, error: ConfigurationError) -> Iterator[Finding]:
    for mistake in error.mistakes:
        yield Finding(check, "wrong", str(mistake), "mend it; gateway check reads the same files")


def _policies(config: Config, snapshot: Snapshot, now: float) -> Iterator[Finding]:
    policies = snapshot.policies
    yield Finding("policies and trust", "fine", f"revision {policies.revision}, {len(policies.customers)} customers")
    for warning in policies.warnings:
        yield Finding("policies and trust", "mind", warning, "see docs/policy.md")
    ours = [name for name, customer in policies.customers.items() if customer.certificates.authority is None]
    for customer in ours:
        ledger = Ledger.load(config.authority_dir(customer) / LEDGER_FILE)
        yield _client_certificates(customer, ledger, now)
        yield from _clock(customer, ledger, now)
        yield _published_list(config, customer, now)
    for validity in snapshot.trust.validities():
        end = datetime.fromtimestamp(validity.until, UTC).date() if validity.until else "none yet"
        found = validity.sentence(now) if validity.ends_soon(now) else f"{validity.customer}: until {end}"
        remedy = "put a newer one in its place; until then nobody of this customer may come in"
        name = "revocation list" if validity.kind == "crl" else "authority"
        yield judge(name, validity.ends_soon(now), found, remedy, grave=validity.ended(now))


def _client_certificates(customer: str, ledger: Ledger, now: float) -> Finding:
    soon = expiring(ledger, now)
    found = ", ".join(f"{entry.label} in {days_left(entry, now)} days" for entry in soon)
    text = f"{customer}: {found or f'none ends within {WARN} days'}"
    return judge("client certificates", bool(soon), text, "gateway cert renew, and hand over the new files", grave=False)


def _clock(customer: str, ledger: Ledger, now: float) -> Iterator[Finding]:
    """What we wrote ourselves is not from the future, unless the clock was set back since."""
    newest = max((entry.issued.timestamp() for entry in ledger.entries.values()), default=0.0)
    if newest > now + CLOCKS:
        text = f"{customer}: the newest certificate was issued {int(newest - now)} seconds from now"
        yield Finding("clock", "wrong", text, "set this machine's clock, and keep it right (chrony, systemd-timesyncd)")


def _published_list(config: Config, customer: str, now: float) -> Finding:
    remedy = "the cipher process makes it within seconds while the gateway runs; if it does not, see its log"
    renewal = due(config.authority_dir(customer), now)
    return judge("our revocation list", renewal <= now, f"{customer}: {'is due' if renewal <= now else 'fresh'}", remedy, grave=False)


def _tls(context: ssl.SSLContext) -> Iterator[Finding]:
    old = context.minimum_version not in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    suites = [suite["name"] for suite in context.get_ciphers()]
    weak = [name for name in suites if not (name.startswith(("TLS_", "ECDHE-")) and ("GCM" in name or "CHACHA20" in name))]
    yield judge("TLS versions", old, f"{context.minimum_version.name} and newer", "report it: this is not configurable")
    yield judge("cipher suites", bool(weak), ", ".join(weak or suites), "report it: this is not configurable")
    try:
        version, group = key_exchange.agreed(context)
    except ssl.SSLError as error:
        yield Finding("key exchange", "wrong", f"no handshake with ourselves ({error.reason})", "look at certificate and key")
        return
    name = key_exchange.GROUPS.get(group or 0, "unknown")
    remedy = f"hybrid post-quantum key exchange comes by itself with OpenSSL 3.5 or newer; this Python has {tls_openssl()}"
    yield judge("key exchange", group not in key_exchange.HYBRID, f"{name}, {version}: agreed in a handshake", remedy, grave=False)


def _server_certificate(config: Config, now: float) -> Iterator[Finding]:
    try:
        chain = read_chain(config.certificate)
    except ConfigurationError as error:
        yield from _mistakes("server certificate", error)
        return
    wrong = list(faults(chain, config.hostnames, now))
    for fault in wrong:
        yield Finding("server certificate", "wrong", fault, f"put the right chain into {config.certificate}")
    days = int((ends(chain) - now) // DAY)
    if not wrong:
        text = f"names {', '.join(config.hostnames)}; ends in {days} days"
        yield judge("server certificate", days <= WARN, text, "renew it; it is taken over without a restart", grave=False)


def _modes(config: Config) -> Iterator[Finding]:
    """Keys and state are for one user; policies and configuration are changed by one."""
    secret = [config.private_key, config.operator_key, config.state, config.audit_dir, config.run_dir, config.state / "shares"]
    secret += [
        *config.customers_dir.glob("*/keyslots"),
        *config.customers_dir.glob("*/datakeys"),
        *config.customers_dir.glob("*/ca/ca.key"),
    ]
    secret += [*config.customers_dir.glob("*/vault.db"), *(config.state / "shares").glob("*")]
    open_ = [path for path in secret if _mode(path) & 0o077]
    written = [path for path in (config.file, config.policies, *config.policies.rglob("*.yaml")) if _mode(path) & 0o022]
    foreign = [path for path in (*secret, config.file) if path.exists() and path.stat().st_uid not in (os.geteuid(), 0)]
    yield judge("modes of secrets", bool(open_), _some(open_, f"{len(secret)} are for one user only"), "chmod go= for each")
    yield judge("modes of policies", bool(written), _some(written, "one user may change them"), "chmod go-w for each")
    yield judge("owner", bool(foreign), _some(foreign, "ours"), "chown it, or run this as the gateway's user", grave=False)


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError:
        return 0  # what is missing is found by whoever needs it


def _some(paths: list[Path], none: str) -> str:
    shown = ", ".join(map(str, paths[:5]))
    return f"{shown}{f' and {len(paths) - 5} more' if len(paths) > 5 else ''}" if paths else none


def _space(config: Config) -> Finding:
    place = config.state if config.state.exists() else config.state.parent
    try:
        free = shutil.disk_usage(place).free
    except OSError as error:
        return Finding("space", "wrong", f"{place}: {error.strerror}", "make the state folder, or correct state:")
    remedy = "make room: when the audit log cannot be written, nothing is let through"
    return judge("space", free < MUCH, f"{free >> 20} MiB for databases and the audit log", remedy, grave=free < LITTLE)


def _processes(running: roster.Roster | None) -> Finding:
    if running is None:
        return Finding("processes", "fine", "this gateway does not run, or not under a supervisor")
    if not running.processes:
        return Finding("processes", "fine", f"everything in one (process {running.supervisor})")
    text = ", ".join(f"{one.role} {one.pid}{'' if one.serving else ' not serving'}, {one.restarts} restarts" for one in running.processes)
    trouble = any(not one.serving or one.restarts > OFTEN for one in running.processes)
    return judge("processes", trouble, text, "see the log for why they ended", grave=any(not one.serving for one in running.processes))


def _port(check: str, address: tuple[str, int], running: roster.Roster | None) -> Finding:
    """Free, or held while a gateway of this very state folder runs. Bound for the question and never listened on: nobody connects to us."""
    place = f"{address[0]}:{address[1]}"
    fault = _bind_fault(address)
    if fault is None:
        if running is None or address[1] == 0:
            return Finding(check, "fine", f"{place} is free")
        return Finding(
            check, "mind", f"{place} is free, although the gateway runs", "restart it: where it listens counts from the next start"
        )
    if fault.errno != errno.EADDRINUSE:
        remedy = "AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit" if fault.errno == errno.EACCES else "correct the address"
        return Finding(check, "wrong", f"{place}: {fault.strerror}", remedy)
    if running is not None:
        return Finding(check, "fine", f"{place} is held, and this gateway runs (process {running.supervisor})")
    return Finding(check, "wrong", f"{place} is taken, and this gateway does not run", "end the other program, or use another port")


def _bind_fault(address: tuple[str, int]) -> OSError | None:
    with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(address)
        except OSError as error:
            return error
    return None


def _token(config: Config) -> Finding:
    if not config.admin_token.exists():
        return Finding("operators' token", "fine", "none yet; it is made at the first start")
    fault = fault_of(config.admin_token)
    remedy = f"write 32 random characters or more into {config.admin_token}, chmod 600"
    return judge("operators' token", bool(fault), fault or "for one user only", remedy)
