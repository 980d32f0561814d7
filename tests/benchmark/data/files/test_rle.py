import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tvseg_bench.benchmark.data.files.rle import decode_rle, unpack_counts
from tvseg_bench.benchmark.errors import DataError

masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40))


def runs_of(mask):
    """Count the runs pixel by pixel, down the columns, without any of the code that is tested."""
    height, width = mask.shape
    runs, current = [0], False
    for column in range(width):
        for row in range(height):
            if mask[row, column] != current:
                runs.append(0)
                current = not current
            runs[-1] += 1
    return runs


def packed(runs):
    """Write counts as a string: differences from the fourth on, five bits a character."""
    text = ""
    for i, run in enumerate(runs):
        value = run - runs[i - 2] if i > 2 else run
        while True:
            group, value = value & 31, value >> 5
            last = value == (-1 if group & 16 else 0)
            text += chr(48 + group + (0 if last else 32))
            if last:
                break
    return text


def filled(runs, height, width):
    """Paint the runs pixel by pixel."""
    mask, at, value = np.zeros((height, width), bool), 0, False
    for run in runs:
        for _ in range(run):
            mask[at % height, at // height] = value
            at += 1
        value = not value
    return mask


@given(masks)
@settings(deadline=None)
def test_both_forms_give_the_mask_back(mask):
    runs = runs_of(mask)
    np.testing.assert_array_equal(filled(runs, *mask.shape), mask)
    for counts in (runs, packed(runs)):
        found = decode_rle({"size": list(mask.shape), "counts": counts}, mask.shape)
        np.testing.assert_array_equal(found, mask)


@given(st.lists(st.integers(0, 1 << 24)))
@settings(deadline=None)
def test_strings_give_the_counts_back(counts):
    assert unpack_counts(packed(counts)) == counts


@given(st.lists(st.integers(0, 9), max_size=8), st.integers(1, 5), st.integers(1, 5))
@settings(deadline=None)
def test_any_runs_are_painted_or_refused(runs, height, width):
    rle = {"size": [height, width], "counts": runs}
    if sum(runs) == height * width:
        np.testing.assert_array_equal(
            decode_rle(rle, (height, width)), filled(runs, height, width)
        )
    else:
        with pytest.raises(DataError):
            decode_rle(rle, (height, width))


@given(st.text(max_size=30))
@settings(deadline=None)
def test_any_string_is_read_or_refused(text):
    try:
        found = decode_rle({"size": [3, 4], "counts": text}, (3, 4))
    except DataError:
        return
    assert found.shape == (3, 4)
    np.testing.assert_array_equal(found, filled(unpack_counts(text), 3, 4))


@pytest.mark.parametrize(
    ("rle", "sentence"),
    [
        ([[1.5, 2.0]], 'has a mask that is not of the form {"size": [H, W], "counts": ...}'),
        ({"size": [3, 2], "counts": [6]}, "has a mask of size [3, 2] instead of [2, 3]"),
        ({"size": "x" * 999, "counts": [6]}, "has a mask of size 'xxxxx"),
        ({"counts": [6]}, "has a mask of size None instead of [2, 3]"),
        ({"size": [2, 3], "counts": [5]}, "whose runs cover 5 pixels instead of 2 x 3 = 6"),
        ({"size": [2, 3], "counts": [7]}, "whose counts are not a list of numbers from 0 to 6"),
        ({"size": [2, 3], "counts": [6, -1, 1]}, "are not a list of numbers from 0 to 6"),
        ({"size": [2, 3], "counts": [True] * 6}, "are not a list of numbers from 0 to 6"),
        ({"size": [2, 3], "counts": None}, "are not a list of numbers from 0 to 6"),
        ({"size": [2, 3], "counts": "6 "}, "whose string of counts is damaged"),
        ({"size": [2, 3], "counts": "P" * 99}, "whose string of counts is damaged"),
        ({"size": [2, 3], "counts": "6P"}, "whose string of counts ends too early"),
    ],
)
def test_what_is_no_mask(rle, sentence):
    with pytest.raises(DataError) as error:
        decode_rle(rle, (2, 3))
    assert sentence in str(error.value)
    assert len(str(error.value)) < 120
