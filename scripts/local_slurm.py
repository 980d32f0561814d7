"""A real Slurm on one machine: some nodes on loopback, for tests and for trying things out.

    python scripts/local_slurm.py start DIR --nodes 2 --cpus 2
    python scripts/local_slurm.py stop DIR

`start` prints the line to type, after which `sinfo`, `sbatch` and all that calls them speak to
these nodes. State, spool and logs are in DIR. Several clusters can run at once, and an ordinary
user can start one. There are two partitions, `batch` and `urgent`; a job in `urgent` takes the
place of jobs in `batch`, which are put back into the queue. Accounting is off, so `sacct` finds
nothing. Linux only.

From Python, and gone at the end whatever happens:

    with local_slurm(folder, nodes=2) as cluster:
        subprocess.run(["sbatch", "job.sh"], env={**os.environ, **cluster.environment})
        cluster.stop_node("n1")
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

# Debian keeps daemons where the PATH of an ordinary user does not lead.
PLACES = ("/usr/local/sbin", "/usr/sbin", "/sbin")
PROGRAMS = ("slurmctld", "slurmd", "sinfo", "sbatch")
PACKAGES = "slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge"
FIRST_LINE = "# made by scripts/local_slurm.py\n"
# Below the ports that Linux gives to outgoing connections, so that a stopped node finds its own
# port free when it comes back.
PORTS = range(20000, 32000)
# The name of a Unix socket has at most 107 bytes: DIR/n12/n12_99999.4294967291 has to fit.
LONGEST_FOLDER = 80
PATIENCE = 30.0  # seconds

CONFIGURATION = """\
ClusterName=local
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
# how long, in seconds, a job that was put back waits before it may start again: 5 is the least
# that Slurm takes; below that it silently stays at 120
AuthInfo=cred_expire=5
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0,bf_interval=1
MaxArraySize={max_array_size}
JobRequeue=1
KillWait=2
CompleteWait=0
# a node that is gone is marked with a star after two of its time-outs, and down after four
MessageTimeout=3
TCPTimeout=1
SlurmdTimeout=5
ReturnToService=2
# more processors than the machine has
SlurmdParameters=config_overrides
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdLogFile={folder}/slurmd-%n.log
SlurmdSpoolDir={folder}/%n
StateSaveLocation={folder}/state
{nodes}
PartitionName=batch Nodes=ALL Default=YES PriorityTier=1 MaxTime=INFINITE
PartitionName=urgent Nodes=ALL PriorityTier=2 MaxTime=INFINITE
"""


class LocalSlurmError(RuntimeError):
    """A cluster that cannot be started or reached; the text says why and what to do."""


@dataclass(frozen=True)
class LocalSlurm:
    """A Slurm that lives in a folder: one controller and the daemon of each node, `n0`, `n1`, ...

    Attributes:
        folder: configuration, state, spool and logs; absolute.
        nodes: names of the nodes, running or not.
    """

    folder: Path
    nodes: tuple[str, ...]

    @property
    def configuration(self) -> Path:
        """The file that `SLURM_CONF` names."""
        return self.folder / "slurm.conf"

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which the programs of Slurm are found and speak to this cluster."""
        return {"SLURM_CONF": str(self.configuration), "PATH": _search_path()}

    def states(self) -> dict[str, str]:
        """Return the state of every node as `sinfo` says it: `idle`, `mixed`, `down`, ...

        Empty while the controller does not answer. A trailing `*` means that the node does not.
        """
        command = ["sinfo", "--noheader", "--Node", "--format=%N %T"]
        said = subprocess.run(command, capture_output=True, text=True, env=self._variables())
        lines = [] if said.returncode else said.stdout.splitlines()
        return dict(line.split() for line in lines)  # a node has a line for each partition

    def start_node(self, name: str) -> None:
        """Start the daemon of a node and return when Slurm can use it.

        Raises:
            LocalSlurmError: if there is no such node, or it is not usable within half a minute.
        """
        self._check(name)
        self._launch(["slurmd", "-f", str(self.configuration), "-N", name, "-c"])
        self._wait_for([name])

    def stop_node(self, name: str) -> None:
        """Kill a node as a power cut does, its daemon and all that runs on it; Slurm is not told.

        Slurm notices after about twelve seconds, and puts the node's jobs back into the queue.

        Raises:
            LocalSlurmError: if there is no such node, or it cannot be killed.
        """
        self._check(name)
        self._kill([name], controller=False)

    def stop(self) -> None:
        """Kill the controller, every node and all that runs on them; files stay."""
        self._kill(self.nodes, controller=True)

    def start(self) -> None:
        """Start the controller, then every node; nothing is left running if that fails.

        Raises:
            LocalSlurmError: if the nodes are not usable within half a minute.
        """
        try:
            self._launch(["slurmctld", "-f", str(self.configuration), "-i", "-c"])
            for name in self.nodes:
                self._launch(["slurmd", "-f", str(self.configuration), "-N", name, "-c"])
            self._wait_for(self.nodes)
        except BaseException:
            self.stop()
            raise

    def _variables(self) -> dict[str, str]:
        return {**os.environ, **self.environment}

    def _check(self, name: str) -> None:
        if name not in self.nodes:
            raise LocalSlurmError(f"no node {name!r} here; there are {', '.join(self.nodes)}")

    def _launch(self, command: Sequence[str]) -> None:
        """Start a daemon, which goes into the background by itself."""
        place = shutil.which(command[0], path=_search_path())
        with (self.folder / "start.log").open("ab") as log:
            code = subprocess.call(
                [str(place), *command[1:]],
                cwd=self.folder,
                env=self._variables(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if code:
            raise LocalSlurmError(f"{command[0]} ended with code {code}; {self._last_lines()}")

    def _wait_for(self, names: Sequence[str]) -> None:
        """Return when Slurm has seen all of these nodes and can use them."""
        end = time.monotonic() + PATIENCE
        usable = ("idle", "mixed", "allocated")
        while not all(self.states().get(name) in usable for name in names):
            if time.monotonic() > end:
                states = self.states() or "the controller does not answer"
                raise LocalSlurmError(
                    f"{', '.join(names)} not usable after {PATIENCE:.0f} s ({states}); "
                    + self._last_lines()
                )
            time.sleep(0.1)

    def _last_lines(self) -> str:
        logs = [self.folder / "start.log", *sorted(self.folder.glob("slurm*.log"))]
        ends = [
            f"{log}:\n" + "\n".join(log.read_text(errors="replace").splitlines()[-5:])
            for log in logs
            if log.is_file()
        ]
        return "the last lines of its logs:\n" + "\n".join(ends)

    def _kill(self, names: Sequence[str], *, controller: bool) -> None:
        """Kill daemons first, so that nobody reports the end of what they had started."""
        logs = {str(self.folder / f"slurmd-{name}.log") for name in names}
        if controller:
            logs.add(str(self.folder / "slurmctld.log"))
        end = time.monotonic() + PATIENCE
        while found := [*_holding(logs), *self._jobs_on(names)]:
            if time.monotonic() > end:
                raise LocalSlurmError(f"processes {found} of {self.folder} cannot be killed")
            for process in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            time.sleep(0.05)

    def _jobs_on(self, names: Sequence[str]) -> list[int]:
        """Return the processes that Slurm started in jobs on these nodes, children included."""
        here = f"SLURM_CONF={self.configuration}".encode()
        nodes = {f"SLURMD_NODENAME={name}".encode() for name in names}
        found = []
        for process in _processes():
            with contextlib.suppress(OSError):
                variables = set((process / "environ").read_bytes().split(b"\0"))
                if here in variables and variables & nodes:
                    found.append(int(process.name))
        return found


def missing_programs() -> str | None:
    """Return what to say where Slurm is not installed, `None` where it is."""
    missing = [name for name in PROGRAMS if not shutil.which(name, path=_search_path())]
    if not missing:
        return None
    return f"no {', '.join(missing)} on this machine; on Debian type: apt-get install {PACKAGES}"


def started(
    folder: Path, *, nodes: int = 2, cpus: int = 2, max_array_size: int = 1001
) -> LocalSlurm:
    """Start a cluster that runs until `stop` is called.

    Args:
        folder: where everything is kept: new, empty, or that of a cluster that was stopped.
        nodes: how many nodes, at least 1.
        cpus: processors that Slurm believes each node to have, at least 1.
        max_array_size: `MaxArraySize`, above every index of a job array.

    Raises:
        LocalSlurmError: if Slurm is not installed, the folder is in use, or no node comes up.
    """
    if message := missing_programs():
        raise LocalSlurmError(message)
    cluster = LocalSlurm(folder.absolute(), tuple(f"n{i}" for i in range(nodes)))
    if len(os.fsencode(cluster.folder)) > LONGEST_FOLDER:
        raise LocalSlurmError(
            f"{cluster.folder} is longer than {LONGEST_FOLDER} bytes, too long for the names of "
            "Slurm's sockets; give a shorter folder"
        )
    if nodes < 1 or cpus < 1:
        raise LocalSlurmError(f"at least one node and one processor, not {nodes} and {cpus}")
    if folder.exists() and any(folder.iterdir()):
        _refuse_what_is_not_ours(cluster)
    (cluster.folder / "state").mkdir(parents=True, exist_ok=True)
    for name in cluster.nodes:
        (cluster.folder / name).mkdir(exist_ok=True)
    cluster.configuration.write_text(FIRST_LINE + _configured(cluster, cpus, max_array_size))
    cluster.start()
    return cluster


def found_in(folder: Path) -> LocalSlurm:
    """Return the cluster of a folder, running or not.

    Raises:
        LocalSlurmError: if the folder has none.
    """
    cluster = LocalSlurm(folder.absolute(), ())
    try:
        text = cluster.configuration.read_text()
    except OSError:
        text = ""
    if not text.startswith(FIRST_LINE):
        raise LocalSlurmError(f"{folder} holds no Slurm that this script has started")
    words = (line.split()[0] for line in text.splitlines() if line.startswith("NodeName="))
    return LocalSlurm(cluster.folder, tuple(word.partition("=")[2] for word in words))


@contextlib.contextmanager
def local_slurm(
    folder: Path, *, nodes: int = 2, cpus: int = 2, max_array_size: int = 1001
) -> Iterator[LocalSlurm]:
    """Start a cluster as `started` does, and stop it at the end, also after an exception."""
    cluster = started(folder, nodes=nodes, cpus=cpus, max_array_size=max_array_size)
    try:
        yield cluster
    finally:
        cluster.stop()


def _refuse_what_is_not_ours(cluster: LocalSlurm) -> None:
    former = found_in(cluster.folder)
    logs = {str(former.folder / f"slurmd-{name}.log") for name in former.nodes}
    if _holding(logs | {str(former.folder / "slurmctld.log")}):
        raise LocalSlurmError(
            f"a Slurm runs in {former.folder}; stop it first: "
            f"python scripts/local_slurm.py stop {former.folder}"
        )


def _configured(cluster: LocalSlurm, cpus: int, max_array_size: int) -> str:
    host = socket.gethostname().partition(".")[0]
    first, *others = _free_ports(1 + len(cluster.nodes))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    nodes = "\n".join(
        f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} "
        f"RealMemory={memory}"
        for name, port in zip(cluster.nodes, others, strict=True)
    )
    return CONFIGURATION.format(
        host=host,
        port=first,
        user=os.getuid(),
        folder=cluster.folder,
        nodes=nodes,
        max_array_size=max_array_size,
    )


def _free_ports(count: int) -> list[int]:
    """Return different ports of loopback that nobody listens on now."""
    found: list[int] = []
    # its own generator: the callers' numbers stay as they are
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        with contextlib.suppress(OSError), socket.socket() as taken:
            taken.bind(("", port))
            found.append(port)
        if len(found) == count:
            return found
    raise LocalSlurmError(f"fewer than {count} free ports between {PORTS.start} and {PORTS.stop}")


def _search_path() -> str:
    return os.pathsep.join([os.environ.get("PATH", os.defpath), *PLACES])


def _processes() -> Iterator[Path]:
    return (folder for folder in Path("/proc").iterdir() if folder.name.isdigit())


def _holding(logs: set[str]) -> list[int]:
    """Return the daemons of Slurm that write one of these logs.

    The command line of a job's step does not say to which node it belongs; the log does.
    """
    found = []
    for process in _processes():
        with contextlib.suppress(OSError):
            daemon = (process / "comm").read_text().startswith("slurm")
            if daemon and any(_target(file) in logs for file in (process / "fd").iterdir()):
                found.append(int(process.name))
    return found


def _target(link: Path) -> str | None:
    try:
        return str(link.readlink())
    except OSError:  # closed meanwhile
        return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Start or stop a cluster; return 0, or 2 after a sentence that says what is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("start", help="start a cluster and print the line to type")
    stop = commands.add_parser("stop", help="stop the cluster of a folder; its files stay")
    for command in (start, stop):
        command.add_argument("folder", metavar="DIR", type=Path)
    start.add_argument("--nodes", type=int, default=2, help="how many nodes (default: 2)")
    start.add_argument("--cpus", type=int, default=2, help="processors of each (default: 2)")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "stop":
            found_in(chosen.folder).stop()
        else:
            cluster = started(chosen.folder, nodes=chosen.nodes, cpus=chosen.cpus)
            print(f"export SLURM_CONF={cluster.configuration}")
    except LocalSlurmError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
