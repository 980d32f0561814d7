import numpy as np
import pytest

from tvseg_bench.benchmark.data.files.array_files import read_map
from tvseg_bench.benchmark.errors import DataError


def test_a_map_and_what_is_not_known(tmp_path):
    values = np.array([[1.5, np.inf], [np.nan, 0]], np.float64)
    np.savez_compressed(tmp_path / "a.npz", depth=values)
    found = read_map(tmp_path / "a.npz", "a.npz", "depth", (2, 2))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [[1.5, np.nan], [np.nan, 0]])


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"other": np.zeros((2, 2))}, "it holds no array `depth`"),
        ({"depth": np.zeros((2, 3))}, r"its array `depth` is float64 \[2, 3\]"),
        ({"depth": np.zeros((2, 2), np.uint8)}, r"its array `depth` is uint8 \[2, 2\]"),
        ({"depth": np.array([[{}] * 2] * 2)}, r"its array `depth` is object \[2, 2\]"),
    ],
)
def test_other_arrays(tmp_path, arrays, reason):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=f"depth/a.npz cannot be used: {reason}; expected an arr"):
        read_map(tmp_path / "a.npz", "depth/a.npz", "depth", (2, 2))


def test_missing_and_damaged(tmp_path):
    with pytest.raises(DataError, match=r"^depth/a\.npz is not there$"):
        read_map(tmp_path / "a.npz", "depth/a.npz", "depth", (2, 2))
    (tmp_path / "a.npz").write_bytes(b"PK nothing")
    with pytest.raises(DataError, match=r"^depth/a\.npz cannot be used: "):
        read_map(tmp_path / "a.npz", "depth/a.npz", "depth", (2, 2))
