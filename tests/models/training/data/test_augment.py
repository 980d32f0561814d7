import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tvseg_bench.models.training.data import augment
from tvseg_bench.models.training.data.augment import augmented, crop_box
from tvseg_bench.models.training.data.sampling import generator


def frames(n: int = 3, height: int = 40, width: int = 60) -> list[np.ndarray]:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return [image] * n


@pytest.mark.parametrize("kind", ["none", "standard", "timet", "mosic"])
def test_frames_come_at_the_size_and_again_from_the_same_seed(kind: str) -> None:
    first, second = (augmented(frames(), 32, kind, generator(3)) for _ in range(2))
    assert [f.shape for f in first] == [(32, 32, 3)] * 3
    assert all(f.dtype == np.uint8 for f in first)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_without_augmentation_chance_plays_no_part() -> None:
    a, b = (augmented(frames(), 32, "none", generator(seed)) for seed in (0, 1))
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("seed", range(6))
def test_one_crop_and_one_mirror_serve_the_whole_clip(seed: int) -> None:
    shown = augmented(frames(), 32, "mosic", generator(seed))
    assert all(np.array_equal(shown[0], frame) for frame in shown)


def test_colours_change_per_frame() -> None:
    shown = augmented(frames(6), 32, "standard", generator(0))
    assert len({frame.tobytes() for frame in shown}) > 1


def test_the_release_never_mirrors_and_standard_does(monkeypatch: pytest.MonkeyPatch) -> None:
    mirrored = []
    real = augment.ImageOps.mirror
    monkeypatch.setattr(
        augment.ImageOps, "mirror", lambda image: mirrored.append(1) or real(image)
    )
    for seed in range(12):
        augmented(frames(1), 32, "timet", generator(seed))
    assert not mirrored
    for seed in range(12):
        augmented(frames(1), 32, "standard", generator(seed))
    assert 0 < len(mirrored) < 12


def test_the_release_applies_one_colour_change_and_standard_all_four(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []
    real = augment._changed
    monkeypatch.setattr(
        augment, "_changed", lambda p, what, amount: done.append(what) or real(p, what, amount)
    )
    monkeypatch.setattr(augment, "JITTER_SHARE", 1.0)
    augmented(frames(1), 32, "timet", generator(0))
    assert len(done) == 1
    done.clear()
    augmented(frames(1), 32, "standard", generator(0))
    assert sorted(done) == ["brightness", "contrast", "hue", "saturation"]


@given(st.integers(4, 400), st.integers(4, 400), st.integers(0, 99))
def test_a_crop_lies_within_the_image(width: int, height: int, seed: int) -> None:
    left, top, right, bottom = crop_box(width, height, generator(seed))
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
