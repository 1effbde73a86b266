"""The demo's own claims hold; and its searches find what they look for, so that "found nowhere" means something."""

import pytest

from gateway.demo import story
from gateway.demo.story import ORDERS, found_in, sent_values, status_of

SECTIONS = (
    "What the customer sent",
    "What the suite's database file really contains",
    "What each of the customer's users sees",
    "What the other customer sees with the same token",
    "What everybody else gets",
    "What thieves get",
    "What is found nowhere",
)


def test_every_claim_was_checked_and_every_picture_shown(shown):
    _, claims, said = shown
    assert claims.held == said.count("✓") >= 20
    assert [section for section in SECTIONS if section not in said] == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "cp1252"])
def test_the_search_finds_what_is_there(tmp_path, encoding):
    file = tmp_path / "file"
    file.write_bytes(b"\x00..." + "Zoë Müller-Lüdenscheidt".encode(encoding) + b"...")
    assert found_in([file], sent_values())
    file.write_bytes("Zoé Müller".encode(encoding))
    assert not found_in([file], sent_values())


def test_also_as_json_would_spell_it(tmp_path):
    (tmp_path / "file").write_text('"Stra\\u00dfe des 17. Juni 135"')
    assert found_in([tmp_path / "file"], sent_values())


def test_every_value_that_was_sent_is_looked_for():
    assert len(sent_values()) == len(set(sent_values())) == 4 * len(ORDERS) + 3


def test_a_closed_connection_is_no_status():
    class Closed:
        def send(self, *_):
            raise ConnectionResetError

    assert status_of(Closed()) == 0


def test_the_suites_database_is_read_without_the_suite(shown):
    environment, _, _ = shown
    stored = story.household_at_rest(environment.customers[story.OURS].suite_database, 1)
    assert set(stored) == set(story.PERSONAL)
    assert stored["name"] != ORDERS[0]["household"]["name"]
