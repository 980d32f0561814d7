"""What the documents tell a user to type is what the command line takes."""

import re
import shlex
from pathlib import Path

import pytest

from tvseg_bench import register_builtins
from tvseg_bench.__main__ import COMMANDS
from tvseg_bench.benchmark.cli.parser import parse_command
from tvseg_bench.benchmark.registry import datasets, protocols

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *ROOT.glob("examples/*/*.md")]
)


def commands(document: Path) -> list[str]:
    """Return the tvseg-bench commands of the fenced blocks, joined where they are continued."""
    text = document.read_text(encoding="utf-8")
    blocks = re.findall(r"```\w*\n(.*?)```", text, flags=re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.split(" #")[0].strip() for line in lines if line.startswith("tvseg-bench ")]


ALL = [(d.relative_to(ROOT), command) for d in DOCUMENTS for command in commands(d)]


@pytest.mark.parametrize(("document", "command"), ALL, ids=[f"{d}: {c}" for d, c in ALL])
def test_command_is_understood(document: Path, command: str) -> None:
    _, name, *words = shlex.split(command)
    _, arguments = parse_command(COMMANDS, name, words)
    register_builtins()
    for name in getattr(arguments, "protocol", None) or []:
        for part in name.split(","):
            assert part == "all" or part.partition(":")[0] in protocols
    for name in getattr(arguments, "dataset", None) or []:
        for part in name.split(","):
            assert part.partition(":")[0] in {*datasets, "folder", "all"}


def test_the_readme_has_commands() -> None:
    assert len(commands(ROOT / "README.md")) >= 10


def test_links_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_make_targets_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make (\w+)", (ROOT / "README.md").read_text(), flags=re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
