"""A resumed session knows the leaf and no chain: judged is the leaf alone, by what lies in the customer's own file."""

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.ca.trust import CustomerTrust, Trust
from gateway.demo.story import OTHER
from tests.ca.pki import NOW, make_pki


@pytest.mark.trap(
    "C-07", "A leaf alone is enough to be judged: its issuer is found in the customer's own file, whatever chain came with it."
)
def test_c07_a_leaf_without_a_chain(tmp_path):
    root = make_pki("Own PKI")
    middle = root.intermediate("Own PKI, clients")
    (tmp_path / "chain.pem").write_bytes(root.pem + middle.pem)
    trust = Trust.build({OTHER: CustomerTrust(tmp_path / "chain.pem")}, NOW.timestamp())
    assert trust.identify(middle.sign().public_bytes(Encoding.DER), NOW.timestamp()).customer == OTHER
