"""Result folders as the official tools read them, and nothing else on the disk."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tvseg_bench.benchmark.errors import DataError, UsageError
from tvseg_bench.benchmark.execution.prediction_files import PredictionFolder, davis_palette
from tvseg_bench.benchmark.types import Clip


def write_predictions(
    folder: Path, name: str, maps: Iterable[np.ndarray], names: tuple[str, ...] = ()
) -> list[Path]:
    """Write the maps of a clip, whose pictures nobody asks for."""
    clip = Clip(name=name, n_frames=2, image=lambda t: np.zeros((2, 2, 3), np.uint8),
                frame_names=names)  # fmt: skip
    sink = PredictionFolder(folder)
    return [sink(clip, t, labels) for t, labels in enumerate(maps)]


MAPS = [np.array([[0, 1], [2, 255]]), np.array([[3, 21], [22, 0]], np.uint8)]


def test_what_is_written_is_read_as_the_official_tool_reads_it(tmp_path: Path) -> None:
    files = write_predictions(tmp_path / "out", "bear", iter(MAPS))
    assert files == [tmp_path / "out/bear/00000.png", tmp_path / "out/bear/00001.png"]
    for path, ids in zip(files, MAPS, strict=True):
        with Image.open(path) as picture:
            assert picture.mode == "P"
            np.testing.assert_array_equal(np.array(picture), ids)
            np.testing.assert_array_equal(picture.convert("RGB"), davis_palette()[ids])


def test_the_colours_are_those_of_davis() -> None:
    palette = davis_palette().tolist()
    assert palette[:4] == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    assert palette[15:22] == [
        *([191, 128, 128], [0, 64, 0], [128, 64, 0], [0, 191, 0]),
        *([128, 191, 0], [0, 64, 128], [128, 64, 128]),
    ]
    assert palette[22:] == [[i, i, i] for i in range(22, 256)]


def test_frames_keep_their_names_and_clips_their_folders(tmp_path: Path) -> None:
    files = write_predictions(tmp_path, "day/0001TP", MAPS, ("0001TP_006690", "0001TP_006720"))
    assert [str(path.relative_to(tmp_path)) for path in files] == [
        str(Path("day/0001TP/0001TP_006690.png")),
        str(Path("day/0001TP/0001TP_006720.png")),
    ]


def test_writing_again_is_no_mistake_but_nothing_is_overwritten(tmp_path: Path) -> None:
    (first, _) = write_predictions(tmp_path, "bear", MAPS)
    before = first.read_bytes()
    write_predictions(tmp_path, "bear", MAPS)
    with pytest.raises(DataError, match="nothing is overwritten"):
        write_predictions(tmp_path, "bear", MAPS[::-1])
    assert first.read_bytes() == before
    assert len(list(first.parent.iterdir())) == 2


@pytest.mark.parametrize(
    "name", ["..", "../bear", "/etc", "a/../../b", "", "a//b", "a\\b", "c:", "x."]
)
def test_clips_stay_in_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="is not a file name"):
        write_predictions(tmp_path / "out", name, MAPS)
    with pytest.raises(UsageError, match="is not a file name"):
        write_predictions(tmp_path / "out", "bear", MAPS, (name or "..", "b"))
    assert not list(tmp_path.iterdir())


def test_linked_folders_are_written_into_and_linked_files_never(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "out"
    outside.mkdir()
    folder.mkdir()
    (folder / "bear").symlink_to(outside, target_is_directory=True)
    (first, _) = write_predictions(folder, "bear", MAPS)
    assert sorted(path.name for path in outside.iterdir()) == ["00000.png", "00001.png"]
    (folder / "cow").mkdir()
    (folder / "cow/00000.png").symlink_to(first)
    write_predictions(folder, "cow", MAPS)
    assert (folder / "cow/00000.png").is_symlink()
    before = first.read_bytes()
    for target in (first, outside / "new.png", folder / "cow/00000.png"):
        (folder / "cow/00000.png").unlink()
        (folder / "cow/00000.png").symlink_to(target)
        with pytest.raises(DataError, match="nothing is overwritten"):
            write_predictions(folder, "cow", MAPS[::-1])
    assert first.read_bytes() == before
    assert len(list(outside.iterdir())) == 2


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (np.array([[256]]), "the id 256"),
        (np.array([[-1]]), "the id -1"),
        (np.zeros((2, 2)), "expected integers"),
        (np.zeros((1, 2, 2), int), r"expected integers \[H, W\]"),
    ],
)
def test_maps_that_no_palette_holds(tmp_path: Path, labels: np.ndarray, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        write_predictions(tmp_path, "bear", [labels])
