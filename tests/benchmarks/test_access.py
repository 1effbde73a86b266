"""What is measured is the job: every check says yes, and every row is there. How fast it was is nobody's assertion."""

from __future__ import annotations

import pytest

from benchmarks import access
from gateway.errors import GatewayError


def test_every_check_is_measured(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    measured = access.measure(networks=20, addresses=10, times=3)
    assert len(measured) == 10
    assert [row.most for row in measured if row.check == "all access checks of a request"] == [access.TARGET]
    assert all(row.microseconds >= 0 for row in measured)
    monkeypatch.setattr(access, "measure", lambda: measured)
    access.main()
    assert "µs  all access checks of a request  (at most 10)" in capsys.readouterr().out


def test_the_request_that_is_measured_is_let_in_and_another_is_not(tmp_path: object) -> None:
    case = access._case(tmp_path, 20)  # type: ignore[arg-type]
    case.all_checks()
    for wrong in (
        access.replace(case, peer=access.replace(case.peer, address="203.0.113.1")),
        access.replace(case, peer=access.replace(case.peer, leaf=None)),
        access.replace(case, authorization="Basic x"),
    ):
        with pytest.raises(GatewayError):
            wrong.all_checks()
