"""What a run shows: bars, lines, or JSON events."""

import io
import json
import sys
from collections.abc import Callable
from datetime import datetime
from types import ModuleType
from typing import Any

import pytest
from rich.console import Console

from tvseg_bench.benchmark.cli import console as consoles
from tvseg_bench.benchmark.cli.console import progress_console, progress_style
from tvseg_bench.benchmark.cli.count_progress import LinesOfCount, count_progress
from tvseg_bench.benchmark.cli.json_events import JsonOfRun, json_run
from tvseg_bench.benchmark.cli.periodic_run import PeriodicRun
from tvseg_bench.benchmark.cli.progress import BarsOfRun, PrintedRun, shown_run
from tvseg_bench.benchmark.execution.callbacks import RunCallbacks
from tvseg_bench.benchmark.execution.plan import Cell
from tvseg_bench.benchmark.execution.run import run_selection
from tvseg_bench.benchmark.execution.selection import make_selection


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def noon() -> datetime:
    return datetime(2026, 5, 4, 12, 0, 7)


class BeatAtStart(PeriodicRun):
    """Says where the run stands whenever a cell begins, 30 seconds after the last time."""

    def on_start(self, cell: Cell) -> None:
        super().on_start(cell)
        self._status._clock.wait(30)  # type: ignore[attr-defined]
        self.beat()


def run(values: Any, callbacks: RunCallbacks) -> None:
    run_selection(make_selection(values), callbacks)


def test_lines_are_plain_and_each_is_whole(
    toy_grid: Any, clock: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    printed = PrintedRun(progress_console("lines"), now=noon)
    run(toy_grid(), BeatAtStart(printed, printed.stands, clock=clock))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "\x1b" not in shown.err
    assert shown.err.splitlines()[:2] == [
        "1 cell, 0 done before, 1 to do",
        "[12:00:07, 30 s in] 0 of 1 cells done, 1 to do; "
        "now toy/a × kmeans-clip × toy:val for 30 s",
    ]
    assert shown.err.splitlines()[-1].startswith("✓ toy/a × kmeans-clip × toy:val  miou ")


def test_json_lines_are_events(
    toy_grid: Any, clock: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = JsonOfRun()
    run(toy_grid(), BeatAtStart(printed, printed.stands, clock=clock))
    shown = capsys.readouterr()
    assert shown.err == ""
    events = [json.loads(line) for line in shown.out.splitlines()]
    assert [event["event"] for event in events] == ["planned", "progress", "cell"]
    assert events[1] == {
        "event": "progress",
        "elapsed_s": 30.0,
        "cells": 1,
        "done": 0,
        "failed": 0,
        "skipped": 0,
        "todo": 1,
        "running": 1,
        "cell_id": events[2]["cell_id"],
        "cell": "toy/a × kmeans-clip × toy:val",
        "cell_s": 30.0,
        "frames_done": None,
        "frames": None,
        "frames_per_s": None,
        "frames_left_s": None,
        "left_s": None,
    }


def test_a_short_run_prints_no_line_in_between(
    toy_grid: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with shown_run("lines") as callbacks:
        run(toy_grid(), callbacks)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in lines] == ["1", "one", "✓"]


@pytest.mark.parametrize("make", [shown_run, json_run])
def test_the_thread_ends_with_the_block(make: Callable[[str], Any]) -> None:
    callbacks = make("lines")
    with pytest.raises(KeyboardInterrupt), callbacks:
        raise KeyboardInterrupt
    assert callbacks._heartbeat._thread.ident is not None
    assert not callbacks._heartbeat._thread.is_alive()


def test_none_keeps_the_line_of_a_finished_cell(
    toy_grid: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with shown_run("none") as callbacks:
        run(toy_grid(), callbacks)
    assert type(callbacks) is PrintedRun
    assert "✓ toy/a × kmeans-clip × toy:val" in capsys.readouterr().err


def test_bars_are_drawn_where_they_are_asked_for(
    toy_grid: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with shown_run("bar") as callbacks:
        run(toy_grid(), callbacks)
        run(toy_grid(), callbacks)  # a second plan takes the place of the first
        assert isinstance(callbacks, BarsOfRun)
        (task,) = callbacks.progress.tasks
        assert (task.completed, task.total) == (0, 0)
    assert "\x1b[" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wanted", "terminal", "environment", "style"),
    [
        ("auto", True, {}, "bar"),
        ("auto", False, {}, "lines"),
        ("auto", True, {"TERM": "dumb"}, "lines"),
        ("auto", False, {"FORCE_COLOR": "1"}, "lines"),
        ("bar", False, {}, "bar"),
        ("lines", True, {}, "lines"),
        ("none", True, {}, "none"),
    ],
)
def test_auto_is_bars_on_a_terminal_and_lines_in_a_file(
    monkeypatch: pytest.MonkeyPatch,
    wanted: str,
    terminal: bool,
    environment: dict[str, str],
    style: str,
) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal() if terminal else io.StringIO())
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert progress_style(wanted) == style


@pytest.mark.parametrize(("widgets", "style"), [(True, "bar"), (False, "lines")])
@pytest.mark.parametrize("wanted", ["auto", "bar"])
def test_a_notebook_has_bars_where_it_can_draw_them(
    monkeypatch: pytest.MonkeyPatch, wanted: str, widgets: bool, style: str
) -> None:
    monkeypatch.setattr(
        consoles, "Console", lambda **settings: Console(force_jupyter=True, **settings)
    )
    monkeypatch.setattr(consoles, "find_spec", lambda name: ModuleType(name) if widgets else None)
    assert progress_style(wanted) == style


def test_lines_in_a_notebook_are_text_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    console = progress_console("lines")
    assert not console.is_jupyter
    consoles.print_progress(console, noon(), 65.0, "[b]bold[/b] " + "x" * 300)
    assert capsys.readouterr().err == "[12:00:07, 65 s in] [b]bold[/b] " + "x" * 300 + "\n"


def test_a_count_without_a_terminal(clock: Any, capsys: pytest.CaptureFixture[str]) -> None:
    lines = LinesOfCount(progress_console("lines"), "reading toy", "frames", clock, noon)
    clock.wait(30)
    lines.beat()
    lines.update(10, None)
    clock.wait(30)
    lines.update(70, None)
    lines.beat()
    lines.update(70, 100)
    lines.update(100, 100)
    lines.beat()
    assert capsys.readouterr().err.splitlines() == [
        "[12:00:07, 30 s in] reading toy",
        "[12:00:07, 60 s in] reading toy: 70 frames, 2 frames/s",
        "[12:00:07, 60 s in] reading toy: all 100 frames",
    ]


@pytest.mark.parametrize("wanted", [None, "none", "lines"])
def test_a_short_count_prints_nothing(
    wanted: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    with count_progress("reading", "frames", wanted) as update:
        update(1, 2)
    assert capsys.readouterr().err == ""


def test_a_count_has_a_bar_where_one_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with count_progress("reading toy", "frames", "bar") as update:
        update(1, 2)
    assert "reading toy" in capsys.readouterr().err
