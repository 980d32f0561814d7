import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tvseg_bench.benchmark.errors import DataError, UsageError
from tvseg_bench.benchmark.features import frames
from tvseg_bench.benchmark.types import ModelCard, View

CARD = ModelCard(name="toy/a", patch_size=16, embed_dim=3)
counts = st.integers(1, 60)
quick = settings(max_examples=60, deadline=None)


@quick
@given(n=counts, k=counts, random=st.booleans(), seed=st.integers(0, 3))
def test_chosen_frames_are_sorted_indices_as_many_as_asked(n, k, random, seed):
    view = View(frames=k, sampling="random" if random else "equidistant", sampling_seed=seed)
    chosen = frames.choose_frames(n, view, "bear")
    assert list(chosen) == sorted(chosen)
    assert set(chosen) <= set(range(n))
    assert len(chosen) == (k if random else min(k, n))
    assert len(set(chosen)) == len(chosen) or (random and k > n)


@quick
@given(n=counts, k=counts)
def test_equidistant_frames_are_mirror_symmetric_up_to_rounding(n, k):
    chosen = frames.choose_frames(n, View(frames=k), "bear")
    mirrored = sorted(n - 1 - frame for frame in chosen)
    assert all(abs(a - b) <= 1 for a, b in zip(chosen, mirrored, strict=True))
    steps = np.diff(chosen)
    assert not len(steps) or steps.max() - steps.min() <= 1


def test_random_frames_depend_on_seed_and_clip_and_on_nothing_else():
    view = View(frames=5, sampling="random", sampling_seed=1)
    assert frames.choose_frames(80, view, "bear") == (3, 32, 35, 41, 69)  # on every machine
    assert frames.choose_frames(80, view, "bear") != frames.choose_frames(80, view, "dog")
    other = View(frames=5, sampling="random", sampling_seed=2)
    assert frames.choose_frames(80, view, "bear") != frames.choose_frames(80, other, "bear")


def test_random_frames_are_uniform():
    drawn = [
        frame
        for clip in range(400)
        for frame in frames.choose_frames(10, View(frames=3, sampling="random"), f"clip{clip}")
    ]
    counts = np.bincount(drawn, minlength=10)
    assert counts.sum() == 1200
    assert (np.abs(counts - 120) < 40).all()  # four standard deviations


def test_a_clip_without_frames_and_a_view_without_frames_are_refused():
    with pytest.raises(DataError, match="clip 'bear' holds no frame"):
        frames.choose_frames(0, View(), "bear")
    with pytest.raises(UsageError, match="frames=0"):
        frames.choose_frames(3, View(frames=0), "bear")


@quick
@given(
    height=st.integers(1, 2000),
    width=st.integers(1, 2000),
    size=st.integers(1, 600),
    patch=st.sampled_from([7, 8, 14, 16]),
)
def test_both_sides_are_the_nearest_multiples_of_the_patch(height, width, size, patch):
    h, w = frames.target_size(height, width, View(size=size), patch)
    assert h % patch == w % patch == 0
    short, long = sorted((h, w))
    assert abs(short - size) <= patch / 2 or short == patch
    exact = short * max(height, width) / min(height, width)
    assert abs(long - exact) <= patch / 2
    assert frames.target_size(width, height, View(size=size), patch) == (w, h)
    square = frames.target_size(height, width, View(size=size, resize="square"), patch)
    assert square == (short, short)


def test_resizing_is_pillows_and_keeps_an_image_of_the_right_size():
    image = np.random.default_rng(0).integers(0, 256, (48, 85, 3), dtype=np.uint8)
    for name, number in (("bilinear", 2), ("bicubic", 3)):
        expected = np.asarray(Image.fromarray(image).resize((48, 32), Image.Resampling(number)))
        view = View(interpolation=name)
        np.testing.assert_array_equal(frames.resized(image, (32, 48), CARD, view), expected)
    assert frames.resized(image, (48, 85), CARD, View()) is image


def test_opencv_means_the_pixels_of_opencv():
    """Expected: cv2.resize of opencv-python 5.0.0.93."""
    image = (np.arange(5 * 7 * 3).reshape(5, 7, 3) * 37 % 256).astype(np.uint8)
    card = ModelCard(name="a/b", patch_size=1, embed_dim=1)
    found = frames.resized(image, (3, 4), card, View(interpolation="opencv"))
    assert found[..., 0].tolist() == [[44, 207, 177, 115], [60, 222, 192, 130], [74, 87, 207, 145]]
    assert found.sum() == 4343
    assert (frames.resized(image, (5, 7), card, View(interpolation="opencv")) == image).all()
    flat = np.full((9, 8, 3), 255, np.uint8)
    assert (frames.resized(flat, (20, 3), card, View(interpolation="opencv")) == 255).all()


def test_images_are_normalised_like_torchvision_to_the_last_bit():
    transforms = pytest.importorskip("torchvision.transforms")
    image = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    for view, std in ((View(), CARD.std), (View(statistics="timet"), (0.228, 0.224, 0.225))):
        to_model = transforms.Compose(
            [transforms.ToTensor(), transforms.Normalize((0.485, 0.456, 0.406), std)]
        )
        batch = torch.from_numpy(image)[None]
        prepared = frames.normalised(batch, frames.statistics(CARD, view))[0]
        assert prepared.is_contiguous()
        assert torch.equal(prepared, to_model(Image.fromarray(image)))


def test_the_timet_statistics_are_used_whatever_the_card_has():
    card = ModelCard(name="toy/b", patch_size=16, embed_dim=3, mean=(0, 0, 0), std=(1, 1, 1))
    assert frames.statistics(card, View(statistics="timet"))[1][0] == 0.228
    assert frames.statistics(card, View()) == ((0, 0, 0), (1, 1, 1))


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)]
)
def test_an_image_that_is_none_is_refused(image):
    with pytest.raises(DataError, match=r"uint8 \[H, W, 3\]"):
        frames.checked(image, "an image")
