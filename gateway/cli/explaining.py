"""``explain``: why an address or a certificate counts as what it counts."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from gateway.ca.opinion import Opinion, opinion_of, read_leaf
from gateway.ca.trust import Trust, sources_of
from gateway.cli.output import ANSWER_NO, as_json, show
from gateway.cli.serving import config_option
from gateway.config import Config, load_config
from gateway.policy.explain import Explanation, explain_address
from gateway.policy.load import load_policies
from gateway.policy.model import PolicySet


@click.command()
@click.option("--address", help="An IPv4 or IPv6 address: would it be let in, and why?")
@click.option("--certificate", type=click.Path(path_type=Path, dir_okay=False), help="A certificate (PEM or DER): whose is it, and why?")
@click.option("--customer", help="The question is about this customer.")
@config_option
@as_json
def explain(address: str | None, certificate: Path | None, customer: str | None, config_path: Path, as_json: bool) -> None:
    """Say why an address, a certificate, or both together are let in or kept out. Exit code 0: let in."""
    if address is None and certificate is None:
        raise click.UsageError("give --address, --certificate, or both")
    config = load_config(config_path)
    policies = load_policies(config)
    if customer is not None and customer not in policies.customers:
        raise click.UsageError(f"there is no customer {customer!r}; known are: {', '.join(sorted(policies.customers)) or 'none yet'}")
    opinion = _opinion(config, policies, certificate) if certificate is not None else None
    place = _explanation(config, policies, address) if address is not None else None
    answer, sentence = _answer(place, opinion, customer)
    if as_json:
        click.echo(json.dumps(_facts(place, opinion, customer) | {"admitted": answer, "because": sentence}, indent=2, ensure_ascii=False))
    else:
        _tell(place, opinion, customer)
        click.echo(f"{'let in' if answer else 'kept out'}: {sentence}")
    sys.exit(0 if answer else ANSWER_NO)


def _explanation(config: Config, policies: PolicySet, address: str) -> Explanation:
    try:
        return explain_address(config, policies, address)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _opinion(config: Config, policies: PolicySet, certificate: Path) -> Opinion:
    leaf, now = read_leaf(certificate), time.time()
    trust = Trust.build(sources_of(policies, config.authority_dir, config.fetched_crl), now, running=True)
    return opinion_of(trust, leaf, now)


def _answer(place: Explanation | None, opinion: Opinion | None, customer: str | None) -> tuple[bool, str]:
    """The certificate first: it chooses the customer, and the address must be in that one's networks."""
    if opinion is not None:
        if opinion.customer is None:
            return False, f"the certificate: {opinion.sentence} ({opinion.reason})"
        if customer is not None and customer != opinion.customer:
            return False, f"it is {opinion.sentence}, and not of {customer}"
        customer = opinion.customer
        if place is None:
            return True, f"{opinion.sentence}; its address must be in that customer's networks"
    assert place is not None
    if place.outcome != "tls" or customer is None:
        return place.admits(), place.sentence
    standing = next(standing for standing in place.customers if standing.customer == customer)
    if standing.inside:
        return True, f"{standing.why}, which is {customer}'s ({standing.place})"
    return False, f"not {customer}'s: {standing.why} (network-foreign)"


def _tell(place: Explanation | None, opinion: Opinion | None, customer: str | None) -> None:
    if place is not None:
        for note in place.reading:
            click.echo(note)
        click.echo(f"{place.address}: {place.sentence}")
        show(_standings(place, customer), title="Networks")
    if opinion is not None:
        show([{"only": kind, "says": text} for kind, text in opinion.named_by], title="What the certificate can be named by")
        rows = [{"customer": name, "its authority": said} for name, said in opinion.of_customers.items() if customer in (None, name)]
        show(rows, title="Authorities of its issuer's name")


def _standings(place: Explanation, customer: str | None) -> list[dict[str, Any]]:
    return [
        {"customer": one.customer, "inside": "yes" if one.inside else "no", "why": one.why, "policy": one.place}
        for one in place.customers
        if customer in (None, one.customer)
    ]


def _facts(place: Explanation | None, opinion: Opinion | None, customer: str | None) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    if place is not None:
        facts["address"] = asdict(place)
        facts["address"]["customers"] = [one for one in facts["address"]["customers"] if customer in (None, one["customer"])]
    if opinion is not None:
        facts["certificate"] = asdict(opinion) | {"sentence": opinion.sentence}
    return facts
