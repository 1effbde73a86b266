"""The same folder that the tests of the command line start from."""

from tests.cli.conftest import CUSTOMER, PASSPHRASE, Folder, folder, made

__all__ = ["CUSTOMER", "PASSPHRASE", "Folder", "folder", "made"]
