"""Frames carry their number as bright and dark blocks, so that a wrong frame is seen as one."""

import os
import random
import struct
import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from tvseg_bench.benchmark.data.video import container
from tvseg_bench.benchmark.data.video.decord_reader import import_decord
from tvseg_bench.benchmark.data.video.reader import FrameNumberError, open_video
from tvseg_bench.benchmark.errors import DataError, TvsegError, UsageError

H, W, N = 64, 128, 40
X264 = {"bf": "3", "g": "250", "crf": "18"}
X265 = {"x265-params": "log-level=none:keyint=16:bframes=3:open-gop=0:pools=none"}
TURNED = {
    "upright": (1, 0, 0, 1),
    "90": (0, -1, 1, 0),
    "180": (-1, 0, 0, -1),
    "270": (0, 1, -1, 0),
    "mirrored": (-1, 0, 0, 1),
    "odd": (0.7, -0.7, 0.7, 0.7),
}
needs_decord = pytest.mark.skipif(import_decord() is None, reason="no decord on this platform")


def numbered(number: int, h: int = H, w: int = W) -> NDArray[np.uint8]:
    """[h, w, 3]: eight blocks, the number's bits from the lowest, on a moving colour ramp."""
    y, x = np.mgrid[:h, :w]
    image = np.stack([x + number, 2 * y, x + y], -1) % 96 + 64
    for bit in range(8):
        top, left = bit // 4 * h // 2, bit % 4 * w // 4
        value = 255 if number >> bit & 1 else 0
        image[top + h // 16 : top + h * 7 // 16, left + w // 32 : left + w * 7 // 32] = value
    return image.astype(np.uint8)


def number_in(image: NDArray[np.uint8]) -> int:
    h, w = image.shape[:2]
    centres = (image[bit // 4 * h // 2 + h // 4, bit % 4 * w // 4 + w // 8] for bit in range(8))
    return sum(int(centre.mean() > 128) << bit for bit, centre in enumerate(centres))


def encode(
    path: Path,
    codec: str,
    options: dict[str, str] | None = None,
    *,
    pixels: str = "yuv420p",
    times: list[int] | None = None,
    sizes: tuple[tuple[int, int], ...] = ((H, W),),
    n: int = N,
) -> Path:
    """Write streams of n frames each; times in milliseconds, else 25 frames per second."""
    clock = Fraction(1, 1000) if times else Fraction(1, 25)
    with av.open(str(path), "w") as container:
        streams = [container.add_stream(codec, rate=25, options=options or {}) for _ in sizes]
        for stream, (h, w) in zip(streams, sizes, strict=True):
            stream.width, stream.height, stream.pix_fmt = w, h, pixels
            stream.codec_context.time_base = clock
        for stream, (h, w) in zip(streams, sizes, strict=True):
            for number in range(n):
                frame = av.VideoFrame.from_ndarray(numbered(number, h, w)).reformat(format=pixels)
                frame.pts, frame.time_base = times[number] if times else number, clock
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def h264(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tmp_path_factory.mktemp("h264") / "h264.mp4", "libx264", X264)


def turned(source: Path, target: Path, matrix: tuple[float, ...]) -> Path:
    """Copy an mp4 with another display matrix in its track header."""
    data = bytearray(source.read_bytes())
    at = data.index(b"tkhd") + 44
    a, b, c, d = (int(value * 65536) for value in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    target.write_bytes(data)
    return target


VARIABLE = [40 * i + (i * 37) % 29 + (i > 20) * 500 for i in range(N)]
MADE: dict[str, tuple[str, str, dict[str, Any]]] = {
    "h264.mp4": ("decord", "libx264", {"options": X264}),
    "h264.mkv": ("decord", "libx264", {"options": X264 | {"g": "12"}}),
    "h264.mov": ("decord", "libx264", {"options": X264 | {"g": "12"}}),
    "full_range.mp4": ("decord", "libx264", {"options": X264, "pixels": "yuvj420p"}),
    "variable.mp4": ("decord", "libx264", {"options": X264 | {"g": "12"}, "times": VARIABLE}),
    "variable.mkv": ("decord", "libx264", {"options": X264, "times": VARIABLE}),
    "hevc.mkv": ("decord", "libx265", {"options": X265}),
    "open_gop.mp4": (
        "av",
        "libx264",
        {"options": X264 | {"g": "12", "x264-params": "open-gop=1"}},
    ),
    "refresh.mp4": (
        "av",
        "libx264",
        {"options": X264 | {"g": "12", "x264-params": "intra-refresh=1"}},
    ),
    "ten_bits.mp4": ("av", "libx264", {"options": X264, "pixels": "yuv420p10le"}),
    "vp9.webm": ("av", "libvpx-vp9", {"options": {"g": "16", "auto-alt-ref": "1"}}),
    "av1.mp4": ("av", "libsvtav1", {"options": {"g": "16", "preset": "12"}}),
    "av1.mkv": ("av", "libsvtav1", {"options": {"g": "16", "preset": "12"}}),
    "h264.ts": ("av", "libx264", {"options": X264 | {"g": "12", "x264-params": "open-gop=1"}}),
    "mpeg2.mpg": ("av", "mpeg2video", {"options": {"bf": "2", "g": "12", "b": "4M"}}),
    "mpeg4.avi": ("av", "mpeg4", {"options": {"bf": "2", "g": "12", "b": "4M"}}),
    "raw.h264": ("av", "libx264", {"options": X264 | {"g": "12"}}),
    "moving.gif": ("av", "gif", {"pixels": "rgb8"}),
}


@pytest.mark.parametrize("name", MADE)
def test_frames_are_exact_in_any_order(name: str, tmp_path: Path) -> None:
    reader, codec, how = MADE[name]
    if reader == "decord" and import_decord() is None:
        reader = "av"
    path = encode(tmp_path / name, codec, **how)
    order = [*range(N), *random.Random(0).choices(range(N), k=25), *range(N - 1, 0, -6)]
    with open_video(path) as video, open_video(path, reader="av") as other:
        assert (len(video), video.size) == (N, (H, W))
        assert [number_in(image) for image in video.frames(order)] == order
        assert video.reader == reader, video.reason
        assert [number_in(image) for image in other.frames(order)] == order
        for one, two in zip(video.frames(), other.frames(), strict=True):
            assert one.dtype == np.uint8
            assert np.array_equal(one, two)


@pytest.mark.parametrize("name", [name for name in TURNED if name != "odd"])
def test_rotation_is_applied_alike(name: str, h264: Path, tmp_path: Path) -> None:
    path = turned(h264, tmp_path / "turned.mp4", TURNED[name])
    upright = open_video(h264, reader="av")[5]
    expected = {
        "upright": upright,
        "90": np.rot90(upright, 1),
        "180": np.rot90(upright, 2),
        "270": np.rot90(upright, 3),
        "mirrored": upright[:, ::-1],
    }[name]
    video = open_video(path)
    assert video.size == expected.shape[:2]
    np.testing.assert_array_equal(open_video(path, reader="av")[5], expected)
    for number in (5, N - 1, 5):
        image = video[number]
    np.testing.assert_array_equal(image, expected)
    assert (video.reader == "decord") == (name != "mirrored" and import_decord() is not None)


def test_odd_rotation_is_refused(h264: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="odd angle"):
        open_video(turned(h264, tmp_path / "odd.mp4", TURNED["odd"]))


def test_several_streams(tmp_path: Path) -> None:
    path = encode(tmp_path / "two.mkv", "libx264", X264, sizes=((32, 64), (H, W), (H, W)), n=6)
    video = open_video(path)
    assert (video.size, video.info.stream, video.reader) == ((H, W), 1, "av")
    small = open_video(path, stream=0)
    assert small.size == (32, 64)
    assert [number_in(image) for image in small.frames()] == list(range(6))
    with pytest.raises(DataError, match=r"stream 7 of .*two.mkv is not a video.* 0 \(64x32\), 1 "):
        open_video(path, stream=7)


def test_frame_numbers_outside_the_video(h264: Path) -> None:
    video = open_video(h264)
    for number in (-1, N):
        with pytest.raises(FrameNumberError, match=rf"no frame {number} in .*h264.mp4.* 0 to 39"):
            video[number]
    assert len(list(iter(video))) == N


def test_threads_share_a_video(h264: Path) -> None:
    order = random.Random(1).choices(range(N), k=60)
    with open_video(h264) as video, ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda i: number_in(video[i]), order)) == order


def test_a_closed_video_opens_again(h264: Path) -> None:
    video = open_video(h264)
    assert number_in(video[3]) == 3
    video.close()
    assert number_in(video[7]) == 7


def test_without_decord(h264: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "decord", None)
    video = open_video(h264)
    assert (video.reader, video.reason) == ("av", "decord is not installed")
    assert [number_in(image) for image in video.frames()] == list(range(N))
    with pytest.raises(UsageError, match="'decord', which is not installed"):
        open_video(h264, reader="decord")


@needs_decord
def test_decord_is_refused_where_it_is_wrong(tmp_path: Path) -> None:
    path = encode(tmp_path / "v.webm", "libvpx-vp9", n=4)
    with pytest.raises(DataError, match=r"decord does not read .*v.webm exactly: it is vp9"):
        open_video(path, reader="decord")


@needs_decord
def test_a_failure_of_decord_changes_nothing(h264: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr("decord.VideoReader", broken)
    video = open_video(h264)
    for _ in range(2):
        assert [number_in(image) for image in video.frames()] == list(range(N))
    assert (video.reader, video.reason) == ("av", "decord gave up at frame 0 (no)")


def test_frames_of_another_size_midway(tmp_path: Path) -> None:
    big = encode(tmp_path / "a.h264", "libx264", X264, n=5).read_bytes()
    small = encode(tmp_path / "b.h264", "libx264", X264, sizes=((32, 64),), n=5).read_bytes()
    path = tmp_path / "both.h264"
    path.write_bytes(big + small)
    video = open_video(path)
    assert [number_in(video[i]) for i in range(5)] == list(range(5))
    with pytest.raises(DataError, match=r"frame 5 of .*both.h264 is 64x32 .* is 128x64"):
        video[5]
    assert number_in(video[2]) == 2


# ------------------------------------------------------------------------- files that are bad


def repacked(source: Path, target: Path, movflags: str = "+faststart") -> Path:
    """Copy the packets into another container; the index of an mp4 comes first."""
    flags = {"movflags": movflags} if target.suffix == ".mp4" else {}
    with av.open(str(source)) as old, av.open(str(target), "w", options=flags) as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    return target


@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_a_file_that_is_cut_off(kind: str, h264: Path, tmp_path: Path) -> None:
    path = repacked(h264, tmp_path / f"cut.{kind}")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 7 // 10])
    video = open_video(path)
    sure = video.index.n_sure
    assert 5 < sure < len(video) <= N
    assert [number_in(video[i]) for i in range(sure)] == list(range(sure))
    for number in (sure, len(video) - 1):
        with pytest.raises(DataError, match=rf"frame {number} of .*cut.{kind} .*cut off"):
            video[number]


@pytest.mark.parametrize("cut", ["between packets", "in a header"])
def test_a_cut_that_ffmpeg_takes_for_the_end(cut: str, tmp_path: Path) -> None:
    source = encode(tmp_path / "a.mp4", "libx264", X264 | {"g": "10", "sc_threshold": "0"})
    if cut == "in a header":
        path = repacked(source, tmp_path / "cut.mp4", "frag_keyframe+empty_moov")
        data = path.read_bytes()
        end = data.index(b"moof", data.index(b"moof") + 4) + 14
    else:
        path = repacked(source, tmp_path / "cut.mp4")
        with av.open(str(path)) as container:
            first = [p for p in container.demux(video=0) if p.size][9]
        data, end = path.read_bytes(), first.pos + first.size
    path.write_bytes(data[:end])
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
    assert len(packets) == 10
    assert not any(packet.is_corrupt for packet in packets)
    video = open_video(path)
    with pytest.raises(DataError, match=r"frame \d+ of .*cut.mp4 .*cut off"):
        list(video.frames())


@pytest.mark.parametrize("reader", ["auto", "av"])
def test_damage_is_named_and_ends_at_the_next_keyframe(reader: Any, tmp_path: Path) -> None:
    path = encode(tmp_path / "hurt.mp4", "libx264", X264 | {"g": "10", "sc_threshold": "0"})
    with av.open(str(path)) as container:
        packets = [(p.pos, p.size, p.is_keyframe) for p in container.demux(video=0) if p.size]
    keys = [ordinal for ordinal, packet in enumerate(packets) if packet[2]]
    assert len(keys) >= 3
    at, size, _ = packets[keys[1]]
    data = bytearray(path.read_bytes())
    data[at + size // 2 : at + size] = b"\x55" * (size - size // 2)
    path.write_bytes(data)
    video = open_video(path, reader=reader)
    before, after = [*range(keys[1])], [*range(keys[2], N)]
    for _ in range(2):
        assert [number_in(image) for image in video.frames(after + before)] == after + before
        with pytest.raises(DataError, match=rf"frame {keys[1]} of .*hurt.mp4 cannot be decoded"):
            video[keys[1]]
        with pytest.raises(DataError, match=r"frames 10 to 19 are damaged .*ffmpeg -i hurt.mp4"):
            video[keys[1] + 2]


def test_damage_is_noticed_each_time(tmp_path: Path) -> None:
    source = encode(tmp_path / "a.h264", "libx264", X264, n=8)
    path = tmp_path / "cut.h264"
    path.write_bytes(source.read_bytes()[:-20])
    for _ in range(20):
        video = open_video(path)
        assert [number_in(video[i]) for i in range(7)] == list(range(7))
        with pytest.raises(DataError, match="part of the image is lost"):
            video[7]


Maker = Callable[[Path, Path], Path]


def _text(folder: Path, _: Path) -> Path:
    path = folder / "text.mp4"
    path.write_text("this is no video\n" * 100)
    return path


def _empty(folder: Path, _: Path) -> Path:
    (folder / "empty.mp4").touch()
    return folder / "empty.mp4"


def _no_index(folder: Path, h264: Path) -> Path:
    path = folder / "no_index.mp4"
    path.write_bytes(h264.read_bytes()[:-2000])
    return path


def _sound(folder: Path, _: Path) -> Path:
    with av.open(str(folder / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return folder / "sound.mp4"


def _playlist(folder: Path, h264: Path) -> Path:
    path = folder / "list.m3u8"
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{h264}\n#EXT-X-ENDLIST\n")
    return path


def _script(folder: Path, h264: Path) -> Path:
    path = folder / "list.mp4"
    path.write_text(f"ffconcat version 1.0\nfile {h264.name}\n")
    return path


BAD: dict[str, tuple[Maker, str]] = {
    "text": (_text, r"text\.mp4 cannot be opened as a video"),
    "empty": (_empty, r"empty\.mp4 is empty \(0 bytes\)"),
    "no index": (_no_index, r"no_index\.mp4 cannot be opened as a video"),
    "sound": (_sound, r"sound\.mp4 holds no video stream \(only audio\)"),
    "playlist": (_playlist, r"list\.m3u8 cannot be opened as a video"),
    "concat script": (_script, r"list\.mp4 cannot be opened as a video"),
    "folder": (lambda folder, _: folder, "is a folder, not a video file"),
    "missing": (lambda folder, _: folder / "none.mp4", r"there is no video file .*none\.mp4"),
    "address": (lambda *_: Path("http://localhost/x.mp4"), "there is no video file"),
}


def test_metadata_in_another_encoding(h264: Path, tmp_path: Path) -> None:
    """Its muxer's name, in letters that are no UTF-8."""
    data = h264.read_bytes()
    assert b"Lavf" in data
    path = tmp_path / "latin.mp4"
    path.write_bytes(data.replace(b"Lavf", "Läöü".encode("latin-1")))
    with open_video(path) as video:
        assert [number_in(image) for image in video.frames([3])] == [3]


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_video_gets_one_sentence(name: str, h264: Path, tmp_path: Path) -> None:
    make, sentence = BAD[name]
    with pytest.raises(DataError, match=sentence) as caught:
        open_video(make(tmp_path, h264))
    assert "\n" not in str(caught.value)


def test_frames_too_large(h264: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "MAX_SIDE", 100)
    with pytest.raises(DataError, match=r"h264.mp4 has frames of 128x64 pixels; at most 100"):
        open_video(h264)


@pytest.mark.parametrize("name", ["-i.mp4", "http:x.mp4", "file:x.mp4", "ü %03d.mp4"])
def test_names_are_only_names(
    name: str, h264: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_bytes(h264.read_bytes())
    monkeypatch.chdir(tmp_path)
    assert number_in(open_video(name)[9]) == 9


def test_links_are_followed_until_they_loop(h264: Path, tmp_path: Path) -> None:
    (tmp_path / "link.mp4").symlink_to(h264)
    assert [number_in(open_video(tmp_path / "link.mp4")[i]) for i in (9, 0)] == [9, 0]
    (tmp_path / "loop.mp4").symlink_to("loop.mp4")
    with pytest.raises(DataError, match=r"there is no video file .*loop\.mp4"):
        open_video(tmp_path / "loop.mp4")


HURT = """
    import random, sys
    from pathlib import Path
    from tvseg_bench.benchmark.data.video.reader import open_video
    from tvseg_bench.benchmark.errors import TvsegError

    chance = random.Random(0)
    for source in map(Path, sys.argv[1:]):
        whole = source.read_bytes()
        for turn in range(15):
            data = bytearray(whole)
            at = chance.randrange(len(data) if turn % 3 else 1500)
            data[at : at + 16] = chance.randbytes(len(data[at : at + 16]))
            path = source.with_name("hurt" + source.suffix)
            path.write_bytes(data if turn % 5 else data[:at])
            try:
                video = open_video(path)
            except TvsegError:
                continue
            for number in chance.choices(range(len(video)), k=12):
                try:
                    assert video[number].shape == (*video.size, 3)
                except TvsegError as error:
                    assert str(path) in str(error) and f"frame {number} " in str(error)
"""


def test_random_damage_never_crashes_or_hangs(tmp_path: Path) -> None:
    sources = [
        encode(tmp_path / "a.mp4", "libx264", X264 | {"g": "12"}),
        encode(tmp_path / "b.mkv", "libx265", X265),
        encode(tmp_path / "c.ts", "libx264", X264 | {"g": "12"}),
        encode(tmp_path / "d.webm", "libvpx-vp9", n=20),
    ]
    command = [sys.executable, "-c", textwrap.dedent(HURT), *map(str, sources)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# -------------------------------------------------------------------------------- real samples


@pytest.fixture
def videos() -> Path:
    root = os.environ.get("TVSEG_DATA")
    if not root or not (Path(root) / "videos").is_dir():
        pytest.skip("TVSEG_DATA does not name the real samples")
    return Path(root) / "videos"


@pytest.mark.real
@pytest.mark.parametrize(("stream", "asked"), [(0, 0), (3, None), (3, 3)])
def test_nasa_equals_its_reference_frames(videos: Path, stream: int, asked: int | None) -> None:
    folder = videos / "torchcodec"
    video = open_video(folder / "nasa_13013.mp4", stream=asked)
    assert (len(video), video.size) == {0: (325, (180, 320)), 3: (390, (270, 480))}[stream]
    with np.load(folder / "nasa_13013_reference_frames.npz") as reference:
        wanted = {k: reference[k] for k in reference.files if k.startswith(f"stream{stream}.")}
    assert wanted
    for key, expected in wanted.items():
        np.testing.assert_array_equal(video[int(key[-6:])], expected)


@pytest.mark.real
@needs_decord
@pytest.mark.parametrize(
    ("name", "n", "size"),
    [
        ("decord/flipping_a_pancake.mkv", 310, (240, 426)),
        ("decord/video_90.mov", 3, (568, 320)),
        ("imageio/realshort.mp4", 36, (240, 320)),
    ],
)
def test_readers_agree_on_real_files(
    videos: Path, name: str, n: int, size: tuple[int, int]
) -> None:
    with open_video(videos / name) as one, open_video(videos / name, reader="av") as two:
        assert (len(one), one.size) == (n, size)
        order = random.Random(0).sample(range(n), k=min(n, 40))
        for number in order * 2:
            np.testing.assert_array_equal(one[number], two[number])
        assert one.reader == "decord"


@pytest.mark.real
def test_corrupted_real_file(videos: Path) -> None:
    video = open_video(videos / "decord" / "corrupted.mp4")
    assert len(video) == 50
    assert len(list(video.frames(range(28)))) == 28
    for number in (28, 40):
        with pytest.raises(DataError, match=rf"frame {number} of .*corrupted.mp4 cannot"):
            video[number]
    assert video.reader == "av"
    assert video[27].shape == (720, 1280, 3)
    with pytest.raises(TvsegError):
        list(video.frames())
