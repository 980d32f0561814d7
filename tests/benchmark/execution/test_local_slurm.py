"""The Slurm that tests start on one machine."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from tvseg_bench.scripts import local_slurm as script
from tvseg_bench.scripts.local_slurm import LocalSlurm, LocalSlurmError, local_slurm

WITHOUT = script.missing_programs()
needs_slurm = pytest.mark.skipif(WITHOUT is not None, reason=str(WITHOUT))

# every task waits for the other three, so that no node can run all of them
MEET = """#!/bin/sh
echo "$SLURMD_NODENAME" > "node-$SLURM_ARRAY_TASK_ID"
until [ -e node-0 ] && [ -e node-1 ] && [ -e node-2 ] && [ -e node-3 ]; do sleep 0.1; done
"""


def submitted(cluster: LocalSlurm, *arguments: str) -> str:
    """Submit a job and return what sbatch prints."""
    done = subprocess.run(
        ["sbatch", "--parsable", "--output=log-%a", *arguments],
        env={**os.environ, **cluster.environment},
        cwd=cluster.folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


def everything_of(cluster: LocalSlurm) -> list[int]:
    """Return all processes that were started with the cluster's configuration."""
    mark = f"SLURM_CONF={cluster.configuration}".encode()
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and mark in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue
    return found


def running(file: Path) -> int:
    """Return the process id that a job writes into the file when it starts."""
    while not (file.exists() and file.read_text().endswith("\n")):
        time.sleep(0.1)
    return int(file.read_text())


def stop_a_node_that_is_not_there(folder: Path) -> None:
    with local_slurm(folder, nodes=1) as cluster:
        with pytest.raises(LocalSlurmError, match="a Slurm runs in"):
            script.started(folder)
        assert cluster.states() == {"n0": "idle"}
        cluster.stop_node("n7")


@pytest.mark.slurm
@needs_slurm
def test_an_array_runs_on_both_nodes(tmp_path: Path) -> None:
    with local_slurm(tmp_path / "a") as cluster, local_slurm(tmp_path / "b", nodes=1) as other:
        (cluster.folder / "meet.sh").write_text(MEET)
        submitted(cluster, "--wait", "--array=0-3", "meet.sh")
        nodes = [(cluster.folder / f"node-{i}").read_text().strip() for i in range(4)]
        assert sorted(nodes) == ["n0", "n0", "n1", "n1"]
        assert list(other.states()) == ["n0"]
        assert everything_of(cluster)
    assert everything_of(cluster) == everything_of(other) == []
    assert cluster.states() == {}


@pytest.mark.slurm
@pytest.mark.slow
@needs_slurm
def test_a_stopped_node_takes_its_jobs_with_it_and_comes_back(tmp_path: Path) -> None:
    with local_slurm(tmp_path / "a", cpus=1) as cluster:
        submitted(cluster, "--array=0-1", "--wrap=echo $$ > pid-$SLURMD_NODENAME; exec sleep 600")
        jobs = {name: running(cluster.folder / f"pid-{name}") for name in cluster.nodes}
        cluster.stop_node("n1")
        assert jobs["n0"] in everything_of(cluster)
        assert jobs["n1"] not in everything_of(cluster)
        while cluster.states()["n1"] != "down*":
            time.sleep(0.1)
        assert cluster.states()["n0"] == "allocated"
        cluster.start_node("n1")
        assert cluster.states()["n1"] in ("idle", "allocated")


@pytest.mark.slurm
@needs_slurm
def test_an_exception_stops_it_and_the_folder_serves_again(tmp_path: Path) -> None:
    cluster = LocalSlurm(tmp_path, ("n0",))
    with pytest.raises(LocalSlurmError, match="no node 'n7' here; there are n0"):
        stop_a_node_that_is_not_there(tmp_path)
    assert everything_of(cluster) == []
    assert script.main(["start", str(tmp_path), "--nodes", "1", "--cpus", "1"]) == 0
    assert cluster.states() == {"n0": "idle"}
    assert script.main(["stop", str(tmp_path)]) == 0
    assert everything_of(cluster) == []


def test_missing_programs_are_named_with_their_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    packages = "slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge"
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(script, "PLACES", ())
    assert script.main(["start", str(tmp_path / "a")]) == 2
    assert capsys.readouterr().err == (
        "error: no slurmctld, slurmd, sinfo, sbatch on this machine; "
        f"on Debian type: apt-get install {packages}\n"
    )
    assert not (tmp_path / "a").exists()


def test_a_folder_of_something_else_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slurm.conf").write_text("ClusterName=theirs\n")
    monkeypatch.setattr(script, "missing_programs", lambda: None)
    with pytest.raises(LocalSlurmError, match="holds no Slurm that this script has started"):
        script.started(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["slurm.conf"]
    with pytest.raises(LocalSlurmError, match="longer than 80 bytes"):
        script.started(tmp_path / ("x" * 80))
