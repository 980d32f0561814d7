import pytest

import tvseg_bench.benchmark.data  # noqa: F401
from tvseg_bench.benchmark.data.diagnose import check
from tvseg_bench.benchmark.data.files import findings
from tvseg_bench.benchmark.errors import UsageError


def texts(report, kind):
    return [found.text for found in report.findings if found.kind == kind]


def test_a_whole_data_set(davis_2016):
    calls = []
    report = check("davis-2016", None, davis_2016.root, lambda *at: calls.append(at))
    assert report.ok
    assert report.findings == ()
    assert (report.split, report.clips, report.frames, report.masks) == ("val", 2, 6, 6)
    files = [*davis_2016.root.rglob("*.jpg"), *davis_2016.root.rglob("*.png")]
    assert report.bytes == sum(path.stat().st_size for path in files)
    assert report.pixels == {0: 6 * 96, 1: 6 * 96}
    assert report.names == {0: "background", 1: "object"}
    assert (report.modes, report.sizes, report.void_share) == ({"L": 6}, {"16x12": 6}, 0)
    assert calls == [(i, 6) for i in range(1, 7)]


def test_histogram_and_palette_of_what_occurs(voc):
    report = check("pascal-voc-2012", None, voc.root)
    assert sorted(report.pixels) == [0, 15, 255]
    assert report.names[15] == "person"
    assert report.palette == {0: (0, 0, 255), 15: (15, 0, 240), 255: (255, 0, 0)}
    assert report.void_share == pytest.approx(5 / 16)


def test_everything_is_found_in_one_go(davis_2016):
    frames, masks = "JPEGImages/480p/dog", "Annotations/480p/dog"
    (davis_2016.root / masks / "00000.png").unlink()
    davis_2016.mask(f"{masks}/00007.png")
    davis_2016.mask(f"{masks}/00001.png", (0, 255, 9), size=(6, 8))
    davis_2016.mask("Annotations/480p/bear/00000.png", (0, 255), "LA")
    (davis_2016.root / frames / "00002.jpg").write_bytes(b"not an image")
    (davis_2016.root / "Annotations/480p/bear/00001.png").write_bytes(b"")
    davis_2016.text("ImageSets/2016/val.txt", "dog\nbear\ncat\ncow\n")
    (davis_2016.root / "JPEGImages/480p/cow").mkdir()
    report = check("davis-2016", None, davis_2016.root)
    assert not report.ok
    assert {found.kind: found.text for found in report.findings} == {
        "frame-without-mask": f"{frames}/00000.jpg has no mask in {masks}",
        "mask-without-frame": f"{masks}/00007.png has no frame in {frames} and is not used",
        "clip-missing": "clip 'cat' has no frames: its folder JPEGImages/480p/cat is not there",
        "clip-empty": "clip 'cow' has no frames: its folder JPEGImages/480p/cow holds no image",
        "size-mismatch": f"the mask {masks}/00001.png has 8x6 pixels, its frame "
        f"{frames}/00001.jpg 16x12",
        "unknown-id": f"{masks}/00001.png holds the value 9: masks of DAVIS 2016 hold 0 and 255 "
        "(DAVIS 2017 is another data set)",
        "image-unreadable": f"{frames}/00002.jpg is not an image that can be read (expected one "
        "of JPEG, PNG, BMP, TIFF, WEBP, PPM, GIF)",
        "mask-mode": "Annotations/480p/bear/00000.png is stored in mode LA instead of L or P; its "
        "ids are read anyway",
        "mask-unreadable": "Annotations/480p/bear/00001.png is empty (expected one of JPEG, PNG, "
        "BMP, TIFF, WEBP, PPM, GIF)",
    }
    assert (report.frames, report.masks, report.clips) == (6, 4, 2)


def test_notes_leave_the_data_usable(davis_2016):
    davis_2016.mask("Annotations/480p/bear/00000.png", (0, 255), "LA")
    report = check("davis-2016", "train", davis_2016.root)
    assert report.counts == {"mask-mode": 1}
    assert report.modes == {"LA": 1, "L": 2}
    assert report.ok


def test_empty_mask_folder_is_one_finding(davis_2016):
    for path in (davis_2016.root / "Annotations/480p/dog").iterdir():
        path.unlink()
    report = check("davis-2016", None, davis_2016.root)
    assert report.counts == {"mask-folder-empty": 1}
    assert texts(report, "mask-folder-empty") == [
        "Annotations/480p/dog holds no mask for the 3 frames of clip 'dog'"
    ]


def test_masks_kept_as_jpeg_are_named(tree):
    tree.image("d/images/a/1.jpg")
    tree.image("d/masks/a/1.jpg")
    report = check(f"folder:{tree.root / 'd'}")
    assert texts(report, "mask-folder-empty") == [
        "masks/a holds no mask for the 1 frames of clip 'a', only JPEG files, whose compression "
        "changes ids; save masks as PNG"
    ]


def test_masks_of_a_clip_without_frames(tree):
    tree.image("d/images/a/1.jpg")
    tree.mask("d/masks/a/1.png")
    tree.mask("d/masks/b/1.png")
    report = check(f"folder:{tree.root / 'd'}")
    assert texts(report, "mask-without-frame") == [
        "the masks in masks/b have no frames in images/b"
    ]


def test_video_without_categories(youtube_vos):
    youtube_vos.text("val.txt", "video03\n")
    youtube_vos.text("train/meta.json", '{"videos": {}}')
    report = check("youtube-vos-2019", "val", youtube_vos.root)
    assert texts(report, "label-file") == [
        "train/meta.json does not name the video 'video03', so its instances have no category"
    ]
    assert report.counts["unknown-id"] == 2


def test_many_findings_are_counted_and_few_kept(davis_2016, monkeypatch):
    monkeypatch.setattr(findings, "LISTED_PER_KIND", 2)
    for path in davis_2016.root.rglob("*.jpg"):
        path.write_bytes(b"")
    report = check("davis-2016", None, davis_2016.root)
    assert report.counts == {"image-unreadable": 6}
    assert len(report.findings) == 2


def test_nothing_is_changed(davis_2016):
    def state():
        return {p: (p.stat().st_size, p.stat().st_mtime_ns) for p in davis_2016.root.rglob("*")}

    (davis_2016.root / "JPEGImages/480p/dog/00000.jpg").write_bytes(b"")
    before = state()
    check("davis-2016", None, davis_2016.root)
    assert state() == before


def test_generated_data_are_checked_through_their_clips():
    report = check("moving-shapes")
    assert report.ok
    assert report.root is None
    assert report.frames == report.masks > 0
    assert report.names[0] == "background"


def test_unknown_data_set():
    with pytest.raises(UsageError, match="unknown dataset 'davis-2015'; did you mean 'davis-201"):
        check("davis-2015")
