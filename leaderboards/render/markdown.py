"""A board as Markdown: percent with one decimal, intervals, references, and honest footnotes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from tvseg_bench.benchmark.results.text import UNITS, metric_label, score_text
from tvseg_bench.leaderboards.render import formatting
from tvseg_bench.leaderboards.summary import ordered, summaries

if TYPE_CHECKING:
    from tvseg_bench.leaderboards.board import Board, BoardTable
    from tvseg_bench.leaderboards.rows import BoardRow, Ranked

MARK = "<!-- tvseg-bench leaderboard -->"
"""First line of the file, by which a later build knows its own."""

_BASELINES = ("baseline/random", "baseline/pixels")
_MOST_NAMED = 20
_MOST_ROWS = 30
_NOTE = (
    f"Scores in percent, or in the unit beside their name, with {formatting.INTERVAL}; "
    "± is the standard deviation over seeds. "
    "A rank `1–3` means that the model cannot be told apart from those on ranks 1 to 3: "
    f"{formatting.COMPARISON}. "
    "*constant* is the score of one label everywhere, *oracle* that of the ground truth pooled to "
    "the patch grid: what a perfect clustering of patches would reach."
)
_SUMMARY = (
    "The headline score of every protocol, in percent where no unit is named; intervals, ranks "
    "and cost are in the tables below. **Bold** scores are the best of a column or cannot be told "
    "apart from it; where none is bold, no model is told apart from the best. Models are in the "
    "order of their mean rank, which is no score."
)


def markdown(board: Board) -> str:
    """Return the text of `leaderboard.md`."""
    parts = [MARK, "", "# Leaderboard", "", _SUMMARY, ""]
    for group in summaries(board.tables):
        parts += [*_summary(group), ""]
    parts += ["# Tables", "", _NOTE, ""]
    for table in ordered(board.tables):
        parts += [*_section(table, board.tables), ""]
    parts += _list("Not on the board", board.left_out)
    parts += _list("Problems", [str(p) for p in board.problems])
    return "\n".join(parts).rstrip() + "\n"


def code(text: str) -> str:
    """Return text as a code span, or escaped where it would break out of one or of its cell.

    Example:
        >>> code("dino/vits16"), code("a|b")
        ('`dino/vits16`', 'a&#124;b')
    """
    return escape(text) if set(text) & set("`|\\") else f"`{text}`"


def escape(text: str) -> str:
    """Return text in which nothing is markup: neither Markdown's nor HTML's nor a table's.

    Example:
        >>> escape("<b>x</b> [y](z) 1*2")
        '&#60;b&#62;x&#60;/b&#62; \\\\[y\\\\](z) 1\\\\*2'
    """
    return "".join(
        f"&#{ord(c)};" if c in "&<>|`\\" else f"\\{c}" if c in "*_[]#~!" else c
        for c in " ".join(text.split())
    )


def _summary(group: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of one data set's summary: models against protocols."""
    about = [f"version {group['version']}"]
    about += [formatting.number_of(group["clips"], "clip")] if group["clips"] else []
    about += [f"{group['missing']} of {group['cells']} cells not run"] if group["missing"] else []
    yield f"## {code(group['dataset'])}"
    yield ""
    yield " · ".join(about)
    yield ""
    yield _line(["model", *map(_column, group["columns"])])
    yield _line(["---", *["---:"] * len(group["columns"])])
    for row in group["rows"][:_MOST_ROWS]:
        mark = " ‡" if row["contaminated"] else ""
        yield _line([code(row["model"]) + mark, *map(_cell, row["cells"])])
    for which, words in (("constant", "one label everywhere"), ("oracle", "patch-grid oracle")):
        yield _line([f"*{words}*", *(found[which] or "–" for found in group["references"])])
    yield ""
    if len(group["rows"]) > _MOST_ROWS:
        yield f"and {formatting.number_of(len(group['rows']) - _MOST_ROWS, 'more model')}  "
    if any(row["contaminated"] for row in group["rows"][:_MOST_ROWS]):
        yield "‡ trained on this data set, as its card declares.  "


def _column(column: Mapping[str, Any]) -> str:
    metric = "" if column["metric"] == "miou" else f" {code(column['label'])}"
    return code(column["protocol"]) + metric + ("" if column["higher"] else " ↓")


