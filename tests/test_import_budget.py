"""What must answer at once never loads what takes seconds (the time itself is a benchmark)."""

import subprocess
import sys

import pytest

from tvseg_bench.__main__ import COMMANDS

HEAVY = ("torch", "torchvision", "timm", "sklearn", "scipy", "pandas", "faiss", "numba", "av")
ANSWERS = [
    ["--help"],
    ["--version"],
    ["list", "models"],
    ["list", "protocols"],
    ["list", "datasets"],
    ["list", "runs"],
    ["info", "dino/vits16"],
    ["info", "kmeans-clip"],
    ["info", "davis-2017"],
    *([name, "--help"] for name in COMMANDS),
]
CODE = """
import sys
from tvseg_bench.__main__ import main
try:
    code = main(sys.argv[1:])
except SystemExit as stop:
    code = stop.code
assert not code, code
loaded = [m for m in {heavy!r} if m in sys.modules]
print("LOADED", loaded)
"""


def heavy_modules(argv: list[str], heavy: tuple[str, ...]) -> str:
    run = [sys.executable, "-c", CODE.format(heavy=heavy), *argv]
    return subprocess.check_output(run, text=True).splitlines()[-1]


@pytest.mark.parametrize("argv", ANSWERS, ids=" ".join)
def test_answers_without_heavy_imports(argv: list[str]) -> None:
    assert heavy_modules(argv, (*HEAVY, "numpy")) == "LOADED []"


MISTAKES = [
    ["--model", "dino/vits61"],
    ["--model", "baseline/pixels", "--protocol", "kmeans-klip"],
    ["--model", "baseline/pixels", "--dataset", "davis-2061"],
    ["--model", "baseline/pixels", "protocol.kmeans-clip.kk=3"],
]


@pytest.mark.parametrize("argv", MISTAKES, ids=lambda argv: argv[-1])
def test_a_mistyped_name_is_refused_without_heavy_imports(argv: list[str]) -> None:
    code = CODE.replace("assert not code, code", "assert code == 2, code")
    run = [sys.executable, "-c", code.format(heavy=(*HEAVY, "numpy")), "run", *argv]
    assert subprocess.check_output(run, text=True).splitlines()[-1] == "LOADED []"


def test_leaderboard_needs_no_torch(tmp_path: object) -> None:
    argv = ["leaderboard", "build", str(tmp_path), "--output", str(tmp_path)]
    code = CODE.replace("assert not code, code", "")
    run = [sys.executable, "-c", code.format(heavy=("torch", "sklearn")), *argv]
    assert subprocess.check_output(run, text=True).splitlines()[-1] == "LOADED []"
