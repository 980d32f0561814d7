"""Files that a command may replace: those that it wrote itself."""

from __future__ import annotations

from pathlib import Path

from tvseg_bench.benchmark.errors import UsageError


def refuse_to_replace(path: Path, start: str, command: str) -> None:
    """Refuse to replace what the command did not write, or a link to that.

    Args:
        path: what is to be written.
        start: how the command's own files begin.
        command: as the sentence names it.

    Raises:
        UsageError: something else is in the way.
    """
    if not path.exists() and not path.is_symlink():
        return
    ours = False
    if path.is_file():
        with path.open("rb") as file:
            ours = file.read(4096).startswith(start.encode("utf-8"))
    if not ours:
        raise UsageError(
            f"{path} is there and was not written by {command}, so it is kept; "
            "move it away or choose another folder with -o"
        )
