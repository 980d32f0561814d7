"""moving-shapes: the embedded data set, generated from seeds and never downloaded.

Textured objects of eight categories move on curved paths, turn, grow and shrink, pass in front of
each other and leave the frame and come back, before a moving textured background, under light
that changes over time. In version 2 they also change their look while they are watched: a thing
turns from one of its category's two faces to the other (`second_version`). Images, masks, exact
optical flow and, in version 2, exact depth are computed when they are asked for. Raw PCG64 words
and whole-number arithmetic make them the same on every machine. Semantic ids are 0 for the
background and 1.. for `CATEGORIES`; instance k of a clip keeps its id when it comes back.

Splits: `val` scores models; `train` has other seeds and shows none of the held-out categories,
textures and backgrounds (`vocabulary`), so `val` shows what carries over to things never seen;
`probe` has other seeds and everything, for probes that need every class. Seeds below
`FIRST_FREE_SEED` belong to evaluation; `make_dataset` gives any number of clips of other seeds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from tvseg_bench.benchmark.data.cards import (
    MOVING_SHAPES,
    MOVING_SHAPES_1,
    MOVING_SHAPES_2,
)
from tvseg_bench.benchmark.data.lazy_sequence import LazySequence
from tvseg_bench.benchmark.data.moving_shapes import (
    first_version,
    render,
    second_version,
    vocabulary,
)
from tvseg_bench.benchmark.data.moving_shapes.scene import Scene, Size
from tvseg_bench.benchmark.errors import DataError, UsageError, did_you_mean
from tvseg_bench.benchmark.types import Clip, Dataset, DatasetCard

T = TypeVar("T")

SIZE: Size = (224, 288)
"""(height, width): multiples of 16 whose short side is what the standard view asks for."""
FIRST_FREE_SEED = 1000
"""Smaller seeds are reserved for evaluation."""
MOST_THINGS = 12
"""In a clip."""


@dataclass(frozen=True, kw_only=True)
class Variety:
    """What a clip may show and how large it is."""

    version: int
    n_frames: int = 8
    size: Size = SIZE
    things: tuple[int, int] = (2, 4)
    """At least and at most; version 1 draws 3 to 5, whatever stands here."""
    categories: tuple[str, ...] = vocabulary.CATEGORIES
    textures: tuple[str, ...] = vocabulary.TEXTURES
    backgrounds: tuple[str, ...] = vocabulary.BACKGROUNDS

    def __post_init__(self) -> None:
        height, width = self.size
        if self.n_frames < 1:
            raise UsageError(f"a clip of moving-shapes has 1 frame or more, not {self.n_frames}")
        if min(height, width) < 32 or max(height, width) > 4 * min(height, width, 1024):
            raise UsageError(
                f"moving-shapes of {height} x {width} pixels: the short side is 32 or more, the "
                f"long side at most 4 times as long and 4096"
            )
        fewest, most = self.things
        if not 1 <= fewest <= most <= MOST_THINGS:
            raise UsageError(
                f"a clip of moving-shapes shows 1 to {MOST_THINGS} things, not {fewest} to {most}"
            )
        for field, names in (
            ("categories", _in_order("category", self.categories, vocabulary.CATEGORIES)),
            ("textures", _in_order("texture", self.textures, vocabulary.TEXTURES)),
            ("backgrounds", _in_order("background", self.backgrounds, vocabulary.BACKGROUNDS)),
        ):
            object.__setattr__(self, field, names)
        for category in self.categories:
            own = self.worn_by(category)
            if not set(own) & set(self.textures):
                raise UsageError(
                    f"the category {category!r} of moving-shapes wears {' or '.join(own)} and "
                    f"neither is among the textures; add one of them or leave the category out"
                )

    def worn_by(self, category: str) -> tuple[str, str]:
        """Return the two textures of a category."""
        if self.version == 1:
            return vocabulary.CATEGORY_LOOKS[category][1]
        return vocabulary.FACES[category]

    def scene(self, seed: int) -> Scene:
        """Draw what the clip of a seed shows."""
        drawn = (seed, self.size, self.categories, self.textures, self.backgrounds)
        if self.version == 1:
            return first_version.draw_scene(*drawn)
        return second_version.draw_scene(*drawn, self.things)

    def parameters(self) -> dict[str, Any]:
        """Return everything that the pixels of a seed depend on, besides the version."""
        values = asdict(self)
        for name in ("version", "things") if self.version == 1 else ("version",):
            del values[name]
        return values


def _in_order(kind: str, chosen: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """Return the chosen names in the order of all of them, since draws depend on it."""
    for name in sorted(set(chosen) - set(known)):
        raise UsageError(did_you_mean(f"{kind} of moving-shapes", name, known))
    if not chosen:
        raise UsageError(f"moving-shapes needs at least one {kind}; known: {', '.join(known)}")
    return tuple(name for name in known if name in chosen)


_SECOND = Variety(version=2)
_SECOND_SEEN = replace(
    _SECOND, categories=vocabulary.SEEN_CATEGORIES, backgrounds=vocabulary.SEEN_BACKGROUNDS
)
_FIRST = Variety(version=1, n_frames=10)

Splits = Mapping[str, tuple[range, Variety]]
"""Split -> seeds and variety."""

SPLITS_2: Splits = {
    "val": (range(100, 148), _SECOND),
    "train": (range(FIRST_FREE_SEED, FIRST_FREE_SEED + 96), _SECOND_SEEN),
    "probe": (range(200, 248), _SECOND),
}
SPLITS_1: Splits = {
    "val": (range(104, 116), _FIRST),
    "train": (
        range(FIRST_FREE_SEED, FIRST_FREE_SEED + 48),
        replace(
            _FIRST,
            categories=vocabulary.SEEN_CATEGORIES,
            textures=vocabulary.SEEN_TEXTURES,
            backgrounds=vocabulary.SEEN_BACKGROUNDS,
        ),
    ),
    "probe": (range(200, 224), _FIRST),
}
"""Version 1: in `val` every category is in three clips or more and every texture and background
is seen."""

VERSIONS: Mapping[int, tuple[DatasetCard, Splits]] = {
    1: (MOVING_SHAPES_1, SPLITS_1),
    2: (MOVING_SHAPES_2, SPLITS_2),
}
VERSION = MOVING_SHAPES.version
"""The version that `moving-shapes` alone means."""
SPLITS = VERSIONS[VERSION][1]
EVERYTHING = SPLITS["val"][1]
"""What `val` may show."""


def open_dataset(
    root: Path | None = None, split: str | None = None, version: int = VERSION
) -> Dataset:
    """Open a split, `val` where none is named; `root` is not used.

    Raises:
        UsageError: there is no such split.
    """
    _, splits = VERSIONS[version]
    split = split or "val"
    if split not in splits:
        raise UsageError(did_you_mean("split of moving-shapes", split, splits))
    return _dataset(split, *splits[split])


def make_dataset(
    seeds: Iterable[int],
    *,
    version: int = VERSION,
    n_frames: int | None = None,
    size: Size | None = None,
    things: tuple[int, int] | None = None,
    categories: Sequence[str] | None = None,
    textures: Sequence[str] | None = None,
    backgrounds: Sequence[str] | None = None,
) -> Dataset:
    """Return a clip for each seed, for training: nothing held out is shown unless asked for.

    Args:
        seeds: Different whole numbers, each `FIRST_FREE_SEED` or more.
        version: Of the generator, 1 or 2; what else is not given is as in its `train` split.
        n_frames: Frames of each clip; a longer clip begins with the frames of a shorter one.
        size: (height, width) in pixels; everything scales with the short side.
        things: How many a clip of version 2 shows, at least and at most; few are larger.

    Raises:
        UsageError: a seed is given twice or reserved for evaluation, a name is unknown, or the
            size cannot be drawn.
    """
    chosen = tuple(seeds)
    for seed in chosen:
        if seed < FIRST_FREE_SEED:
            raise UsageError(
                f"seed {seed} of moving-shapes is reserved for evaluation; training clips have "
                f"seeds from {FIRST_FREE_SEED}"
            )
    if len(set(chosen)) < len(chosen):
        raise UsageError("a seed of moving-shapes is given twice; every clip needs its own")
    given = {
        "n_frames": n_frames,
        "size": size,
        "things": things,
        "categories": categories,
        "textures": textures,
        "backgrounds": backgrounds,
    }
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    _, splits = VERSIONS[version]
    return _dataset("train", chosen, replace(splits["train"][1], **changes))


def clip(seed: int, variety: Variety = EVERYTHING) -> Clip:
    """Return the clip of one seed (0 or more): drawn now, its frames rendered when asked for."""
    if seed < 0:
        raise UsageError(f"a seed of moving-shapes is 0 or more, not {seed}")
    scene = variety.scene(seed)
    name, n = f"shapes-{seed:05d}", variety.n_frames
    return Clip(
        name=name,
        n_frames=n,
        image=partial(_frame, render.render_image, scene, name, n),
        semantic=partial(_frame, render.render_semantic, scene, name, n),
        instance=partial(_frame, render.render_instance, scene, name, n),
        flow=partial(_frame, render.render_flow, scene, name, n - 1) if n > 1 else None,
        depth=(
            None if variety.version == 1 else partial(_frame, render.render_depth, scene, name, n)
        ),
        frame_names=tuple(f"{t:05d}" for t in range(n)),
        categories={k: thing.semantic for k, thing in enumerate(scene.things, start=1)},
    )


def _frame(render: Callable[[Scene, int], T], scene: Scene, name: str, n: int, t: int) -> T:
    if not 0 <= t < n:
        what = render.__name__.removeprefix("render_")
        raise DataError(f"moving-shapes {name}: no {what} for frame {t}, only for 0 to {n - 1}")
    return render(scene, t)


def _dataset(split: str, seeds: Sequence[int], variety: Variety) -> Dataset:
    card, _ = VERSIONS[variety.version]
    return Dataset(
        card=card,
        split=split,
        clips=LazySequence(seeds, partial(clip, variety=variety)),
        manifest_sha256=_manifest(card, seeds, variety),
        classes=card.classes,
        dataset_labels="semantic",
    )


def _manifest(card: DatasetCard, seeds: Sequence[int], variety: Variety) -> str:
    """sha256 over everything that the pixels depend on."""
    parameters: dict[str, Any] = {
        "generator": card.name,
        "version": card.version,
        "seeds": list(seeds),
        **variety.parameters(),
    }
    return sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()
