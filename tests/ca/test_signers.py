"""Where authorities' keys lie: chosen for new ones by configuration, found again by what stands beside the certificate."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.ca.authority import create_authority, load_authority
from gateway.ca.signers import SIGNERS, FileSigner, Place, TokenSigner, signer_for_new, signer_of
from gateway.errors import ConfigurationError
from gateway.pkcs11_uri import TokenUri
from tests.ca.pki import PASSWORD
from tests.ca.softhsm import token

__all__ = ["token"]
NOWHERE = TokenUri("nobody", Path("/none.so"), Path("/none"))


def test_both_kinds_are_made_from_one_place() -> None:
    assert set(SIGNERS) == {"file", "pkcs11"}
    assert signer_for_new(Place("energie_nord", PASSWORD)) == FileSigner(PASSWORD)
    assert signer_for_new(Place("energie_nord", PASSWORD, NOWHERE)) == TokenSigner(NOWHERE, "energie_nord")


def test_an_authority_with_its_key_in_a_file_goes_on_when_a_token_is_configured(tmp_path: Path) -> None:
    create_authority(tmp_path / "ca", PASSWORD)
    again = load_authority(tmp_path / "ca", signer_of(tmp_path / "ca", Place("energie_nord", PASSWORD, NOWHERE)))
    assert again.issue("energie_nord", "import")


def test_an_authority_on_a_token(tmp_path: Path, token: TokenUri) -> None:
    place = Place("energie_nord", PASSWORD, token)
    made = create_authority(tmp_path / "ca", signer_for_new(place))
    assert {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "ca").iterdir()} == {
        "ca.pem": 0o644,
        "ca.token": 0o600,
        "ledger.jsonl": 0o600,
    }
    again = load_authority(tmp_path / "ca", signer_of(tmp_path / "ca", place))
    again.issue("energie_nord", "import").certificate.verify_directly_issued_by(made.certificate)
    with pytest.raises(ConfigurationError, match="name it under 'authority_keys'"):
        signer_of(tmp_path / "ca", Place("energie_nord", PASSWORD))


@pytest.mark.parametrize("content", [b"", b"zz\n", b"\xff"], ids=["empty", "no hex", "no text"])
def test_a_damaged_pointer_to_the_token_is_a_mistake(tmp_path: Path, token: TokenUri, content: bytes) -> None:
    signer = TokenSigner(token, "energie_nord")
    create_authority(tmp_path / "ca", signer)
    (tmp_path / "ca" / "ca.token").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"does not open|not on the token"):
        load_authority(tmp_path / "ca", signer).issue("energie_nord", "import")


def test_what_does_not_become_an_authority_leaves_no_key_on_the_token(tmp_path: Path, token: TokenUri) -> None:
    import pkcs11

    (tmp_path / "ca").mkdir()
    (tmp_path / "ca" / "ca.pem").write_text("somebody's")
    with pytest.raises(ConfigurationError, match="never overwritten"):
        create_authority(tmp_path / "ca", TokenSigner(token, "half_done"))
    with pkcs11.lib(str(token.module)).get_token(token_label=token.token).open() as session:
        assert not list(session.get_objects({pkcs11.Attribute.LABEL: "authority of half_done"}))


def test_secrets_stay_out_of_representations() -> None:
    assert PASSWORD.decode() not in repr(FileSigner(PASSWORD)) + repr(Place("energie_nord", PASSWORD))
