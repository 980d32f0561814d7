"""The report of the contract test: complete, readable, and never lost."""

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest

from tvseg_bench.benchmark.contract.check_report import (
    CHECKS,
    LEFT_OUT,
    CheckOutcome,
    CheckReport,
    read_report,
    write_report,
)
from tvseg_bench.benchmark.results.provenance import collect
from tvseg_bench.benchmark.results.result import Model
from tvseg_bench.benchmark.results.text import ResultError


def report(**statuses: str) -> CheckReport:
    return CheckReport(
        model=Model(name="mine/net", revision="sha256:ab"),
        kind="features",
        outcomes=tuple(
            CheckOutcome(
                check=name,
                status=statuses.get(name, "ok"),  # type: ignore[arg-type]
                message=f"about {name} | as it is",
                numbers={"difference": 0.25, "fps": None} if name == "batch" else {},
            )
            for name in CHECKS
        ),
        seconds=12.3,
        provenance=collect(started=datetime.now(timezone.utc)),
    )


def test_the_verdict() -> None:
    assert report().passed
    assert "# mine/net: passed in 12 s\n" in report().to_markdown()
    warned = report(toy="warning")
    assert warned.passed
    assert "passed in 12 s, 1 warning\n" in warned.to_markdown()
    wrong = report(batch="failed", shift="failed", toy="warning", time="not-applicable")
    assert wrong.failed == ("batch", "shift")
    assert "# mine/net: failed (batch, shift), 1 warning\n" in wrong.to_markdown()


def test_the_page_has_a_row_for_each_check() -> None:
    page = report().to_markdown()
    for name in CHECKS:
        assert rf"| {name} | ok | about {name} \| as it is |" in page
    assert "| batch | difference | 0.25 |" in page
    assert "| batch | fps | - |" in page


def test_written_and_read(tmp_path: Path) -> None:
    files = write_report(report(), tmp_path / "new")
    assert [f.name for f in files] == ["check_report.json", "check_report.md"]
    assert read_report(files[0]).outcomes == report().outcomes
    (tmp_path / "new/check_report.md").write_text("my notes")
    write_report(report(toy="warning"), tmp_path / "new")
    assert (tmp_path / "new/check_report.md.1.old").read_text() == "my notes"
    assert read_report(files[0]).outcomes[-1].status == "warning"


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda r: r["outcomes"].pop(3), "outcomes must hold each check once, in order: weights"),
        (lambda r: r["outcomes"].append(r["outcomes"][0]), "outcomes must hold each check once"),
        (lambda r: r["outcomes"][0].update(status="fine"), "outcomes.0.status is 'fine'"),
        (lambda r: r.update(schema="tvseg-bench/check@2"), "schema is 'tvseg-bench/check@2'"),
        (lambda r: r.update(passed=True), "unknown field 'passed'"),
        (lambda r: r["model"].pop("revision"), "model.revision"),
    ],
)
def test_what_is_no_report(edit: object, sentence: str, tmp_path: Path) -> None:
    file, _ = write_report(report(), tmp_path)
    data = json.loads(file.read_text())
    edit(data)  # type: ignore[operator]
    file.write_text(json.dumps(data))
    with pytest.raises(ResultError, match="type: tvseg-bench check MODEL -o DIR") as caught:
        read_report(file)
    assert sentence in str(caught.value)


def test_a_report_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "check_report.json").write_bytes(b" " * (2**20 + 1))
    with pytest.raises(ResultError, match="at most 1 are read"):
        read_report(tmp_path / "check_report.json")


def test_what_was_left_out_stands_in_a_field(tmp_path: Path) -> None:
    fields = json.loads(report().to_json())
    fields["outcomes"][-1] |= {"message": LEFT_OUT, "status": "not-applicable", "left_out": True}
    path = tmp_path / "check_report.json"
    path.write_text(json.dumps(fields), encoding="utf-8")
    assert read_report(path).left_out == ("toy",)
    del fields["outcomes"][-1]["left_out"]
    path.write_text(json.dumps(fields), encoding="utf-8")
    assert read_report(path).left_out == ()
