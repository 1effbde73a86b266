"""Every trap has a test or a reason, and docs/security-matrix.md says what the tests say."""

import re
from pathlib import Path

import pytest

from tests.attacks.matrix import HOLDS, Claim, Recorder, claims, document, recorded
from tests.attacks.traps import NOT_APPLICABLE, TRAPS

DOCUMENT = Path(__file__).parents[2] / "docs" / "security-matrix.md"


@pytest.mark.parametrize("trap", TRAPS)
def test_every_trap_has_a_test_or_a_reason(trap):
    tested = trap in {claim.trap for claim in claims()}
    assert tested != (trap in NOT_APPLICABLE), f"{trap} has neither a test nor a reason, or both"


def test_marks_and_reasons_name_traps_that_exist():
    assert {claim.trap for claim in claims()} | set(NOT_APPLICABLE) <= set(TRAPS)


@pytest.mark.parametrize("claim", claims(), ids=lambda claim: f"{claim.trap}-{claim.test}")
def test_a_claim_is_one_sentence_for_a_table(claim):
    assert re.fullmatch(r"[^|\n]{15,240}\.", claim.text)


def test_the_document_is_that_of_the_tests_and_everything_holds():
    assert DOCUMENT.read_text() == document(dict.fromkeys(claims(), HOLDS)), "run make matrix"


def test_what_was_written_is_read_again():
    assert recorded(DOCUMENT) == dict.fromkeys(claims(), HOLDS)


class Report:
    def __init__(self, outcome, *, trap="T-M1", test="test_x.py"):
        self.outcome, self.user_properties = outcome, [("trap", [trap, "It holds.", test]), ("other", 1)]


@pytest.mark.parametrize(
    ("outcomes", "result"),
    [
        (["passed", "passed"], HOLDS),
        (["passed", "failed", "passed"], "fails"),
        (["skipped", "passed"], "not run"),
        (["skipped", "failed"], "fails"),
        (["failed", "skipped"], "fails"),
    ],
)
def test_one_case_that_fails_or_is_skipped_is_enough(tmp_path, outcomes, result):
    recorder = Recorder(tmp_path / "matrix.md")
    for outcome in outcomes:
        recorder.pytest_runtest_logreport(Report(outcome))
    assert recorder._results == {Claim("T-M1", "It holds.", "test_x.py"): result}
