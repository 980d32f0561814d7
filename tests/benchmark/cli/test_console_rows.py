"""The table that a run prints is never cut: what is too wide goes on below."""

import io

import pytest
from rich.console import Console

from tvseg_bench.benchmark.cli.score_tables import ScoreTable, print_table

COLUMNS = [f"protocol-{i} (vc8_iou)" for i in range(7)]
TABLE = ScoreTable(
    "davis-2016:train",
    COLUMNS,
    [(f"family/model-{m}", [f"{m}{i}.0 [10.0, 90.0]*" for i in range(7)]) for m in range(3)],
    ["in percent"],
)


@pytest.mark.parametrize("width", [40, 80, 120, 400])
def test_every_value_is_printed_whole(width: int) -> None:
    file = io.StringIO()
    print_table(Console(file=file, width=width, highlight=False), TABLE)
    text = file.getvalue()
    for name, values in TABLE.rows:
        assert name in text
        for value in values:
            assert value in text
    for column in COLUMNS:
        assert text.count(column) == 1
    assert "…" not in text
    assert text.count("in percent") == 1
    assert (", continued" in text) == (width < 400)
