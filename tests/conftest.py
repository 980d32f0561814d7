"""The line that ends a run of the conformance cases; works with and without pytest-xdist."""

from collections.abc import Generator, Iterator
from typing import Any

import pytest

EXECUTED = ("passed", "failed", "xfailed", "xpassed")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, Any, Any]:
    # outermost, so that this comes after pytest's own last line
    result = yield
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None and _about_conformance(terminal, session.config):
        for name in sorted(set(_recorded(terminal, "not yet covered"))):
            terminal.write_line(f"conformance: not yet covered: {name}")
        cases = set(_recorded(terminal, "conformance case"))
        terminal.write_line(f"conformance cases: {len(cases)}")
    return result


def _about_conformance(terminal: Any, config: pytest.Config) -> bool:
    reports = (report for group in terminal.stats.values() for report in group)
    seen = any("conformance" in getattr(report, "keywords", ()) for report in reports)
    return seen or config.option.markexpr == "conformance"


def _recorded(terminal: Any, name: str) -> Iterator[str]:
    """Yield the values of one user property from the reports of tests that ran."""
    for outcome in EXECUTED:
        for report in terminal.stats.get(outcome, ()):
            yield from (value for key, value in report.user_properties if key == name)
