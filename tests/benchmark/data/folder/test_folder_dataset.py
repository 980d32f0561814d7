import numpy as np
import pytest
from PIL import Image

import tvseg_bench.benchmark.data  # noqa: F401
from tvseg_bench.benchmark.errors import DataError, UsageError
from tvseg_bench.benchmark.registry import datasets

CDNET = "labels: {0: background, 50: background, 85: void, 170: void, 255: moving}\n"


def open_folder(reference):
    return datasets[reference].open(None, None)


@pytest.fixture
def highway(tree):
    """One clip in the CDnet layout."""
    for t in (470, 471):
        tree.image(f"highway/input/in{t:06d}.jpg")
        tree.mask(f"highway/groundtruth/gt{t:06d}.png", (0, 50, 170, 255), "P")
    return tree


@pytest.mark.parametrize(
    ("frames", "masks"),
    [
        ("JPEGImages", "Annotations"),
        ("JPEGImages/480p", "Annotations/480p"),
        ("images", "masks"),
        ("frames", "labels"),
        ("input", "groundtruth"),
    ],
)
def test_usual_names_are_found(tree, frames, masks):
    for clip in ("b", "a"):
        tree.image(f"my data/{frames}/{clip}/1.jpg")
        tree.mask(f"my data/{masks}/{clip}/1.png", (0, 3, 255))
    data = open_folder(f"folder:{tree.root / 'my data'}")
    assert data.card.name == "folder:my-data"
    assert [clip.name for clip in data.clips] == ["a", "b"]
    assert np.unique(data.clips[0].instance(0)).tolist() == [0, 3, 255]
    assert data.clips[0].semantic is None
    assert data.dataset_labels is None
    assert "label_kind: semantic" in data.dataset_labels_hint


def test_frames_without_masks(tree):
    for t in (10, 9):
        tree.image(f"shot/{t}.png")
    data = open_folder(f"folder:{tree.root / 'shot'}")
    clip = data.clips[0]
    assert (clip.name, list(clip.frame_names)) == ("shot", ["9", "10"])
    assert clip.labels("instance") is None
    assert clip.image(1).shape == (12, 16, 3)


def test_sub_folders_without_masks(tree):
    tree.image("shots/one/1.png")
    tree.text("shots/notes/readme.txt", "no frames here")
    assert [clip.name for clip in open_folder(f"folder:{tree.root / 'shots'}").clips] == ["one"]


def test_yaml_label_map(highway, write_yaml):
    reference = write_yaml(
        "name: CDnet highway\nroot: highway\nframes: input\nmasks: groundtruth\n" + CDNET
    )
    data = open_folder(reference)
    assert data.card.name == "folder:CDnet-highway"
    assert data.classes == ("background", "moving")
    assert data.card.background == 0
    assert data.dataset_labels == "semantic"
    assert data.clips[0].semantic(1)[0, ::4].tolist() == [0, 0, 255, 1]


def test_meaning_is_part_of_the_manifest(highway, write_yaml):
    head = "root: highway\nframes: input\nmasks: groundtruth\n"
    one = open_folder(write_yaml(head + CDNET)).manifest_sha256
    other = open_folder(write_yaml(head + CDNET.replace("50: background", "50: void")))
    assert one != other.manifest_sha256


def test_value_outside_the_map(highway, write_yaml):
    text = "root: highway\nframes: input\nmasks: groundtruth\nlabels: {0: bg, 170: void, 255: go}"
    clip = open_folder(write_yaml(text)).clips[0]
    with pytest.raises(DataError) as error:
        clip.semantic(0)
    assert str(error.value) == (
        "folder:data, clip 'data', frame 'in000470': groundtruth/gt000470.png holds the value 50: "
        "the label map does not name it; add 50: NAME (or 50: void) under labels in data.yaml; "
        "type: tvseg-bench data check folder:PATH"
    )


def test_stills(tree, write_yaml):
    for name in ("x", "y"):
        tree.image(f"images/{name}.jpg")
        tree.mask(f"masks/{name}.png", (0, 2))
    data = open_folder(
        write_yaml("frames: images\nmasks: masks\nimages: still\nlabel_kind: semantic")
    )
    assert [(clip.name, clip.n_frames) for clip in data.clips] == [("x", 1), ("y", 1)]
    assert np.unique(data.clips[1].semantic(0)).tolist() == [0, 2]
    assert data.card.background == 0


def test_stills_in_sub_folders_with_a_missing_mask(tree, write_yaml):
    tree.image("images/a/1.jpg")
    tree.image("images/a/2.jpg")
    tree.mask("masks/a/1.png")
    clips = open_folder(write_yaml("frames: images\nmasks: masks\nimages: still")).clips
    assert [clip.name for clip in clips] == ["a/1", "a/2"]
    with pytest.raises(DataError, match=r"frame '2': masks has no mask .* for images/a/2\.jpg"):
        clips[1].instance(0)


@pytest.mark.parametrize("images", ["clip", "still"])
def test_the_same_frame_twice(tree, write_yaml, images):
    tree.image("images/1.jpg")
    tree.image("images/1.png")
    reference = write_yaml(f"frames: images\nimages: {images}")
    with pytest.raises(DataError, match=r"has frame '1' twice, as 1\.jpg and as 1\.png"):
        open_folder(reference)


