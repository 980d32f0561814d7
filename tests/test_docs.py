"""What the documents tell a user to type is understood; the reference leaves nothing out."""

import importlib.util
import re
import shlex
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from pydantic import BaseModel

from tvseg_bench import __version__, register_builtins
from tvseg_bench.__main__ import COMMANDS
from tvseg_bench.benchmark.cli.parser import parse_command
from tvseg_bench.benchmark.contract.check_report import CHECKS
from tvseg_bench.benchmark.registry import datasets, protocols
from tvseg_bench.benchmark.results.schema import Metric, Result

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *ROOT.glob("examples/*/*.md")])
register_builtins()


def text_of(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def commands(document: Path) -> list[str]:
    """Return the tvseg-bench commands of the fenced blocks, joined where they are continued."""
    blocks = re.findall(r"```\w*\n(.*?)```", text_of(document), flags=re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.split(" #")[0].strip() for line in lines if line.startswith("tvseg-bench ")]


ALL = [(d.relative_to(ROOT), command) for d in DOCUMENTS for command in commands(d)]


@pytest.mark.parametrize(("document", "command"), ALL, ids=[f"{d}: {c}" for d, c in ALL])
def test_command_is_understood(document: Path, command: str) -> None:
    _, name, *words = shlex.split(command)
    _, arguments = parse_command(COMMANDS, name, words)
    for name in getattr(arguments, "protocol", None) or []:
        for part in name.split(","):
            assert part == "all" or part.partition(":")[0] in protocols
    for name in getattr(arguments, "dataset", None) or []:
        for part in name.split(","):
            assert part.partition(":")[0] in {*datasets, "folder", "all"}


def test_the_readme_has_commands_and_is_short() -> None:
    assert len(commands(ROOT / "README.md")) >= 10
    assert len(text_of(ROOT / "README.md").splitlines()) <= 150


def test_links_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text_of(document)):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


@pytest.mark.parametrize("document", [ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=str)
def test_make_targets_exist(document: Path) -> None:
    makefile = text_of(ROOT / "Makefile")
    for target in re.findall(r"(?:^|`)make (\w+)", text_of(document), flags=re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_the_ranks_of_imports_are_those_that_are_tested() -> None:
    ranks = loaded("tests/test_layers.py").RANKS
    stated = "".join(
        re.findall(r"lowest first: (.*?)\.\n", text_of(ROOT / "CONTRIBUTING.md"), re.S)
    )
    found = [part.split() for part in stated.replace("`", "").split("<")]
    assert found == [list(rank) for rank in ranks]


# ---------------------------------------------------------------------------- reference


@pytest.mark.parametrize("name", sorted(protocols))
def test_every_protocol_has_its_section(name: str) -> None:
    pages = "\n".join(map(text_of, sorted((REFERENCE / "protocols").glob("*.md"))))
    assert f"<!-- made: protocol {name} -->" in pages
    assert re.search(rf"^<!-- made: presets .*\b{name}\b.*-->$", pages, flags=re.MULTILINE)
    assert re.search(rf"^#+ .*\b{name}\b", pages, flags=re.MULTILINE)
    assert "(protocols/" in text_of(REFERENCE / "index.md")


@pytest.mark.parametrize("name", sorted(protocols))
def test_every_preset_is_explained(name: str) -> None:
    (page,) = [
        page
        for page in map(text_of, (REFERENCE / "protocols").glob("*.md"))
        if f"<!-- made: protocol {name} -->" in page
    ]
    for preset in protocols[name].presets:
        assert re.search(rf"^`{preset}`\n:   ", page, flags=re.MULTILINE), preset


@pytest.mark.parametrize("name", sorted(protocols))
def test_every_metric_has_its_entry(name: str) -> None:
    page = text_of(REFERENCE / "metrics.md")
    for metric in protocols[name].metrics:
        assert re.search(rf'(#|id=")metric-{metric}\b', page), metric
        assert re.search(rf"^### .*`{metric}`", page, flags=re.MULTILINE), metric


def test_every_entry_of_a_metric_says_all_there_is_to_say() -> None:
    for entry in re.split(r"^### ", text_of(REFERENCE / "metrics.md"), flags=re.MULTILINE)[1:]:
        for part in ("{: #metric-", "**Good and bad.**", "**Elsewhere.**", "<!-- made: metric "):
            assert part in entry, entry.splitlines()[0]


@pytest.mark.parametrize("name", sorted(datasets))
def test_every_data_set_has_its_section(name: str) -> None:
    page = text_of(REFERENCE / "datasets.md")
    assert f"\n## {name}\n" in page
    assert f"<!-- made: dataset {name} -->" in page
    assert f"(#{name})" in page


def test_every_command_has_its_section() -> None:
    described = re.findall(r"<!-- made: options (\S+) -->", text_of(REFERENCE / "command-line.md"))
    assert sorted(described) == sorted(COMMANDS)


@pytest.mark.parametrize("part", [Result, Metric])
def test_every_field_of_a_result_is_explained(part: type[BaseModel]) -> None:
    page = text_of(REFERENCE / "results.md")
    for name, field in part.model_fields.items():
        assert re.search(rf"^\| .*`{field.alias or name}`.* \| ", page, re.MULTILINE), name


def test_every_check_of_the_contract_is_in_the_guide() -> None:
    rows = re.findall(r"^\| (`.*?) \| ", text_of(DOCS / "guide" / "submit.md"), re.MULTILINE)
    assert sorted(re.findall(r"`([\w-]+)`", " ".join(rows))) == sorted(CHECKS)


def loaded(path: str) -> ModuleType:
    """Return a module of the checkout that no package holds."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "document",
    [d for d in DOCUMENTS if "\n<!-- made:" in text_of(d)],
    ids=lambda d: str(d.relative_to(ROOT)),
)
def test_what_is_made_can_be_made(document: Path) -> None:
    made = loaded("scripts/docs_pages.py").on_page_markdown(text_of(document))
    assert "\n<!-- made:" not in made
    assert len(made) > len(text_of(document))


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load(text_of(ROOT / "CITATION.cff"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == __version__
    assert {"message", "title", "authors"} <= set(citation)
    assert f"## {__version__}" in text_of(ROOT / "CHANGELOG.md")