def _cell(cell: Mapping[str, Any] | None) -> str:
    if cell is None:
        return ""
    return f"**{cell['score']}**" if cell["top"] else cell["score"]


def _section(table: BoardTable, tables: Sequence[BoardTable]) -> Iterator[str]:
    key = table.key
    headline, *others = table.metrics
    yield (
        f"## {code(key.protocol_label)} v{key.protocol_version} on "
        f"{code(key.dataset_label)} v{key.dataset_version}"
    )
    yield ""
    about = [] if table.n_clips is None else [formatting.number_of(table.n_clips, "clip")]
    about += [
        f"input {escape(formatting.resolution_label(key.resolution))}",
        f"manifest {key.manifest_sha256[:8]}",
        f"table {key.id}",
    ]
    parameters = formatting.unlike(table, tables)
    about += [escape(", ".join(parameters))] if parameters else []
    yield " · ".join(about)
    yield ""
    names = [headline, *others]
    labels = [metric_label(name, table.metrics[name].unit) for name in names]
    head = ["rank", "model", *labels, "constant", "oracle", "params M", "frames/s", "seeds"]
    yield _line(code(h) if h in labels else h for h in head)
    yield _line("---:" if h != "model" else "---" for h in head)
    rest = {name: {row.key: row for row in table.metrics[name].rows} for name in others}
    for row in table.metrics[headline].rows:
        yield _line(_row(row, [rest[name].get(row.key) for name in others]))
    yield ""
    yield from _footnotes(table.metrics[headline], headline)


def _points(found: Ranked) -> str:
    """Return what a difference is counted in."""
    return "points" if found.unit == "share" else UNITS[found.unit]


def _row(row: BoardRow, others: Sequence[BoardRow | None]) -> Iterator[str]:
    yield formatting.rank_text(row)
    yield _model(row)
    yield _score(row)
    yield from ("–" if other is None else _score(other) for other in others)
    yield score_text(row.constant, row.unit)
    yield score_text(row.oracle, row.unit)
    params = row.facts["params_m"]
    yield "–" if params is None else f"{params:.1f}"
    yield "–" if row.fps is None else f"{row.fps:.1f}"
    yield str(row.n_seeds)


def _model(row: BoardRow) -> str:
    """Return the model's name, with what sets it apart from its default."""
    marks = " ‡" if row.facts["contaminated"] else ""
    marks += "" if row.facts["trust"] == "self-reported" else f" ({row.facts['trust']})"
    return f"{code(row.key.model)} {escape('@' + ' '.join(formatting.row_extra(row)))}{marks}"


def _score(row: BoardRow) -> str:
    """Return value, spread over seeds and interval; † where it rests on few clips."""
    text = score_text(row.value, row.unit)
    if row.sd is not None:
        text += f" ± {score_text(row.sd, row.unit)}"
    if row.ci is not None:
        text += f" [{score_text(row.ci[0], row.unit)}, {score_text(row.ci[1], row.unit)}]"
    return text + (" †" if row.value is not None and row.few else "")


def _footnotes(found: Ranked, headline: str) -> Iterator[str]:
    rows = found.rows
    if any(row.few for row in rows):
        yield "† fewer than ten clips: the interval is a rough guide (one clip has none).  "
    if any(row.facts["contaminated"] for row in rows):
        yield "‡ trained on this data set, as its card declares.  "
    if any(not row.higher_is_better for row in rows):
        yield f"Lower {code(headline)} is better.  "
    if found.smallest is not None:
        yield (
            f"Smallest difference in {code(headline)} that these clips show with 80 % power: "
            f"{score_text(found.smallest, found.unit)} {_points(found)} (median pair).  "
        )
    models = {row.key.model for row in rows}
    missing = [code(name) for name in _BASELINES if name not in models]
    if missing:
        yield f"No result of {' and '.join(missing)} in this table.  "


def _list(title: str, lines: Sequence[str]) -> list[str]:
    if not lines:
        return []
    shown = [f"- {escape(line)}" for line in islice(lines, _MOST_NAMED)]
    more = [f"- and {len(lines) - _MOST_NAMED} more"] if len(lines) > _MOST_NAMED else []
    return [f"## {title}", "", *shown, *more, ""]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
