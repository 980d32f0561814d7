"""Masks as protocols read them."""

from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from tvseg_bench.protocols.common.ground_truth import distinct, read_truth


def test_masks_reach_a_square_by_nearest_neighbours(toy: Any) -> None:
    clip = toy.clips[0]
    (first, *_) = read_truth(clip, "semantic", "card", 20)
    stored = Image.fromarray(np.asarray(clip.clip.semantic(0), np.uint8))
    assert (first == np.asarray(stored.resize((20, 20), Image.Resampling.NEAREST))).all()


def test_the_release_goes_via_224_and_drops_pixels(toy: Any) -> None:
    clip = toy.clips[0]
    via = read_truth(clip, "semantic", "timet", 112, "nearest-via-224")[0]
    whole = read_truth(clip, "semantic", "timet", 224)[0]
    assert (via == whole[::2, ::2]).all()


def test_still_images_go_straight(toy: Any) -> None:
    clip = replace(toy.clips[0], clip=replace(toy.clips[0].clip, n_frames=1), frames=(0,))
    straight = read_truth(clip, "semantic", "timet", 112)[0]
    assert (read_truth(clip, "semantic", "timet", 112, "nearest-via-224")[0] == straight).all()


def test_the_release_maps_instances_in_place(toy: Any) -> None:
    """Quirk E10: object 1 becomes category 2 and then, with object 2, category 3."""
    stored = np.array([[[0, 1, 2]]])
    clip = replace(
        toy.clips[0].clip,
        n_frames=1,
        instance=lambda t: stored[t],
        semantic=lambda t: np.array([[0, 2, 3]]),
        categories={1: 2, 2: 3},
    )
    features = replace(toy.clips[0], clip=clip, frames=(0,))
    assert read_truth(features, "semantic", "card", "gt")[0].tolist() == [[0, 2, 3]]
    assert read_truth(features, "semantic", "timet", "gt")[0].tolist() == [[0, 3, 3]]


def test_distinct_ids_of_any_integer_type() -> None:
    assert distinct([np.array([[1000, -1]])]) == {1000, -1}
