from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tvseg_bench.benchmark.errors import DataError
from tvseg_bench.benchmark.types import Clip, ModelCard
from tvseg_bench.models.training.data.sources import open_clips
from tvseg_bench.models.training.data.stream import ClipStream
from tvseg_bench.models.training.recipes import Recipe

CARD = ModelCard(name="a/b", patch_size=8, embed_dim=4)
RECIPE = Recipe(frames=2, size=16, batch=4, steps=5, augmentation="standard")


def made(name: str, damaged: tuple[int, ...] = (), n: int = 5) -> Clip:
    def image(t: int) -> np.ndarray:
        if t in damaged:
            raise DataError(f"frame {t} of {name} is damaged")
        return np.full((20, 30, 3), 40 * t, np.uint8)

    return Clip(name=name, n_frames=n, image=image)


def stream(clips: list[Clip], recipe: Recipe = RECIPE, **more: object) -> ClipStream:
    return ClipStream(clips, recipe, CARD, 0, **more)  # type: ignore[arg-type]


def test_a_batch_depends_on_its_step_alone() -> None:
    clips = [made(name) for name in "abcde"]
    whole = list(stream(clips).batches())
    assert len(whole) == 5
    assert whole[0].images.shape == (4, 2, 3, 16, 16)
    late = list(stream(clips, workers=4).batches(3))
    for one, other in zip(whole[3:], late, strict=True):
        assert one.names == other.names
        assert torch.equal(one.images, other.images)


def test_processes_share_a_batch() -> None:
    clips = [made(name) for name in "abcde"]
    whole = next(stream(clips).batches())
    halves = [next(stream(clips, rank=rank, world=2).batches()) for rank in (0, 1)]
    assert torch.equal(torch.cat([half.images for half in halves]), whole.images)
    assert [name for half in halves for name in half.names] == whole.names


def test_an_epoch_shows_every_clip_once() -> None:
    clips = [made(name) for name in "abcdefgh"]
    recipe = replace_recipe(epochs=2, steps=None)
    found = stream(clips, recipe)
    assert (found.steps_per_epoch, found.n_steps) == (2, 4)
    names = [name for batch in found.batches() for name in batch.names]
    assert sorted(names[:8]) == sorted(names[8:]) == list("abcdefgh")


def replace_recipe(**changes: object) -> Recipe:
    return Recipe.model_validate({**RECIPE.model_dump(), **changes})


def test_a_damaged_clip_is_told_of_once_and_replaced() -> None:
    reported: list[tuple[str, str]] = []
    clips = [made("a"), made("bad", damaged=(0, 1, 2, 3, 4)), made("c")]
    found = stream(clips, skip=lambda name, reason: reported.append((name, reason)))
    names = {name for batch in found.batches() for name in batch.names}
    assert names == {"a", "c"}
    assert [name for name, _ in reported] == ["bad"]
    assert "is damaged" in reported[0][1]
    assert list(found.skipped) == ["bad"]


def test_a_resumed_stream_replaces_the_same_clips() -> None:
    clips = [made("a"), made("sometimes", damaged=(2,)), made("c")]
    whole = [batch.names for batch in stream(clips).batches()]
    late = [batch.names for batch in stream(clips).batches(3)]
    assert whole[3:] == late


def test_when_no_clip_can_be_read_the_first_reason_is_told() -> None:
    clips = [made(name, damaged=(0, 1, 2, 3, 4)) for name in "ab"]
    with pytest.raises(DataError, match="none of the 2 clips can be read; the first of them: fr"):
        next(stream(clips).batches())


def test_frames_of_different_sizes_are_a_damaged_clip() -> None:
    odd = replace(made("odd"), image=lambda t: np.zeros((20 + t, 30, 3), np.uint8))
    names = {n for batch in stream([made("a"), odd]).batches() for n in batch.names}
    assert names == {"a"}


def test_frames_are_decoded_once() -> None:
    asked: list[int] = []
    counted = replace(
        made("a"), image=lambda t: asked.append(t) or np.zeros((20, 30, 3), np.uint8)
    )
    list(stream([counted], workers=1).batches())
    assert len(asked) == len(set(asked))


def test_videos_and_frame_folders_are_sources(
    tmp_path: Path, write_frames: Callable[[Path], None]
) -> None:
    write_frames(tmp_path / "frames" / "one")
    write_frames(tmp_path / "frames" / "two")
    clips, manifests = open_clips([str(tmp_path / "frames")], None)
    assert [clip.name for clip in clips] == ["one", "two"]
    assert list(manifests) == [str(tmp_path / "frames")]
    chosen, _ = open_clips([str(tmp_path / "frames")], None, ["two"])
    assert [clip.name for clip in chosen] == ["two"]


def test_a_folder_without_videos_gets_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing to see")
    with pytest.raises(DataError) as error:
        open_clips([str(tmp_path)], None)
    assert "\n" not in str(error.value)


@pytest.fixture
def write_frames() -> Callable[[Path], None]:
    from PIL import Image

    def write(folder: Path) -> None:
        folder.mkdir(parents=True)
        for t in range(3):
            Image.new("RGB", (30, 20), (t, t, t)).save(folder / f"{t:05d}.png")

    return write


def test_a_video_file_is_a_source(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=10)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        for t in range(6):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 40 * t, np.uint8))
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    clips, _ = open_clips([str(path)], None)
    assert [(clip.name, clip.n_frames) for clip in clips] == [("film", 6)]
    (tmp_path / "cut.mp4").write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"cut\.mp4"):
        open_clips([str(tmp_path / "cut.mp4")], None)[0][0].image(0)
