"""Every file that cannot be read at evaluation time, with the sentence the user sees."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tvseg_bench.benchmark.data.readers.davis import inventory_2016
from tvseg_bench.benchmark.errors import DataError

TYPE = "; type: tvseg-bench data check davis-2016:val"


def dog(tree):
    """The first clip of val."""
    return inventory_2016(tree.root, "val").open().clips[0]


def sentence(read, frame):
    with pytest.raises(DataError) as error:
        read(frame)
    return str(error.value)


def test_missing_mask(davis_2016):
    (davis_2016.root / "Annotations/480p/dog/00001.png").unlink()
    assert sentence(dog(davis_2016).semantic, 1) == (
        "davis-2016, clip 'dog', frame '00001': Annotations/480p has no mask for "
        "JPEGImages/480p/dog/00001.jpg" + TYPE
    )


def test_mask_that_goes_away_after_opening(davis_2016):
    clip = dog(davis_2016)
    (davis_2016.root / "Annotations/480p/dog/00001.png").unlink()
    assert "Annotations/480p/dog/00001.png is not there" in sentence(clip.semantic, 1)


def test_size_mismatch(davis_2016):
    davis_2016.mask("Annotations/480p/dog/00002.png", (0, 255), size=(6, 8))
    assert sentence(dog(davis_2016).semantic, 2) == (
        "davis-2016, clip 'dog', frame '00002': the mask Annotations/480p/dog/00002.png has 8x6 "
        "pixels, its frame JPEGImages/480p/dog/00002.jpg 16x12" + TYPE
    )


def test_corrupt_frame(davis_2016):
    path = davis_2016.root / "JPEGImages/480p/dog/00000.jpg"
    path.write_bytes(path.read_bytes()[:-200])
    message = sentence(dog(davis_2016).image, 0)
    assert message.startswith(
        "davis-2016, clip 'dog', frame '00000': JPEGImages/480p/dog/00000.jpg cannot be decoded ("
    )
    assert message.endswith(TYPE)


def test_unknown_id(davis_2016):
    davis_2016.mask("Annotations/480p/dog/00000.png", (0, 255, 38))
    assert sentence(dog(davis_2016).semantic, 0) == (
        "davis-2016, clip 'dog', frame '00000': Annotations/480p/dog/00000.png holds the value "
        "38: masks of DAVIS 2016 hold 0 and 255 (DAVIS 2017 is another data set)" + TYPE
    )


def test_many_unknown_ids_are_shortened(davis_2016):
    davis_2016.mask("Annotations/480p/dog/00000.png", tuple(range(2, 18)))
    assert "holds the value 2, 3, 4, 5, 6, 7, 8, 9, ...: masks" in sentence(
        dog(davis_2016).semantic, 0
    )


def test_frame_beyond_the_end(davis_2016):
    with pytest.raises(IndexError):
        dog(davis_2016).image(3)


def test_labels_from_many_threads_are_those_from_one(davis_2016):
    clip = dog(davis_2016)
    for t in range(3):
        davis_2016.mask(f"Annotations/480p/dog/{t:05d}.png", (0, 255)[: t + 1] + (0,) * t)
    alone = [clip.semantic(t) for t in range(3)]
    with ThreadPoolExecutor(8) as pool:
        for t, labels in enumerate(pool.map(clip.semantic, [0, 1, 2] * 20)):
            np.testing.assert_array_equal(labels, alone[t % 3])
