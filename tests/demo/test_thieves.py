"""What thieves get is told by the cipher itself, from copies; the originals stay as they are."""

import pytest

from gateway.demo.story import OURS
from gateway.demo.thieves import operator_key_without_password, stolen_without_operator_key


@pytest.mark.parametrize("who", ["without the operator key", "without a password"])
def test_half_of_the_keys_opens_nothing(shown, who):
    environment, _, _ = shown
    config, access = environment.config, environment.customers[OURS]
    before = config.keyslots(OURS).read_bytes()
    if who == "without the operator key":
        got = stolen_without_operator_key(config, OURS, ("maria", access.passwords["maria"]))
        assert got == "keys-unavailable"
    else:
        assert operator_key_without_password(config, OURS, environment.passphrase_file.read_text().strip()) == "password-wrong"
    assert config.keyslots(OURS).read_bytes() == before
