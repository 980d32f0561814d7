import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tvseg_bench.benchmark.data.files.masks import AsStored, LabelMap, read_mask
from tvseg_bench.benchmark.errors import DataError
from tvseg_bench.benchmark.types import VOID

VALUES = np.array([[0, 1, 255], [7, 7, 0]], np.uint8)


@pytest.mark.parametrize("mode", ["L", "P", "LA", "PA", "RGB", "RGBA"])
def test_values_survive_every_mode(tmp_path, mode):
    path = tmp_path / ("a.tif" if mode == "PA" else "a.png")
    image = Image.fromarray(VALUES)
    if mode in ("P", "PA"):
        image.putpalette([i for i in range(256) for _ in range(3)])
        image = image.convert(mode)
    else:
        image = image.convert(mode)
    image.save(path)
    mask = read_mask(path)
    np.testing.assert_array_equal(mask.values, VALUES)
    assert mask.mode == mode
    assert mask.values.dtype == np.uint8


def test_bilevel_file_holds_0_and_1(tmp_path):
    Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1").save(tmp_path / "a.png")
    assert read_mask(tmp_path / "a.png").values.tolist() == [[0, 1]]


def test_16_bit_ids(tmp_path):
    Image.fromarray(np.array([[0, 1000]], np.uint16)).save(tmp_path / "a.png")
    values = read_mask(tmp_path / "a.png").values
    assert values.tolist() == [[0, 1000]]
    assert values.dtype == np.int32


def test_palette_is_read(tmp_path):
    image = Image.fromarray(np.array([[0, 1]], np.uint8))
    image.putpalette([0, 0, 0, 128, 0, 64])
    image.save(tmp_path / "a.png")
    assert read_mask(tmp_path / "a.png").palette[1] == (128, 0, 64)


def test_mask_drawn_in_colours(tmp_path):
    Image.new("RGB", (4, 4), (128, 0, 0)).save(tmp_path / "c.png")
    with pytest.raises(DataError, match=r"^c\.png is stored in mode RGB, in colours instead"):
        read_mask(tmp_path / "c.png")


def test_mask_of_floats(tmp_path):
    Image.new("F", (4, 4)).save(tmp_path / "f.tif")
    with pytest.raises(DataError, match=r"^f\.tif is stored in mode F"):
        read_mask(tmp_path / "f.tif")


@given(
    values=hnp.arrays(st.sampled_from([np.uint8, np.int32]), (3, 4), elements=st.integers(0, 255)),
    ids=st.dictionaries(st.integers(0, 300), st.integers(0, 254)),
)
@settings(deadline=None, max_examples=60)
def test_label_map_is_the_dictionary(values, ids):
    out, unknown = LabelMap(ids).apply(values)
    expected = [[ids.get(value, VOID) for value in row] for row in values.tolist()]
    assert out.tolist() == expected
    assert unknown == tuple(sorted(set(values.ravel().tolist()) - set(ids)))


def test_ids_as_stored():
    values = np.array([[-3, 0, 255]], np.int32)
    out, unknown = AsStored().apply(values)
    assert out.tolist() == values.tolist()
    assert unknown == (-3,)
