"""One of several processes that solve one Sinkhorn problem together: RANK WORLD FOLDER."""

import json
import sys
from pathlib import Path

import torch
from torch import distributed as dist

from tvseg_bench.models.training.losses.sinkhorn import sinkhorn


def main() -> None:
    rank, world, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    torch.set_num_threads(1)
    store = dist.FileStore(str(folder / "store"), world)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=world)
    scores = torch.load(folder / "scores.pt", weights_only=True).chunk(world)[rank]
    settings = json.loads((folder / "settings.json").read_text("utf-8"))
    torch.save(sinkhorn(scores, group=dist.group.WORLD, **settings), folder / f"{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
