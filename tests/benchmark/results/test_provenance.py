import getpass
import os
import platform
import socket
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

import tvseg_bench
from tvseg_bench.benchmark.results import provenance
from tvseg_bench.benchmark.results.provenance import collect, sanitise

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2)))


@pytest.fixture
def someone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "gpu-box.example.org")
    monkeypatch.setattr(platform, "node", lambda: "gpu-box")
    monkeypatch.setattr(getpass, "getuser", lambda: "jo")
    monkeypatch.setattr(Path, "home", lambda: Path("/home/jo"))
    provenance._names.cache_clear()
    yield
    monkeypatch.undo()
    provenance._names.cache_clear()


def test_what_made_a_result() -> None:
    made = collect(started=NOW, ended=NOW, seeds=(0, 1))
    assert made.suite == tvseg_bench.__version__
    assert made.started == made.ended == "2026-01-02T01:04:05Z"
    assert made.seeds == (0, 1)
    assert made.command is None
    assert made.packages["numpy"].count(".") >= 1
    assert made.python == platform.python_version()
    assert made.hardware.cores == os.cpu_count()


def test_neither_host_nor_user_nor_path_is_recorded() -> None:
    """On this very machine, with everything that may betray it in the command."""
    cwd, home = Path.cwd(), Path.home()
    hosts = {socket.gethostname(), platform.node(), socket.getfqdn()}
    users = {getpass.getuser(), home.name}
    command = [sys.executable, "run", f"--data-root={cwd / 'data'}", f"-o{home}/runs"]
    command += [f"--plugin={h}:{u}" for h in hosts for u in users]
    text = collect(started=NOW, command=command).model_dump_json()
    assert str(cwd) not in text
    assert f"{home}/" not in text
    for name in (hosts | users) - {"root", "localhost", ""}:
        assert name not in text.replace("user", "").replace("host", "")


@pytest.mark.usefixtures("someone")
@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (["/opt/bin/tvseg-bench", "run"], "tvseg-bench run"),
        (["--data-root", "/srv/data/davis"], "--data-root davis"),
        (["--data-root=/srv/data/davis/"], "--data-root=davis"),
        (["-o/srv/out"], "-oout"),
        (["--model", "file:/home/jo/m.py:build"], "--model file:m.py:build"),
        (["--plugin", "/a/b.py,/c/d.py"], "--plugin b.py,d.py"),
        (["~/x/y.yaml", "~ann/z"], "y.yaml z"),
        ([r"C:\Users\jo\data", "D:/videos/x"], "data x"),
        ([r"\\server\share\x"], "x"),
        (["../jo/c.yaml", "--tag=jo@gpu-box"], "../user/c.yaml --tag=user@host"),
        (["https://gpu-box.example.org/w.pt"], "https:w.pt"),
        (["/srv/my data/x y"], "'x y'"),
        (
            ["--model", "dino/vits16", "--data-root", "runs/a"],
            "--model dino/vits16 --data-root runs/a",
        ),
        (["protocol.kmeans-clip.k=21", "--seeds", "0-4"], "protocol.kmeans-clip.k=21 --seeds 0-4"),
        (["a\nb", ""], "'a b' ''"),
    ],
)
def test_commands_are_sanitised(typed: list[str], kept: str) -> None:
    assert sanitise(typed) == kept


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


def test_state_of_the_checkout(tmp_path: Path) -> None:
    assert provenance._git(tmp_path / "wheel") is None
    git(tmp_path, "init", "-q")
    assert provenance._git(tmp_path / ".") is None  # nothing committed yet
    provenance._git.cache_clear()
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "first")
    clean = provenance._git(tmp_path)
    assert clean is not None
    assert len(clean.commit) == 40
    assert not clean.dirty
    for made in ("leaderboards/results/x.json", "docs/board/x.md"):
        (tmp_path / made).parent.mkdir(parents=True)
        (tmp_path / made).write_text("x", encoding="utf-8")
    provenance._git.cache_clear()
    assert provenance._git(tmp_path) == clean  # results of these very runs change no code
    (tmp_path / "new").write_text("x", encoding="utf-8")
    provenance._git.cache_clear()
    assert provenance._git(tmp_path) == clean.model_copy(update={"dirty": True})
    provenance._git.cache_clear()


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys; from datetime import datetime, timezone\n"
        "from tvseg_bench.benchmark.results.provenance import collect\n"
        "made = collect(started=datetime.now(timezone.utc))\n"
        "assert made.packages['torch'] and made.deterministic is None\n"
        "print({'torch', 'numpy', 'pandas', 'faiss'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
