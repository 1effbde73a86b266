"""A policy with networks that could mean others is refused as a whole, while the gateway goes on by the one before."""

import pytest

from gateway.config import load_config
from gateway.demo.story import OTHER
from gateway.errors import ConfigurationError
from gateway.policy.load import load_policies
from tests.attacks.conftest import customer_policy

ODD = [
    "10.0.0.1/8",
    "2001:db8::1/32",
    "10.0.0.0/255.0.0.0",
    "::ffff:10.0.0.0/104",
    "10.0.0.1",
    "10/8",
    "010.0.0.0/8",
    "fe80::%eth0/64",
    "*",
]


@pytest.mark.trap("N-01", "All odd networks of a policy are told at once, and the running policy stays.")
def test_n01_a_policy_with_odd_networks_changes_nothing(attacker, suite, environment, eventually):
    policy = customer_policy(environment, OTHER)
    text, log = policy.read_text(), environment.logs / "gateway.log"
    said = log.read_text().count("not reloaded")
    listed = ", ".join(f'"{network}"' for network in ODD)
    try:
        policy.write_text(text.replace("networks: [", f"networks: [{listed}, "))
        with pytest.raises(ConfigurationError) as mistakes:
            load_policies(load_config(environment.config_file))
        assert len([mistake for mistake in mistakes.value.mistakes if mistake.file == policy]) >= len(ODD)
        eventually(lambda: log.read_text().count("not reloaded") > said)
        assert attacker.ask(attacker.head()).status == 200
    finally:
        policy.write_text(text)
