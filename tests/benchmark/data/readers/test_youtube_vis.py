"""YouTube-VIS 2021: a label file with runs in both forms, and what strangers put into one."""

import json
from copy import deepcopy

import numpy as np
import pytest

from tvseg_bench.benchmark.data.class_names import youtube_vis
from tvseg_bench.benchmark.data.diagnose import check
from tvseg_bench.benchmark.data.readers import youtube_vis as module
from tvseg_bench.benchmark.data.readers.youtube_vis import inventory
from tvseg_bench.benchmark.data.status import status
from tvseg_bench.benchmark.errors import DataError

HEIGHT, WIDTH = SIZE = (12, 16)
PERSON, ZEBRA = 26, 40
CATEGORIES = [{"id": i, "name": name} for i, name in enumerate(youtube_vis.CLASSES) if i]
LEFT = {"size": [HEIGHT, WIDTH], "counts": [0, 4 * HEIGHT, 12 * HEIGHT]}
"""The first four columns, as a list of counts."""
RIGHT = {"size": [HEIGHT, WIDTH], "counts": "P3P3"}
"""96 pixels of 0, that is eight columns, then 96 of 1, as a string."""


def content(videos):
    """A person on the left in the first frame, a zebra on the right in both."""
    return {
        "info": {"year": 2021},
        "videos": [
            {
                "id": i,
                "height": HEIGHT,
                "width": WIDTH,
                "length": 2,
                "file_names": [f"{name}/00000.jpg", f"{name}/00005.jpg"],
            }
            for i, name in enumerate(videos, start=1)
        ],
        "annotations": [
            {"id": 10 * i + j, "video_id": i, "category_id": category, "segmentations": masks}
            for i, _ in enumerate(videos, start=1)
            for j, category, masks in ((1, PERSON, [LEFT, None]), (2, ZEBRA, [RIGHT, RIGHT]))
        ],
        "categories": CATEGORIES,
    }


@pytest.fixture
def vis(tree, monkeypatch):
    """Five videos of two frames, of which two are validation."""
    monkeypatch.setattr(module, "VALIDATION_VIDEOS", 2)
    videos = ("e", "d", "c", "b", "a")
    for name in videos:
        for t in (0, 5):
            tree.image(f"ytvis2021/train/JPEGImages/{name}/{t:05d}.jpg")
    tree.text("ytvis2021/train/instances.json", json.dumps(content(videos)))
    return type(tree)(tree.root / "ytvis2021")


def rewritten(vis, change):
    """Write the label file again, changed."""
    about = deepcopy(content(("e", "d", "c", "b", "a")))
    change(about)
    vis.text("train/instances.json", json.dumps(about))


def test_objects_and_categories(vis):
    data = inventory(vis.root.parent, None).open()
    assert (data.split, data.dataset_labels) == ("val", "semantic")
    assert data.classes == youtube_vis.CLASSES
    clip = data.clips[0]
    assert list(clip.frame_names) == ["00000", "00005"]
    assert clip.categories == {1: PERSON, 2: ZEBRA}
    first, second = clip.instance(0), clip.instance(1)
    assert first.shape == SIZE
    assert [
        np.unique(first[:, at]).tolist() for at in (slice(4), slice(4, 8), slice(8, None))
    ] == [
        [1],
        [0],
        [2],
    ]
    assert np.unique(second[:, :8]).tolist() == [0]
    np.testing.assert_array_equal(clip.semantic(0), np.array([0, PERSON, ZEBRA])[first])


def test_the_last_videos_of_the_file_are_validation(vis):
    splits = {name: inventory(vis.root, name) for name in ("train", "val")}
    assert {name: [clip.name for clip in one.clips] for name, one in splits.items()} == {
        "train": ["e", "d", "c"],
        "val": ["b", "a"],
    }
    assert splits["train"].manifest_sha256 != splits["val"].manifest_sha256


def test_three_hundred_of_them():
    assert module.VALIDATION_VIDEOS == 300


def test_the_later_object_is_seen(vis):
    rewritten(vis, lambda about: about["annotations"][-1].update(segmentations=[LEFT, LEFT]))
    clip = inventory(vis.root, None).open().clips[1]
    assert np.unique(clip.instance(0)).tolist() == [0, 2]


def test_a_video_without_objects_and_labels_beside_the_folder(vis):
    rewritten(vis, lambda about: about.update(annotations=[]))
    (vis.root / "train/instances.json").rename(vis.root / "train.json")
    clip = inventory(vis.root, None).open().clips[0]
    assert np.unique(clip.semantic(0)).tolist() == [0]


def test_every_mask_is_checked(vis):
    report = check("youtube-vis-2021", None, vis.root.parent)
    assert report.ok
    assert (report.frames, report.masks, report.modes) == (4, 4, {"RLE": 4})
    assert sorted(report.pixels) == [0, PERSON, ZEBRA]
    short = {"size": [HEIGHT, WIDTH], "counts": [0, 4]}
    rewritten(vis, lambda about: about["annotations"][-1].update(segmentations=[RIGHT, short]))
    [found] = check("youtube-vis-2021", None, vis.root.parent).findings
    assert found.kind == "mask-unreadable"
    assert found.text.startswith("train/instances.json, annotation at byte ")
    assert found.text.endswith("has a mask whose runs cover 4 pixels instead of 12 x 16 = 192")
    clip = inventory(vis.root, None).open().clips[1]
    with pytest.raises(DataError, match=r"clip 'a', frame '00005': train/instances\.json, annot"):
        clip.instance(1)


