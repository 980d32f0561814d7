import numpy as np
import pytest

from tvseg_bench.benchmark.data.readers.davis import inventory_2016, inventory_2017
from tvseg_bench.benchmark.errors import DataError, UsageError


def test_2016_follows_the_list_and_reads_255_as_the_object(davis_2016):
    data = inventory_2016(davis_2016.root, None).open()
    assert data.split == "val"
    assert [clip.name for clip in data.clips] == ["dog", "bear"]
    clip = data.clips[0]
    assert (clip.n_frames, list(clip.frame_names)) == (3, ["00000", "00001", "00002"])
    assert clip.image(0).shape == (12, 16, 3)
    assert np.unique(clip.semantic(0)).tolist() == [0, 1]
    np.testing.assert_array_equal(clip.semantic(0), clip.instance(0))
    assert data.dataset_labels == "semantic"
    assert data.classes == ("background", "object")


@pytest.mark.parametrize("mode", ["L", "LA", "1", "RGB"])
def test_2016_masks_of_every_mode_are_the_same(davis_2016, mode):
    wanted = inventory_2016(davis_2016.root, None).open().clips[0].semantic(0)
    davis_2016.mask("Annotations/480p/dog/00000.png", (0, 255), mode)
    got = inventory_2016(davis_2016.root, None).open().clips[0].semantic(0)
    np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("values", [(0, 255), (0, 1)])
def test_2016_palette_masks(davis_2016, values):
    davis_2016.mask("Annotations/480p/dog/00000.png", values, "P")
    labels = inventory_2016(davis_2016.root, None).open().clips[0].semantic(0)
    assert labels[0, 0] == 0
    assert labels[0, -1] == 1


def test_2016_lists_of_paths(davis_2016):
    (davis_2016.root / "ImageSets/2016/val.txt").unlink()
    (davis_2016.root / "ImageSets/2016/train.txt").unlink()
    lines = [
        f"/JPEGImages/480p/{name}/{t:05d}.jpg /Annotations/480p/{name}/{t:05d}.png"
        for name in ("dog", "bear")
        for t in range(3)
    ]
    davis_2016.text("ImageSets/480p/trainval.txt", "\n".join(lines))
    data = inventory_2016(davis_2016.root, None).open()
    assert (data.split, [clip.name for clip in data.clips]) == ("trainval", ["dog", "bear"])


def test_2016_does_not_take_the_2017_archive(davis_2017):
    davis_2017.text("ImageSets/2016/val.txt", "bear\n")
    davis_2017.mask("Annotations/480p/bear/00000.png")
    with pytest.raises(DataError, match="DAVIS has ImageSets/2017, so its masks are the inst"):
        inventory_2016(davis_2017.root.parent, None)


def test_a_listed_sequence_that_is_not_there(davis_2016):
    davis_2016.text("ImageSets/2016/val.txt", "dog\ncat\n")
    with pytest.raises(DataError) as error:
        inventory_2016(davis_2016.root, None).open()
    assert str(error.value) == (
        "davis-2016:val is not complete: clip 'cat' has no frames: its folder JPEGImages/480p/cat "
        "is not there; type: tvseg-bench data check davis-2016:val"
    )


def test_an_empty_list(davis_2016):
    davis_2016.text("ImageSets/2016/val.txt", "\n")
    with pytest.raises(DataError, match=r"^davis-2016:val holds no clip: its list is empty$"):
        inventory_2016(davis_2016.root, None).open()


def test_a_list_that_leads_outside(davis_2016):
    davis_2016.text("ImageSets/2016/val.txt", "../../secret\n")
    with pytest.raises(DataError, match=r"val\.txt names '../../secret', which is not a path in"):
        inventory_2016(davis_2016.root, None)


def test_unknown_split(davis_2016):
    with pytest.raises(UsageError, match="unknown split of davis-2016 'vall'; did you mean 'val'"):
        inventory_2016(davis_2016.root, "vall")


def test_manifest_covers_the_split_and_not_the_place(davis_2016, tmp_path):
    val = inventory_2016(davis_2016.root, "val")
    train = inventory_2016(davis_2016.root, "train")
    assert val.manifest_sha256 != train.manifest_sha256
    assert val.bytes > train.bytes > 0
    davis_2016.root.rename(tmp_path / "davis-2016")
    assert inventory_2016(tmp_path, "val").manifest_sha256 == val.manifest_sha256
    davis = tmp_path / "davis-2016/Annotations/480p/dog/00000.png"
    davis.write_bytes(davis.read_bytes() + b" ")
    assert inventory_2016(tmp_path, "val").manifest_sha256 != val.manifest_sha256


def test_2017_ids_are_each_clip_s_own(davis_2017):
    data = inventory_2017(davis_2017.root.parent, None).open()
    clip = data.clips[1]
    assert np.unique(clip.instance(0)).tolist() == [0, 1, 2, 255]
    assert clip.semantic is None
    assert data.dataset_labels is None
    assert "put davis_semantics.json" in data.dataset_labels_hint
    assert "Read here: Annotations_unsupervised/480p." in data.card.notes


def test_2017_semantics_give_categories(davis_2017):
    plain = inventory_2017(davis_2017.root, None)
    names = '{"bear": {"1": "bear", "2": "ape"}, "dogs": {"1": "dog", "2": "dog"}}'
    davis_2017.text("davis_semantics.json", names)
    listed = inventory_2017(davis_2017.root, None)
    data = listed.open()
    assert data.dataset_labels == "semantic"
    assert data.classes == ("background", "ape", "bear", "dog")
    assert data.clips[0].categories == {1: 2, 2: 1}
    assert np.unique(data.clips[1].semantic(0)).tolist() == [0, 3, 255]
    assert np.unique(data.clips[1].instance(0)).tolist() == [0, 1, 2, 255]
    assert listed.manifest_sha256 != plain.manifest_sha256


def test_2017_instance_without_category(davis_2017):
    davis_2017.text("davis_semantics.json", '{"bear": {"1": "bear"}}')
    clip = inventory_2017(davis_2017.root, None).open().clips[0]
    with pytest.raises(
        DataError, match=r"value 2: davis_semantics\.json names no category for instance 2 of this"
    ):
        clip.semantic(0)


@pytest.mark.parametrize("content", ["[]", '{"bear": 1}', '{"bear": {"one": "bear"}}'])
def test_2017_semantics_of_another_form(davis_2017, content):
    davis_2017.text("davis_semantics.json", content)
    with pytest.raises(DataError, match=r"davis_semantics\.json is not of the form"):
        inventory_2017(davis_2017.root, None)


def test_2017_full_resolution_and_semi_supervised_masks(tree):
    tree.image("davis-2017/JPEGImages/Full-Resolution/bear/00000.jpg")
    tree.mask("davis-2017/Annotations/Full-Resolution/bear/00000.png", (0, 3), "P")
    tree.text("davis-2017/ImageSets/2017/val.txt", "bear")
    data = inventory_2017(tree.root, None).open()
    assert np.unique(data.clips[0].instance(0)).tolist() == [0, 3]
    assert "Read here: Annotations/Full-Resolution." in data.card.notes


def test_2017_frames_and_masks_of_different_resolutions(tree):
    tree.image("davis-2017/JPEGImages/480p/bear/00000.jpg")
    tree.mask("davis-2017/Annotations/Full-Resolution/bear/00000.png")
    tree.text("davis-2017/ImageSets/2017/val.txt", "bear")
    with pytest.raises(DataError, match="has no frames and masks of the same resolution"):
        inventory_2017(tree.root, None)
