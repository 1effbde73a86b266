"""``audit show|verify``: what happened, and whether anybody changed it."""

import json

import pytest

from gateway.audit import append_once, files

RECORDS = [
    {"customer": "stadtwerke_musterstadt", "user": "maria", "reason": "user-added"},
    {"customer": "energie_nord", "reason": "customer-added"},
    {"customer": "energie_nord", "exchange": "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "reason": "certificate-issued"},
]


@pytest.fixture
def log(folder):
    for record in RECORDS:
        append_once(folder.config.audit_dir, record)
    return files(folder.config.audit_dir)[0]


@pytest.mark.parametrize(
    ("words", "reasons"),
    [
        ((), ["user-added", "customer-added", "certificate-issued"]),
        (("--customer", "energie_nord"), ["customer-added", "certificate-issued"]),
        (("--customer", "energie_nord", "--last", "1"), ["certificate-issued"]),
        (("--exchange", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"), ["certificate-issued"]),
        (("--kind", "operator"), ["user-added", "customer-added", "certificate-issued"]),
        (("--kind", "reveal"), []),
    ],
)
def test_show_filters(on, log, words, reasons):
    assert [record["reason"] for record in json.loads(on("audit", "show", *words, "--json").out)] == reasons


def test_show_for_people(on, log):
    assert "customer-added" in on("audit", "show").out


def test_verify_says_whole_and_gives_the_head_to_keep(on, log):
    verdict = json.loads(on("audit", "verify", "--json").out)
    assert (verdict["ok"], verdict["records"], verdict["first_bad"]) == (True, 3, None)
    assert verdict["head"] in on("audit", "verify").out
    assert on("audit", "verify", "--head", verdict["head"]).code == 0


@pytest.mark.parametrize(
    ("spoil", "head", "said"),
    [
        (lambda text: text.replace("maria", "erika"), False, "does not follow"),
        (lambda text: "".join(text.splitlines(keepends=True)[1:]), False, "does not follow"),
        (lambda text: "".join(text.splitlines(keepends=True)[:2]), True, "kept head"),
    ],
)
def test_a_changed_log_is_not_whole(on, log, spoil, head, said):
    kept = ("--head", json.loads(on("audit", "verify", "--json").out)["head"]) if head else ()
    log.write_text(spoil(log.read_text()))
    verdict = on("audit", "verify", *kept)
    assert verdict.code == 1
    assert "NOT whole" in verdict.err
    assert said in verdict.err
    assert json.loads(on("audit", "verify", *kept, "--json").out)["ok"] is False
