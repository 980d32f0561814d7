"""What the contract test of a model found: one outcome per check, as Markdown and as JSON.

Importing this module loads no torch, so a submission's report is read where no torch is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tvseg_bench.benchmark.results.provenance import Provenance
from tvseg_bench.benchmark.results.result import format_validation_error
from tvseg_bench.benchmark.results.result_file import atomic_write, open_regular_file
from tvseg_bench.benchmark.results.schema import Model
from tvseg_bench.benchmark.results.store import back_up
from tvseg_bench.benchmark.results.text import Line, Name, ResultError

CHECK_SCHEMA: Final = "tvseg-bench/check@1"
REPORT_NAME: Final = "check_report.json"
MAX_REPORT_BYTES = 2**20

CHECKS: Final = (
    *("weights", "card", "shapes", "finite", "grids", "determinism", "order", "batch"),
    *("reinitialised", "pixels", "normalisation", "shift", "time", "segments", "frozen"),
    *("random-state", "speed", "toy"),
)
"""Every check, in the order of the report; each one stands in every report."""

LEFT_OUT: Final = "left out on request"
"""The message of a check that the user left out."""

Status = Literal["ok", "warning", "failed", "not-applicable"]
Kind = Literal["features", "clip", "segmenter", "unknown"]
"""unknown: the model could not be built."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class CheckOutcome(_Part):
    """What one check found."""

    check: Name
    status: Status
    """A warning is worth reading and keeps no model from being submitted."""
    message: str = Field(max_length=4000)
    """One sentence: what was measured, and what to do where it failed."""
    left_out: bool = False
    """Whether it was not run on request, which keeps a model from being submitted."""
    numbers: dict[Line, float | int | None] = Field(default_factory=dict)
    seconds: Annotated[float, Field(ge=0)] = 0.0


class CheckReport(_Part):
    """The complete contract test of one model."""

    schema_: Literal["tvseg-bench/check@1"] = Field(default=CHECK_SCHEMA, alias="schema")
    model: Model
    kind: Kind
    full: bool = False
    """Whether larger images and more clips were tried as well."""
    outcomes: tuple[CheckOutcome, ...]
    seconds: Annotated[float, Field(ge=0)]
    provenance: Provenance

    @model_validator(mode="after")
    def _complete(self) -> CheckReport:
        if tuple(o.check for o in self.outcomes) != CHECKS:
            raise ValueError(f"outcomes must hold each check once, in order: {', '.join(CHECKS)}")
        return self

    @property
    def failed(self) -> tuple[str, ...]:
        """Return the names of the checks that failed."""
        return tuple(o.check for o in self.outcomes if o.status == "failed")

    @property
    def left_out(self) -> tuple[str, ...]:
        """Return the names of the checks that were not run on request."""
        return tuple(o.check for o in self.outcomes if o.left_out)

    @property
    def passed(self) -> bool:
        """Return whether no check failed."""
        return not self.failed

    def to_json(self) -> str:
        """Return the text of `check_report.json`."""
        return self.model_dump_json(by_alias=True, indent=1) + "\n"

    def to_markdown(self) -> str:
        """Return the report as a page: the verdict, a table, the numbers behind it."""
        done, made = self.model, self.provenance
        lines = [
            f"# {done.name}: {_verdict(self)}",
            "",
            f"Revision `{done.revision}`, licence {done.card.licence}, checked as {self.kind} "
            f"with tvseg-bench {made.suite}, torch {made.packages.get('torch', '-')}, "
            f"Python {made.python}, {made.hardware.gpu or made.hardware.cpu or 'an unknown CPU'}.",
            "",
            "| check | outcome | what was found |",
            "|---|---|---|",
        ]
        lines += [f"| {o.check} | {o.status} | {_cell(o.message)} |" for o in self.outcomes]
        measured = [(o.check, k, v) for o in self.outcomes for k, v in o.numbers.items()]
        if measured:
            lines += ["", "| check | number | value |", "|---|---|---|"]
            lines += [f"| {c} | {k} | {_number(v)} |" for c, k, v in measured]
        return "\n".join(lines) + "\n"


def _verdict(report: CheckReport) -> str:
    warned = sum(o.status == "warning" for o in report.outcomes)
    more = f", {warned} warning{'s' * (warned > 1)}" if warned else ""
    if report.passed:
        return f"passed in {report.seconds:.0f} s{more}"
    return f"failed ({', '.join(report.failed)}){more}"


def _cell(text: str) -> str:
    return text.replace("\n", " ").replace("|", r"\|")


def _number(value: float | None) -> str:
    """Return a number as it is shown.

    Example:
        >>> [_number(v) for v in (None, 3, 0.00012345, 12.3456)]
        ['-', '3', '0.0001234', '12.35']
    """
    return "-" if value is None else str(value) if isinstance(value, int) else f"{value:.4g}"


def write_report(report: CheckReport, folder: Path) -> tuple[Path, Path]:
    """Write `check_report.json` and `check_report.md`; earlier ones are renamed, not lost.

    Raises:
        ResultError: the folder cannot be written.
    """
    page = Path(REPORT_NAME).with_suffix(".md").name
    texts = {folder / REPORT_NAME: report.to_json(), folder / page: report.to_markdown()}
    for path, text in texts.items():
        back_up(path)
        atomic_write(path, text.encode("utf-8"))
    first, second = texts
    return first, second


def read_report(path: Path) -> CheckReport:
    """Read and check a report.

    Raises:
        ResultError: if it is none, naming the file and the field.
    """
    with open_regular_file(path, MAX_REPORT_BYTES) as file:
        return parse_report(file.read(MAX_REPORT_BYTES + 1), str(path))


def parse_report(data: bytes, name: str) -> CheckReport:
    """Parse the bytes of a report that is called `name`.

    Raises:
        ResultError: if it is none, naming the field.
    """
    try:
        return CheckReport.model_validate_json(data)
    except ValidationError as error:
        raise ResultError(
            f"{name} is not a report of this version's contract test: "
            f"{format_validation_error(error)}; type: tvseg-bench check MODEL -o DIR"
        ) from None
