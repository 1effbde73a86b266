"""Why an address counts as what it counts: the same questions as the listener and ``access.py`` ask, answered in words.

Pure. Nothing is decided here, and nothing that decides asks here; so a test holds both to the same answers. What never may come in: a
look-up of a name, or of where on the network an address is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Literal

from gateway.config import Config
from gateway.networks import Network, parse_network
from gateway.policy.model import Customer, PolicySet

Outcome = Literal["closed", "tls", "proxy"]
_NAT64 = IPv6Network("64:ff9b::/96")
_Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Standing:
    """What the address is to one customer. ``entry``: the network that holds it, or the nearest one; ``place``: its file:line."""

    customer: str
    inside: bool
    entry: str
    place: str
    why: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """``address``: as it counts. ``outcome``: closed before TLS, offered TLS, or a load balancer whose header is wanted first."""

    address: str
    outcome: Outcome
    reading: tuple[str, ...]
    sentence: str
    customers: tuple[Standing, ...]

    def admits(self, customer: str | None = None) -> bool:
        """Could a request from there pass the locks on networks: of this customer, or of any?"""
        return self.outcome == "tls" and any(standing.inside and customer in (None, standing.customer) for standing in self.customers)


def explain_address(config: Config, policies: PolicySet, text: str) -> Explanation:
    """Raises ValueError for what is no address, with what to write instead."""
    address, reading = _read(text)
    customers = tuple(_standing(policies.customers[name], address) for name in sorted(policies.customers))
    proxy = next((network for network in config.proxy_protocol if _holds(network, address)), None)
    inside = [standing.customer for standing in customers if standing.inside]
    if proxy is not None:
        sentence = (
            f"a load balancer: it lies in {proxy} of 'proxy_protocol' in {config.file}. Its connections must begin with a PROXY header, "
            "and the address in it counts; without one they are closed. Ask again with the client's own address"
        )
        return Explanation(str(address), "proxy", reading, sentence, customers)
    if not inside:
        sentence = "the connection is closed before TLS: the address lies in no customer's networks (network-unknown)"
        return Explanation(str(address), "closed", reading, sentence, customers)
    sentence = f"TLS is offered; with the right certificate and password it counts as inside for {', '.join(inside)}"
    return Explanation(str(address), "tls", reading, sentence, customers)


def _read(text: str) -> tuple[_Address, tuple[str, ...]]:
    """The address as the listener counts it, and how it came to that."""
    plain, percent, zone = text.partition("%")
    try:
        address = ip_address(plain)
    except ValueError:
        raise ValueError(_no_address(text)) from None
    notes = []
    if percent:
        notes.append(f"the zone {zone!r} is this machine's name for an interface, and says nothing of the peer: left out")
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            notes.append(f"{address} is how an IPv6 socket writes IPv4: read as {address.ipv4_mapped}")
            return address.ipv4_mapped, tuple(notes)
        notes += _not_unmapped(address)
    if not notes and str(address) != text:
        notes.append(f"written shorter: {address}")
    return address, tuple(notes)


def _no_address(text: str) -> str:
    """The hint is the one that a policy's reader would give for a network of this one address."""
    if "/" in text:
        return f"{text!r} is a network; ask for one address of it"
    try:
        parse_network(text)
    except ValueError as error:
        _, _, hint = str(error).partition("2001:db8::/48: ")
        return f"{text!r} is not an address" + (f": {hint}".replace("/32", "").replace("/128", "") if hint else "")
    return f"{text!r} is not an address"


def _not_unmapped(address: IPv6Address) -> Iterator[str]:
    """Other ways of carrying IPv4 inside IPv6 are addresses of their own (T-I1): whoever sends from there is not the host that is named."""
    carried = _carried(address)
    if carried is None:
        return
    form, inner, why = carried
    yield f"{form}, which carries {inner}; it is not read as that: {why}"


def _carried(address: IPv6Address) -> tuple[str, IPv4Address, str] | None:
    number = int(address)
    if address in _NAT64:
        return "a NAT64 address", IPv4Address(number & 0xFFFFFFFF), "it names the far end of a translation, as a translator says it"
    if address.sixtofour is not None:
        return "a 6to4 address", address.sixtofour, "any relay may have sent it (RFC 7526)"
    if address.teredo is not None:
        return "a Teredo address", address.teredo[1], "it names a NAT, behind which anybody may be"
    if 1 < number < 1 << 32:
        return "an IPv4-compatible address", IPv4Address(number), "that form is deprecated (RFC 4291, 2.5.5.1), and no client has it"
    return None


def _standing(customer: Customer, address: _Address) -> Standing:
    entries = list(zip(customer.networks, customer.network_lines, strict=True))
    for network, line in entries:
        if _holds(network, address):
            return Standing(customer.name, True, str(network), f"{customer.file}:{line}", f"{address} lies in {network}")
    alike = [entry for entry in entries if entry[0].version == address.version]
    if not alike:
        kind = "IPv6" if address.version == 4 else "IPv4"
        return Standing(customer.name, False, "", str(customer.file), f"all its networks are {kind}{_near_miss(customer, address)}")
    nearest, line = max(alike, key=lambda entry: _shared_bits(entry[0], address))
    why = f"in none of its networks; the nearest one is {nearest}{_near_miss(customer, address)}"
    return Standing(customer.name, False, str(nearest), f"{customer.file}:{line}", why)


def _near_miss(customer: Customer, address: _Address) -> str:
    carried = _carried(address) if isinstance(address, IPv6Address) else None
    if carried is None:
        return ""
    holding = next((network for network in customer.networks if _holds(network, carried[1])), None)
    return f". {carried[1]}, which the address carries, would lie in {holding}, but does not count" if holding is not None else ""


def _holds(network: Network, address: _Address) -> bool:
    return network.version == address.version and address in network


def _shared_bits(network: Network, address: _Address) -> int:
    """Of the prefix: how far the two go together."""
    differing = (int(network.network_address) ^ int(address)) >> (network.max_prefixlen - network.prefixlen)
    return network.prefixlen - differing.bit_length()
