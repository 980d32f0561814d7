"""A board as files: a long CSV, a wide CSV, Markdown, HTML. Equal boards give equal bytes.

CSV holds plain numbers (fractions 0..1, or what `unit` says; empty where nothing was computed), so
that `float()` reads every cell; text that a spreadsheet would take for a formula gets a leading
apostrophe. Columns of `leaderboard.csv`: `protocol` is what one types (`kmeans-clip`,
`kmeans-clip:timet`), `dataset` has its split (`davis-2017:val`), `value` is the mean over seeds
and `sd` their spread, `result_sha256` lists the hash of each seed's file; only rows of one `table`
may be compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvseg_bench.benchmark.results.result_file import atomic_write, refuse_to_replace
from tvseg_bench.leaderboards.board_keys import RowKey
from tvseg_bench.leaderboards.render.formatting import resolution_label
from tvseg_bench.leaderboards.render.html_view import MARK as HTML_MARK
from tvseg_bench.leaderboards.render.html_view import page as html_page
from tvseg_bench.leaderboards.render.markdown import MARK, markdown
from tvseg_bench.leaderboards.render.page.page import page_start

if TYPE_CHECKING:
    import pandas as pd

    from tvseg_bench.leaderboards.board import Board, BoardTable
    from tvseg_bench.leaderboards.rows import BoardRow

COLUMNS: dict[str, str] = {
    "rank": "Int64",
    "rank_lo": "Int64",
    "rank_hi": "Int64",
    "model": "str",
    "revision": "str",
    "params_m": "float64",
    "patch": "Int64",
    "pretraining_data": "str",
    "licence": "str",
    "protocol": "str",
    "protocol_version": "Int64",
    "dataset": "str",
    "dataset_version": "Int64",
    "resolution": "str",
    "metric": "str",
    "value": "float64",
    "ci_lo": "float64",
    "ci_hi": "float64",
    "sd": "float64",
    "n_seeds": "Int64",
    "n_clips": "Int64",
    "fps": "float64",
    "gpu": "str",
    "suite_version": "str",
    "torch_version": "str",
    "date": "str",
    "trust": "str",
    "contaminated": "str",
    "result_sha256": "str",
    "paper_value": "float64",
    "constant": "float64",
    "oracle": "float64",
    "higher_is_better": "str",
    "layer": "Int64",
    "dtype": "str",
    "protocol_hash": "str",
    "manifest": "str",
    "table": "str",
    "gflops": "float64",
    "unit": "str",
}
"""Name and kind of the columns of `leaderboard.csv`, in order."""

_ROW_COLUMNS = ("model", "revision", "layer", "dtype")


def long_table(board: Board) -> pd.DataFrame:
    """Return one row per model, table and metric, best first, with the columns `COLUMNS`."""
    import pandas as pd

    rows = [
        _cells(table, row)
        for table in board.tables
        for found in table.metrics.values()
        for row in found.rows
    ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype({name: kind for name, kind in COLUMNS.items() if kind != "str"})


def wide_table(board: Board) -> pd.DataFrame:
    """Return one row per model and one column per table, holding the headline metric."""
    import pandas as pd

    models: dict[RowKey, dict[str, float | None]] = {}
    columns = []
    for table, name in zip(board.tables, wide_names(board.tables), strict=True):
        columns.append(name)
        for row in next(iter(table.metrics.values())).rows:
            models.setdefault(row.key, {})[name] = row.value
    rows = [
        {**{c: _safe(getattr(key, c)) for c in _ROW_COLUMNS}, **models[key]}
        for key in sorted(models)
    ]
    frame = pd.DataFrame(rows, columns=[*_ROW_COLUMNS, *columns])
    return frame.astype(dict.fromkeys(columns, "float64"))


def wide_names(tables: Sequence[BoardTable]) -> list[str]:
    """Return a name per table; where two are alike, each gets its id as well."""
    plain = [
        f"{t.key.protocol_label}-v{t.key.protocol_version}__"
        f"{t.key.dataset_label}-v{t.key.dataset_version}__{next(iter(t.metrics))}"
        for t in tables
    ]
    times = Counter(plain)
    return [
        _safe(name if times[name] == 1 else f"{name}#{table.key.id}")
        for name, table in zip(plain, tables, strict=True)
    ]


def write(
    board: Board, frame: pd.DataFrame, out: Path, formats: Sequence[str]
) -> tuple[Path, ...]:
    """Write the files of these formats into a folder and return their paths.

    Raises:
        UsageError: if a file of that name is there that no build wrote; nothing is written then.
    """
    texts: dict[str, Callable[[], str]] = {}
    if "csv" in formats:
        texts["leaderboard.csv"] = lambda: _csv(frame)
        texts["leaderboard_wide.csv"] = lambda: _csv(wide_table(board))
    if "md" in formats:
        texts["leaderboard.md"] = lambda: markdown(board)
    if "html" in formats:
        texts["leaderboard.html"] = lambda: html_page(board)
    starts = {
        "leaderboard.csv": ",".join(list(COLUMNS)[:10]),
        "leaderboard_wide.csv": ",".join(_ROW_COLUMNS),
        "leaderboard.md": MARK,
        "leaderboard.html": page_start(HTML_MARK),
    }
    for name in texts:
        refuse_to_replace(out / name, starts[name], "'leaderboard build'")
    for name, text in texts.items():
        atomic_write(out / name, text().encode("utf-8"))
    return tuple(out / name for name in texts)


def _cells(table: BoardTable, row: BoardRow) -> dict[str, Any]:
    key, facts = table.key, row.facts
    lo, hi = row.ci or (None, None)
    cells = {
        **facts,
        "rank": row.rank,
        "rank_lo": row.rank_lo,
        "rank_hi": row.rank_hi,
        "model": row.key.model,
        "revision": row.key.revision,
        "protocol": key.protocol_label,
        "protocol_version": key.protocol_version,
        "dataset": key.dataset_label,
        "dataset_version": key.dataset_version,
        "resolution": resolution_label(key.resolution),
        "metric": row.metric,
        "value": row.value,
        "ci_lo": lo,
        "ci_hi": hi,
        "sd": row.sd,
        "n_seeds": row.n_seeds,
        "n_clips": row.n,
        "fps": row.fps,
        "contaminated": _truth(facts["contaminated"]),
        "result_sha256": row.files_sha256,
        "paper_value": row.paper_value,
        "constant": row.constant,
        "oracle": row.oracle,
        "higher_is_better": _truth(row.higher_is_better),
        "layer": row.key.layer,
        "dtype": row.key.dtype,
        "protocol_hash": key.protocol_hash,
        "manifest": key.manifest_sha256[:16],
        "table": key.id,
        "unit": row.unit,
    }
    return {name: _safe(cells[name]) for name in COLUMNS}


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _safe(value: Any) -> Any:
    """Return text that no spreadsheet takes for a formula; numbers as they are.

    Example:
        >>> _safe("=HYPERLINK(1)"), _safe("dino/vits16"), _safe(-1)
        ("'=HYPERLINK(1)", 'dino/vits16', -1)
    """
    dangerous = isinstance(value, str) and value.lstrip()[:1] in ("=", "+", "-", "@")
    return f"'{value}" if dangerous else value


def _csv(frame: pd.DataFrame) -> str:
    text: str = frame.to_csv(index=False, lineterminator="\n")
    return text
