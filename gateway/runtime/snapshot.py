"""Building what a process decides by from the files that people edit: build and check here, swap in the processes.

What never may come in: anything that changes a running process before the whole is known to be good.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from gateway.ca.authority import CERTIFICATE_FILE, LEDGER_FILE
from gateway.ca.trust import Trust, sources_of
from gateway.config import Config, load_config
from gateway.errors import ConfigurationError
from gateway.networks import NetworkTable
from gateway.policy.load import load_policies, policy_files
from gateway.policy.model import PolicySet
from gateway.proxy.access import Snapshot
from gateway.proxy.dialing import check_certificates
from gateway.proxy.tls import server_context


def build_snapshot(config: Config, policies: PolicySet | None = None, *, running: bool = False) -> Snapshot:
    """Policies, trust and TLS context, checked as a whole. Raises ConfigurationError with every mistake found.

    ``running``: not at the operator's first start. An expired revocation list then refuses its customer, and no more: it must neither
    keep the others' policies from changing nor a worker from being started again.
    """
    policies = policies if policies is not None else load_policies(config)
    if not running:  # a running worker refuses that one customer's requests (502), and reads the files again when they change
        check_certificates(policies.customers.values())
    trust = Trust.build(sources_of(policies, config.authority_dir, config.fetched_crl), time.time(), running=running)
    tls = server_context(config.certificate, config.private_key, trust.union_pem())
    return Snapshot(policies, trust, frozenset(name.lower() for name in config.hostnames), tls, NetworkTable({"": config.proxy_protocol}))


def warnings_of(snapshot: Snapshot, now: float) -> tuple[str, ...]:
    """What does not keep the gateway from starting, and somebody should know."""
    ending = [validity.sentence(now) for validity in snapshot.trust.validities() if validity.ends_soon(now) or validity.ended(now)]
    return (*snapshot.policies.warnings, *ending)


def watched_files(path: Path, policies: PolicySet, last_good: Config | None = None) -> Iterator[Path]:
    """Every file that ``build_snapshot`` reads. ``policies``: the current ones, which name customers' own authorities and CRLs.

    Never raises: a configuration with a mistake in it is one more file that changed, and no reason to end. The files of ``last_good``
    are watched meanwhile: a revocation must bite whoever is editing what (T-M2).
    """
    yield path
    try:
        config = load_config(path)
    except ConfigurationError:
        if last_good is None:
            return
        config = last_good
    yield config.certificate
    yield config.private_key
    yield from policy_files(config)
    for folder in config.customers_dir.glob("*/ca"):
        yield folder / CERTIFICATE_FILE
        yield folder / LEDGER_FILE
    for customer in policies.customers.values():
        fetched = config.fetched_crl(customer.name) if customer.certificates.crl_url is not None else None
        own = customer.upstream.own_certificate or ()
        named = (customer.certificates.authority, customer.certificates.crl, fetched, customer.upstream.ca, *own)
        yield from (file for file in named if file is not None)