def test_masks_as_jpeg(tree):
    tree.image("d/images/1.jpg")
    tree.image("d/masks/1.jpg")
    clip = open_folder(f"folder:{tree.root / 'd'}").clips[0]
    with pytest.raises(DataError, match="JPEG changes ids"):
        clip.instance(0)


def test_empty_clip_folder(tree):
    tree.image("d/images/a/1.jpg")
    (tree.root / "d/images/b").mkdir()
    with pytest.raises(DataError, match=r"clip 'b' has no frames: its folder images/b holds no"):
        open_folder(f"folder:{tree.root / 'd'}")


def test_frames_beside_clip_folders(tree):
    tree.image("d/1.jpg")
    tree.image("d/a/1.jpg")
    with pytest.raises(DataError, match=r"frames both in \. itself and in its sub-folder 'a'"):
        open_folder(f"folder:{tree.root / 'd'}")


def test_folder_of_nothing(tree):
    (tree.root / "d").mkdir()
    with pytest.raises(DataError, match=r"^folder:d holds no frames: d/\. has no images, no"):
        open_folder(f"folder:{tree.root / 'd'}")


def test_masks_without_frames_folder(tree):
    tree.mask("d/masks/1.png")
    with pytest.raises(DataError, match="has masks but none of JPEGImages, images, input, frames"):
        open_folder(f"folder:{tree.root / 'd'}")


def test_path_that_is_not_there_or_no_folder(tree):
    with pytest.raises(DataError, match=r"^folder:/nowhere/x is not there; expected a directory"):
        datasets["folder:/nowhere/x"]
    path = tree.image("a.jpg")
    with pytest.raises(DataError, match=r"a\.jpg is neither a directory nor a \.yaml file"):
        datasets[f"folder:{path}"]


def test_only_split_is_all(tree):
    tree.image("d/1.jpg")
    entry = datasets[f"folder:{tree.root / 'd'}"]
    assert entry.open(None, "all").split == "all"
    with pytest.raises(UsageError, match="unknown split of folder:d 'val'; did you mean 'all'"):
        entry.open(None, "val")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("frames: [", r"data\.yaml is not a YAML file"),
        ("", r"data\.yaml holds no keys; expected some of name, root"),
        ("- a", r"holds no keys"),
        (
            "root: nowhere",
            r"root is 'nowhere'; expected an existing folder, relative to",
        ),
        ("frames: 3", r"frames is 3; expected a text"),
        ("frames: nowhere", r"frames is 'nowhere'; expected an existing folder, relative to root"),
        (
            "frames: ../x",
            r"frames names '\.\./x', which is not a path inside the data set's f",
        ),
        ("masks: a/../../x", r"masks names 'a/\.\./\.\./x', which is not a path inside"),
        ("frames: /etc", r"frames is '/etc'; expected a path relative to root"),
        ("labels: [a]", r"labels is \['a'\]; expected a map from stored values to names"),
        ("labels: {a: b}", r"expected a map from stored values to names"),
        ("labels: {yes: b}", r"expected a map from stored values to names"),
        ("labels: {0: 1}", r"expected a map from stored values to names"),
        ("labels: {0: void}", r"expected 1 to 254 names besides 'void'"),
        ("label_kind: panoptic", r"label_kind is 'panoptic'; expected semantic or instance"),
        ("images: video", r"images is 'video'; expected clip or still"),
        ("stream: -1", r"stream is -1; expected the index of a video stream, 0 or more"),
        ("stream: first", r"expected the index of a video stream"),
        ("labels: {0: bg}\nbackground: sky", r"background is 'sky'; expected one of bg, or null"),
        ("labels: {0: bg}\nbackground: [1]", r"background is \[1\]; expected one of bg, or null"),
    ],
)
def test_yaml_that_says_something_else(write_yaml, content, sentence):
    reference = write_yaml(content)
    with pytest.raises(DataError, match=sentence):
        datasets[reference]


def test_unknown_key(write_yaml):
    reference = write_yaml("label: {0: a}")
    with pytest.raises(UsageError, match=r"unknown key of data\.yaml 'label'; did you mean 'la"):
        datasets[reference]


def test_yaml_runs_no_code(write_yaml, tmp_path):
    reference = write_yaml(f"name: !!python/object/apply:os.mkdir ['{tmp_path}/made']")
    with pytest.raises(DataError, match="is not a YAML file"):
        datasets[reference]
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("labels", "background", "wanted"),
    [
        ("{0: background, 1: a}", "", 0),
        ("{0: a, 1: background}", "", 1),
        ("{0: sky, 1: road}", "", None),
        ("{0: sky, 1: road}", "background: road", 1),
        ("{0: background, 1: a}", "background: null", None),
    ],
)
def test_background(tree, write_yaml, labels, background, wanted):
    reference = write_yaml(f"labels: {labels}\n{background}")
    assert datasets[reference].card.background == wanted


def test_instance_masks_of_16_bits(tree):
    tree.image("d/images/1.jpg", (1, 2))
    (tree.root / "d/masks").mkdir()
    Image.fromarray(np.array([[0, 700]], np.uint16)).save(tree.root / "d/masks/1.png")
    clip = open_folder(f"folder:{tree.root / 'd'}").clips[0]
    assert clip.instance(0).tolist() == [[0, 700]]
