"""Train the flagship from nothing: `selfdistil/tiny` on images, then `timet/tiny` on clips.

    python scripts/flagship.py runs/flagship              about a quarter of an hour
    python scripts/flagship.py runs/flagship --install    and put the weights into the package

The two runs are those of `tvseg-bench train` with the recipes in models/flagship; a run that was
killed goes on where it was. Weights are stored in half precision, with their SHA256SUMS; of each
metrics file every tenth step is stored.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

from safetensors.torch import load_file, save_file

from tvseg_bench.__main__ import main as tvseg_bench
from tvseg_bench.models import tiny
from tvseg_bench.models.training.export import BACKBONE

STAGES = (("images", "selfdistil", tiny.IMAGES), ("clips", "timet", tiny.CLIPS))
STORED_STEPS = 10


def train(output: Path) -> None:
    """Run both stages, the second from the weights of the first."""
    before: list[str] = []
    for stage, method, _ in STAGES:
        folder = output / stage
        config = tiny.FILES / f"{stage}.yaml"
        command = ["train", method, "--config", str(config), "-o", str(folder), *before]
        print("tvseg-bench", *command, flush=True)
        if tvseg_bench([*command, "--resume", "auto"]):
            sys.exit(1)
        before = ["--weights", str(folder / "model.safetensors")]


def export(output: Path, to: Path) -> None:
    """Write weights in half precision, what they hash to, and thinned metrics."""
    to.mkdir(parents=True, exist_ok=True)
    sums = []
    for stage, _, card in STAGES:
        tensors = load_file(output / stage / "model.safetensors")
        backbone = {
            name.removeprefix(BACKBONE): tensor.half().contiguous()
            for name, tensor in tensors.items()
            if name.startswith(BACKBONE)
        }
        path = to / tiny.file_of(card).name
        save_file(backbone, path)
        path.chmod(0o644)
        sums.append(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n")
        rows = (output / stage / "metrics.jsonl").read_text(encoding="utf-8").splitlines(True)
        steps, rest = rows[:-1], rows[-1:]
        stored = [*steps[:-1:STORED_STEPS], *steps[-1:], *rest]
        (to / f"{stage}-metrics.jsonl").write_text("".join(stored), encoding="utf-8")
    (to / tiny.SUMS.name).write_text("".join(sums), encoding="utf-8")
    print(*sums, sep="", end="")


def main() -> None:
    """Parse, train, export."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, metavar="DIR", help="folder of the two runs")
    parser.add_argument("--install", action="store_true", help="replace the package's weights")
    given = parser.parse_args()
    train(given.output)
    export(given.output, tiny.FILES if given.install else given.output / "weights")


if __name__ == "__main__":
    main()