def test_masks_of_another_size_than_the_frames(vis):
    vis.image("train/JPEGImages/a/00000.jpg", (6, 8))
    with pytest.raises(
        DataError, match=r"instances\.json has 16x12 pixels, its frame train/JPEGI"
    ):
        inventory(vis.root, None).open().clips[1].instance(0)


def test_listed_frame_that_is_not_there(vis):
    (vis.root / "train/JPEGImages/a/00005.jpg").unlink()
    with pytest.raises(
        DataError, match=r"complete: train/instances\.json lists a/00005\.jpg, but"
    ):
        inventory(vis.root, None).open()
    row = {row.name: row for row in status(vis.root.parent)}["youtube-vis-2021"]
    assert (row.found, row.clips) == (True, 1)
    assert row.problem.endswith("train/JPEGImages/a/00005.jpg is not there")


def test_a_model_is_scored(vis, scored):
    result = scored("youtube-vis-2021", vis.root.parent)
    assert (result.status, result.dataset.n_clips) == ("ok", 2)


def test_a_file_that_changes_while_it_is_in_use(vis):
    clip = inventory(vis.root, None).open().clips[1]
    vis.text("train/instances.json", " " * 100_000)
    with pytest.raises(DataError, match=r"instances\.json was changed while it was in use"):
        clip.instance(0)


def of_video(**changes):
    return lambda about: about["videos"][0].update(changes)


def of_annotation(**changes):
    return lambda about: about["annotations"][0].update(changes)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            of_video(file_names=["../../secret/0.jpg"]),
            "names '../../secret', which is not a path",
        ),
        (of_video(file_names=["e/0.jpg", "d/0.jpg"]), "frames are not different files of one fol"),
        (of_video(file_names=["e/0.jpg", "e/0.jpg"]), "frames are not different files of one fol"),
        (of_video(file_names=["e/0\\..\\..\\b.jpg"]), "is not the name of an image file"),
        (of_video(file_names=["e/.."]), "'..' is not the name of an image file"),
        (of_video(file_names=[]), "frames are not different files of one folder"),
        (of_video(file_names=[7]), "7 is not a name"),
        (of_video(file_names=["x" * 2000]), "is not a name"),
        (of_video(file_names="abc"), "'abc' is not a list"),
        (of_video(height=1 << 40, width=1 << 40), "its frames have 1099511627776x10995116277"),
        (of_video(height=0), "its frames have 16x0 pixels"),
        (of_video(height=-5), "-5 is not a number from 0 on"),
        (of_video(height=True), "True is not a number from 0 on"),
        (of_video(id="one"), "'one' is not a number from 0 on"),
        (of_video(id=2), "the id 2 stands there twice"),
        (of_video(file_names=["d/00000.jpg", "d/00005.jpg"]), "lists two videos with frames in"),
        (of_annotation(video_id=77), "of a video or of a category that it does not list"),
        (of_annotation(category_id=41), "of a video or of a category that it does not list"),
        (of_annotation(segmentations=[None]), "with 1 masks for the 2 frames of 'e', as object 1"),
        (of_annotation(segmentations={}), "{} is not a list"),
        (lambda about: about["annotations"][0].pop("segmentations"), "'segmentations' is missing"),
        (lambda about: about["videos"].insert(0, [1]), "it is of another kind"),
        (lambda about: about["videos"].insert(0, None), "it is of another kind"),
        (lambda about: about.pop("categories"), "does not number its categories 1, 2, ..."),
        (lambda about: about["categories"].pop(3), "does not number its categories 1, 2, ..."),
        (lambda about: about.update(videos=3), "of a video or of a category that it does not l"),
        (
            lambda about: about["annotations"].extend(254 * [about["annotations"][0]]),
            "as object 2",
        ),
    ],
)
def test_label_files_of_another_form(vis, change, sentence):
    rewritten(vis, change)
    with pytest.raises(DataError) as error:
        inventory(vis.root, None)
    assert "train/instances.json" in str(error.value)
    assert sentence in str(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("text", ["", "[]", '{"videos": [', "{" * 9, '{"videos": [[[[[['])
def test_what_is_no_label_file(vis, text):
    vis.text("train/instances.json", text)
    with pytest.raises(DataError, match=r"^train/instances\.json is not a JSON label file \("):
        inventory(vis.root, None)


def test_more_than_any_data_set_has(vis, monkeypatch):
    monkeypatch.setattr(module, "MAX_FRAMES", 9)
    with pytest.raises(
        DataError, match=r"has an entry of videos at byte \d+ .*more than any data"
    ):
        inventory(vis.root, None)


def test_wrong_trees(vis):
    (vis.root / "train/instances.json").unlink()
    with pytest.raises(
        DataError, match=r"ytvis2021 has no train/instances\.json or train\.json\)"
    ):
        inventory(vis.root.parent, None)
    with pytest.raises(DataError, match="youtube-vis-2021 is not found, since the data root"):
        inventory(vis.root / "nowhere", None)
