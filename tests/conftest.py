"""What makes every run of the tests the same, and the last line of the conformance cases."""

import os
import random
import sys
import zlib
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

# A time says something about the machine, not about the code.
settings.register_profile(
    "repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
# `make fuzz` draws other examples each time and prints the seeds.
settings.register_profile("fuzz", settings.get_profile("repeatable"), derandomize=False)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "repeatable")
settings.load_profile(PROFILE)
if PROFILE == "repeatable":
    # Hypothesis also draws constants out of the modules that are loaded at that moment, and these
    # depend on what ran before in the same process.
    providers.is_local_module_file = lambda path: False


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes by their number: an archive among them holds the time at which it was made."""
    return f"{argname} of {len(val)} bytes" if isinstance(val, bytes) else None


def _seed(name: str) -> None:
    """Begin the global random numbers again, at a place of their own for each name."""
    seed = zlib.crc32(name.encode())
    random.seed(seed)
    np.random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> None:
    _seed(fixturedef.argname)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    _seed(item.nodeid)


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
