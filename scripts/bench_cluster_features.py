"""Features for the clustering benchmark: real frames where they are, smooth maps where not."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from tvseg_bench.benchmark.clustering import fit_projection

FRAMES = {
    "davis-bear": "DAVIS2016/DAVIS/JPEGImages/480p/bear/*.jpg",
    "davis-dog-agility": "DAVIS2016/DAVIS/JPEGImages/480p/dog-agility/*.jpg",
    "davis-drift-turn": "DAVIS2016/DAVIS/JPEGImages/480p/drift-turn/*.jpg",
    "davis-motorbike": "DAVIS2016/DAVIS/JPEGImages/480p/motorbike/*.jpg",
    "davis-rollerblade": "DAVIS2016/DAVIS/JPEGImages/480p/rollerblade/*.jpg",
    "davis-soccerball": "DAVIS2016/DAVIS/JPEGImages/480p/soccerball/*.jpg",
    "camvid": "CamVid/train/*.png",
    "highway": "CDnet2014_highway/input/*.jpg",
}
VIDEOS = {
    "nasa": "videos/torchcodec/nasa_13013.mp4",
    "pancake": "videos/decord/flipping_a_pancake.mkv",
    "realshort": "videos/imageio/realshort.mp4",
}
WEIGHTS = "weights/squeezenet1_0_imagenet_deepcompressed.safetensors"
SIDE = {14: 240, 28: 464}
"""Pixels that give the network a grid of that many rows."""


class Source:
    """Features [F, grid, grid, dims] of a clip, standardised and projected to 50 dimensions."""

    def __init__(self) -> None:
        self.root = Path(os.environ.get("TVSEG_DATA", ""))
        self.real = "TVSEG_DATA" in os.environ and (self.root / WEIGHTS).is_file()
        self.clips = [*FRAMES, *VIDEOS] if self.real else [f"smooth-{i}" for i in range(11)]
        self._raw: dict[tuple[str, int, int], np.ndarray] = {}
        self._network = _squeezenet(self.root / WEIGHTS) if self.real else None

    def __call__(self, clip: str, frames: int, grid: int, dims: int = 50) -> np.ndarray:
        """Return the features of frames spread over a clip."""
        raw = self.raw(clip, frames, grid)
        return fit_projection(raw.reshape(-1, raw.shape[-1]), dims)(raw)

    def raw(self, clip: str, frames: int, grid: int) -> np.ndarray:
        """Return 512 channels, as the network gives them."""
        key = clip, frames, grid
        if key not in self._raw:
            make = self._extract if self.real else self._generate
            self._raw[key] = make(clip, frames, grid)
        return self._raw[key]

    def _generate(self, clip: str, frames: int, grid: int) -> np.ndarray:
        rng = np.random.default_rng([self.clips.index(clip), grid])
        coarse = torch.from_numpy(rng.normal(size=(1, 512, 4, 5, 5)).astype(np.float32))
        smooth = torch.nn.functional.interpolate(coarse, (frames, grid, grid), mode="trilinear")
        noise = rng.normal(size=(frames, grid, grid, 512)).astype(np.float32)
        return smooth[0].permute(1, 2, 3, 0).numpy() + 0.3 * noise

    def _extract(self, clip: str, frames: int, grid: int) -> np.ndarray:
        images = self._images(clip, frames, SIDE[grid])
        with torch.no_grad():
            maps = torch.cat([self._network(part) for part in images.split(8)])
        return maps.permute(0, 2, 3, 1).contiguous().numpy()

    def _images(self, clip: str, frames: int, side: int) -> torch.Tensor:
        if clip in FRAMES:
            folder, pattern = os.path.split(FRAMES[clip])
            files = sorted((self.root / folder).glob(pattern))
            chosen = [Image.open(files[i]) for i in _spread(len(files), frames)]
        else:
            images = _decode(self.root / VIDEOS[clip])
            chosen = [images[i] for i in _spread(len(images), frames)]
        resized = [np.asarray(image.convert("RGB").resize((side, side))) for image in chosen]
        bgr = np.stack(resized)[..., ::-1].astype(np.float32) - np.float32([104, 117, 123])
        return torch.from_numpy(np.ascontiguousarray(bgr.transpose(0, 3, 1, 2)))


def _spread(have: int, want: int) -> list[int]:
    return np.linspace(0, have - 1, want).round().astype(int).tolist()


def _decode(path: Path) -> list[Image.Image]:
    import av

    with av.open(str(path)) as container:
        return [frame.to_image() for frame in container.decode(video=0)]


def _squeezenet(weights: Path) -> torch.nn.Module:
    from safetensors.torch import load_file
    from torchvision.models import squeezenet1_0

    network = squeezenet1_0()
    network.load_state_dict(load_file(str(weights)))
    return network.eval().features
