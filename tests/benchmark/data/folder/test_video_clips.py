from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import av
import numpy as np
import pytest

import tvseg_bench.benchmark.data  # noqa: F401
from tvseg_bench.benchmark.data.diagnose import check
from tvseg_bench.benchmark.data.folder import video_clips
from tvseg_bench.benchmark.data.folder.video_clips import VideoPool
from tvseg_bench.benchmark.data.status import path
from tvseg_bench.benchmark.errors import DataError
from tvseg_bench.benchmark.registry import datasets

GREYS = (10, 70, 130, 190, 250)


@pytest.fixture
def videos(tmp_path):
    """Six videos of five grey frames each; video N begins at grey 10 + N."""
    (tmp_path / "films").mkdir()
    for index in range(6):
        with av.open(str(tmp_path / f"films/v{index}.mkv"), "w") as container:
            stream = container.add_stream("ffv1", rate=Fraction(10))
            stream.width, stream.height, stream.pix_fmt = 32, 16, "yuv420p"
            for grey in GREYS:
                pixels = np.full((16, 32, 3), grey + index, np.uint8)
                frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    return tmp_path / "films"


def grey(image):
    return round(float(image.mean()))


def test_each_file_is_a_clip(videos):
    data = datasets[f"folder:{videos}"].open(None, None)
    assert [clip.name for clip in data.clips] == [f"v{i}.mkv" for i in range(6)]
    clip = data.clips[2]
    assert clip.n_frames == 5
    assert clip.labels("instance") is None
    assert [grey(clip.image(t)) for t in (4, 0, 2)] == pytest.approx([252, 12, 132], abs=2)


def test_few_stay_open_whatever_the_order_and_threads(videos, monkeypatch):
    monkeypatch.setattr(video_clips, "MAX_OPEN", 2)
    pool = VideoPool()
    paths = [videos / f"v{i}.mkv" for i in range(6)]
    wanted = [(v, t) for t in range(5) for v in range(6)] * 2
    with ThreadPoolExecutor(4) as threads:
        got = list(threads.map(lambda vt: grey(pool.frame(paths[vt[0]], vt[1])), wanted))
    assert got == pytest.approx([GREYS[t] + v for v, t in wanted], abs=2)
    pool.frame(paths[0], 0)
    assert len(pool._opened) <= 2


def test_path_is_the_folder(videos):
    assert path(f"folder:{videos}") == videos


def test_broken_file_is_named(videos):
    (videos / "v1.mkv").write_bytes(b"no video")
    clips = datasets[f"folder:{videos}"].open(None, None).clips
    assert clips[0].n_frames == 5
    with pytest.raises(DataError, match=r"^folder:films, clip 'v1\.mkv': .*v1\.mkv"):
        clips[1]


def test_masks_beside_videos(videos):
    (videos / "frames").mkdir()
    (videos / "masks").mkdir()
    (videos / "v0.mkv").rename(videos / "frames/v0.mkv")
    with pytest.raises(DataError, match=r"has masks \(masks\) beside video files, which"):
        datasets[f"folder:{videos}"].open(None, None)


def test_videos_and_images_mixed(videos, tree):
    tree.image("films/stills/1.jpg")
    with pytest.raises(DataError, match=r"has both video files and images \(in 'stills'\)"):
        datasets[f"folder:{videos}"].open(None, None)


def test_check_reads_every_frame_and_goes_on_after_a_broken_file(videos):
    (videos / "v1.mkv").write_bytes(b"no video")
    calls = []
    report = check(f"folder:{videos}", progress=lambda done, total: calls.append((done, total)))
    assert (report.clips, report.frames, report.masks) == (6, 25, 0)
    assert report.sizes == {"32x16": 25}
    assert report.root == videos
    assert report.bytes == sum(path.stat().st_size for path in videos.iterdir())
    assert report.void_share is None
    assert not report.ok
    assert "v1.mkv" in report.findings[0].text
    assert calls[-1] == (25, None)
