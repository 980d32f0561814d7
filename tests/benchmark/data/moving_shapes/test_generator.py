"""moving-shapes: the same pixels everywhere, masks and flow that obey their laws."""

import hashlib
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tvseg_bench.benchmark.data.moving_shapes import generator, vocabulary
from tvseg_bench.benchmark.data.moving_shapes.fixed_point import ONE, Wave
from tvseg_bench.benchmark.data.moving_shapes.render import (
    render_depth,
    render_flow,
    render_image,
    render_instance,
)
from tvseg_bench.benchmark.data.moving_shapes.scene import Light, ObjectPath
from tvseg_bench.benchmark.errors import DataError, UsageError
from tvseg_bench.benchmark.registry import datasets

VAL_PIXELS = "c5697292a208434a9aa8c09579fcb21ec17dc2d22b85b4ee724486650a68862d"
VAL_MANIFEST = "5da656e0f5530418a4c0b0a08963f26920ff484041debf0c3f75c07a588bf19e"
SMALL = generator.Variety(version=2, size=(96, 128), n_frames=4)
SECOND = generator.VERSIONS[2][1]["val"][1]
SECOND_SEEDS = generator.VERSIONS[2][1]["val"][0]
seeds = st.integers(0, 2**40)


@pytest.fixture(scope="module")
def val():
    """The first evaluation clips, each rendered once: (clip, images, instances, flows)."""
    return rendered(generator.open_dataset(version=2), 16)


@pytest.fixture(scope="module")
def first_val():
    """Those of version 1."""
    return rendered(generator.open_dataset(version=1), 12)


def rendered(dataset, n):
    found = []
    for clip in dataset.clips[:n]:
        times = range(clip.n_frames)
        found.append(
            (
                clip,
                np.stack([clip.image(t) for t in times]),
                np.stack([clip.instance(t) for t in times]),
                np.stack([clip.flow(t) for t in times[:-1]]),
            )
        )
    return found


def scene_of(seed: int, size=(96, 128), version=2):
    return replace(SECOND, size=size, version=version).scene(seed)


def still(motion: ObjectPath) -> ObjectPath:
    def stop(wave: Wave) -> Wave:
        return Wave(wave.at(0))

    return ObjectPath(stop(motion.x), stop(motion.y), stop(motion.radius), stop(motion.angle))


# ------------------------------------------------------------------- the frozen pixels


def digest_of(clips):
    digest = hashlib.sha256()
    for clip, images, instances, flows in clips:
        semantic = np.stack([clip.semantic(t) for t in range(clip.n_frames)])
        words = np.nan_to_num(flows * ONE, nan=-(2.0**30)).astype("<i8")
        for array in (images, instances, semantic, words):
            digest.update(f"{array.shape}{array.dtype.str}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def test_the_evaluation_clips_are_the_published_ones_to_the_last_bit(first_val):
    assert digest_of(first_val) == VAL_PIXELS
    opened = generator.open_dataset(version=1)
    assert opened.manifest_sha256 == VAL_MANIFEST
    assert (opened.card.name, opened.card.version, len(opened.clips)) == ("moving-shapes", 1, 12)
    assert opened.clips[0].depth is None


def test_a_frame_is_the_same_in_any_order_from_any_thread_and_after_pickling(val):
    clip, images, instances, _ = val[0]
    again = pickle.loads(pickle.dumps(generator.open_dataset(version=2).clips[0]))
    order = [7, 0, 3, 7, 1, 5, 0]
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(again.image, order))
        ids = list(pool.map(again.instance, order))
    for t, image, mask in zip(order, got, ids, strict=True):
        np.testing.assert_array_equal(image, images[t])
        np.testing.assert_array_equal(mask, instances[t])
    assert again.name == clip.name


def test_a_longer_clip_begins_with_the_frames_of_a_shorter_one():
    short = generator.clip(5000, SMALL)
    long = generator.clip(5000, replace(SMALL, n_frames=9))
    np.testing.assert_array_equal(short.image(3), long.image(3))


def test_seeds_differ():
    first, second = (generator.clip(seed, SMALL).image(0) for seed in (1, 2))
    assert (first != second).mean() > 0.9


# ------------------------------------------------------------------ what val is made of


def test_every_category_texture_and_background_is_in_val():
    scenes = [SECOND.scene(seed) for seed in SECOND_SEEDS]
    kinds = [{thing.category for thing in scene.things} for scene in scenes]
    for category in vocabulary.CATEGORIES:
        assert sum(category in shown for shown in kinds) >= 8
    for scene in scenes:
        assert 2 <= len(scene.things) <= 4
        for thing in scene.things:
            assert (thing.surface.pattern, thing.back.pattern) == vocabulary.FACES[thing.category]
    grounds = {b.pattern for s in scenes for b in (s.backdrop.surface, s.backdrop.back)}
    assert grounds == set(vocabulary.BACKGROUNDS)


def test_every_texture_is_one_categorys():
    assert sorted(chain(*vocabulary.FACES.values())) == sorted(vocabulary.TEXTURES)


def test_things_and_ground_share_the_frame(val):
    shares = np.array([(instances == 0).mean(axis=(1, 2)) for _, _, instances, _ in val])
    assert shares.min() > 0.15
    assert shares.max() < 0.9
    assert 0.40 < shares.mean() < 0.55


def test_a_thing_shows_both_faces_in_a_clip(val):
    """Over eight frames most things change more than half of their look."""
    changes = []
    for seed in SECOND_SEEDS:
        scene = SECOND.scene(seed)
        for body in (scene.backdrop, *scene.things):
            shares = [min(max(body.turn.at(t), 0), 256) for t in range(8)]
            changes.append(max(shares) - min(shares))
    assert np.median(changes) > 160
    assert np.mean(np.array(changes) > 128) > 0.6


def test_what_is_in_front_is_nearer(val):
    for seed, (clip, _, instances, _) in zip(SECOND_SEEDS, val, strict=False):
        scene = SECOND.scene(seed)
        distances = [body.distance for body in (scene.backdrop, *scene.things)]
        assert distances == sorted(distances, reverse=True)
        assert len(set(distances)) == len(distances)
        depth = clip.depth(3)
        assert depth.dtype == np.float32
        np.testing.assert_array_equal(depth, np.float32(distances)[instances[3]] / ONE)
        np.testing.assert_array_equal(depth, render_depth(scene, 3))
        assert 1 <= depth.min() <= depth.max() == 8


def test_semantic_is_the_category_of_the_instance(val):
    for clip, _, instances, _ in val:
        table = np.array([0, *(clip.categories[k] for k in sorted(clip.categories))])
        np.testing.assert_array_equal(clip.semantic(4), table[instances[4]])


def test_objects_leave_the_picture_and_come_back_under_the_same_id(val):
    left = back = 0
    for clip, _, instances, _ in val:
        for k in clip.categories:
            seen = (instances == k).any(axis=(1, 2))
            gone = np.flatnonzero(~seen)
            if len(gone) and seen[: gone[0]].any():
                left += 1
                back += bool(seen[gone[0] :].any())
    assert left >= 2
    assert back >= 1


def test_objects_hide_each_other(val):
    pairs = 0
    for seed, (_, _, instances, _) in zip(SECOND_SEEDS, val, strict=False):
        scene = scene_of(seed, generator.SIZE)
        for k, thing in enumerate(scene.things[:-1], start=1):
            alone = render_instance(replace(scene, things=(thing,)), 0)
            pairs += bool(((alone == 1) & (instances[0] > k)).sum() > 50)
    assert pairs >= 4


def test_light_changes_over_time_and_over_the_picture():
    scene = replace(scene_of(3, version=1), things=())
    scene = replace(scene, backdrop=replace(scene.backdrop, motion=still(scene.backdrop.motion)))
    frames = np.stack([render_image(scene, t) for t in range(10)]).astype(int)
    assert np.ptp(frames.mean(axis=(1, 2, 3))) > 4
    dark = replace(scene, light=replace(scene.light, slope=Wave(0)))
    even = np.stack([render_image(dark, t) for t in range(10)]).astype(int)
    slopes = (frames - even).mean(axis=3)
    assert np.ptp(slopes, axis=(1, 2)).min() > 10
    assert np.abs(slopes[0] - slopes[9]).max() > 3


def test_the_patch_grid_can_tell_the_objects_apart(val):
    """Majority labels of 16 x 16 patches score well: what counts is larger than a patch."""
    scores = []
    for _, _, instances, _ in val:
        n, height, width = instances.shape
        blocks = instances.reshape(n, height // 16, 16, width // 16, 16).swapaxes(2, 3)
        flat = blocks.reshape(n, height // 16, width // 16, 256)
        ids = np.unique(instances)
        votes = ids[np.stack([(flat == k).sum(-1) for k in ids]).argmax(0)]
        coarse = votes.repeat(16, axis=1).repeat(16, axis=2)
        both = [((coarse == k) & (instances == k)).sum() for k in ids]
        either = [((coarse == k) | (instances == k)).sum() for k in ids]
        scores.append(np.mean(np.array(both) / np.array(either)))
    assert np.mean(scores) > 0.75


# --------------------------------------------------------------------------------- flow


def test_flow_carries_every_visible_point_to_its_own_instance(val):
    """Masks are decided at pixel centres, so targets next to a border are left out."""
    for _, _, instances, flows in val:
        for t, flow in enumerate(flows):
            rows, cols = np.nonzero(np.isfinite(flow[..., 0]))
            x = np.floor(cols + 0.5 + flow[rows, cols, 0]).astype(int)
            y = np.floor(rows + 0.5 + flow[rows, cols, 1]).astype(int)
            target = np.pad(instances[t + 1], 1, constant_values=255)
            around = [target[y + i, x + j] for i in range(3) for j in range(3)]
            inner = np.all(np.stack(around) == around[4], axis=0)
            assert inner.mean() > 0.8
            lost = around[4][inner] != instances[t][rows, cols][inner]
            assert lost.mean() < 1e-4, "only tips thinner than a pixel fall between the centres"


def test_flow_carries_the_texture_along():
    """Under constant light a point keeps its colour up to resampling."""
    white = Light(Wave(4096), Wave(0), Wave(0), Wave(0), (Wave(4096), Wave(4096), Wave(4096)))
    for seed in (1, 2, 3):
        scene = replace(scene_of(seed, (224, 288), version=1), light=white)
        flow, old, new = render_flow(scene, 0), render_image(scene, 0), render_image(scene, 1)
        rows, cols = np.nonzero(np.isfinite(flow[..., 0]))
        x = np.floor(cols + 0.5 + flow[rows, cols, 0]).astype(int)
        y = np.floor(rows + 0.5 + flow[rows, cols, 1]).astype(int)
        carried = np.abs(old[rows, cols].astype(int) - new[y, x]).mean()
        stayed = np.abs(old[rows, cols].astype(int) - new[rows, cols]).mean()
        assert carried < 0.6 * stayed


def test_hidden_and_leaving_points_have_no_flow(val):
    hidden = leaving = 0
    for _, _, instances, flows in val:
        for t, flow in enumerate(flows):
            gone = np.isnan(flow[..., 0])
            assert (gone == np.isnan(flow[..., 1])).all()
            covered = (instances[t] == 0) & (instances[t + 1] != 0)
            hidden += (gone & covered).sum()
            edge = np.zeros_like(gone)
            edge[:, :3] = edge[:, -3:] = edge[:3] = edge[-3:] = True
            leaving += (gone & edge & ~covered).sum()
            assert 0 < gone.mean() < 0.35
    assert hidden > 1000
    assert leaving > 1000


@settings(max_examples=10, deadline=None)
@given(seeds)
def test_nothing_moves_in_a_still_scene(seed):
    scene = scene_of(seed)
    scene = replace(
        scene,
        backdrop=replace(scene.backdrop, motion=still(scene.backdrop.motion)),
        things=tuple(replace(thing, motion=still(thing.motion)) for thing in scene.things),
    )
    flow = render_flow(scene, 0)
    assert flow.dtype == np.float32
    assert (flow == 0).all()
    np.testing.assert_array_equal(render_instance(scene, 0), render_instance(scene, 5))


# ------------------------------------------------------------------------------- splits


def test_splits_share_no_seed():
    for _, splits in generator.VERSIONS.values():
        split_seeds = [set(chosen) for chosen, _ in splits.values()]
        assert len(set(chain(*split_seeds))) == sum(map(len, split_seeds))


@pytest.mark.parametrize("version", [1, 2])
def test_training_shows_nothing_that_is_held_out(version):
    opened = generator.open_dataset(None, "train", version)
    held_out = {vocabulary.CATEGORIES.index(c) + 1 for c in vocabulary.HELD_OUT_CATEGORIES}
    shown = set(chain(*(clip.categories.values() for clip in opened.clips)))
    assert shown == set(range(1, 9)) - held_out
    chosen, variety = generator.VERSIONS[version][1]["train"]
    for seed in chosen:
        scene = variety.scene(seed)
        worn = {face.pattern for thing in scene.things for face in faces_of(thing)}
        grounds = {face.pattern for face in faces_of(scene.backdrop)}
        assert not grounds & set(vocabulary.HELD_OUT_BACKGROUNDS)
        if version == 1:
            assert not worn & set(vocabulary.HELD_OUT_TEXTURES)


def faces_of(thing):
    return [thing.surface] if thing.back is None else [thing.surface, thing.back]


def test_every_seen_category_keeps_a_texture():
    for category in vocabulary.SEEN_CATEGORIES:
        assert set(vocabulary.CATEGORY_LOOKS[category][1]) & set(vocabulary.SEEN_TEXTURES)


@pytest.mark.parametrize("version", [1, 2])
def test_the_registry_opens_val_of_each_version_with_its_card(version):
    alone = version == generator.VERSION
    opened = datasets["moving-shapes" if alone else f"moving-shapes@{version}"].open(None, None)
    assert opened.split == "val"
    assert (opened.card.name, opened.card.version) == ("moving-shapes", version)
    assert opened.classes == opened.card.classes == ("background", *vocabulary.CATEGORIES)
    assert opened.dataset_labels == opened.card.dataset_labels == "semantic"
    seeds = generator.VERSIONS[version][1]["val"][0]
    assert [clip.name for clip in opened.clips] == [f"shapes-{seed:05d}" for seed in seeds]
    image = opened.clips[0].image(0)
    assert image.shape == (224, 288, 3)
    assert image.dtype == np.uint8


def test_training_clips_are_drawn_when_they_are_looked_at():
    many = generator.make_dataset(range(1000, 1_001_000), n_frames=2, size=(64, 64))
    assert len(many.clips) == 1_000_000
    clip = many.clips[999_999]
    assert clip.image(1).shape == (64, 64, 3)
    assert clip.flow(0).shape == (64, 64, 2)


def test_the_manifest_hash_tells_parameters_apart_but_not_their_order():
    def of(**changes):
        return generator.make_dataset([1000], version=2, **changes).manifest_sha256

    hashes = [
        of(),
        of(n_frames=3),
        of(size=(64, 64)),
        of(categories=("disc", "star")),
        of(things=(1, 1)),
    ]
    assert len({*hashes, generator.make_dataset([1001], version=2).manifest_sha256}) == 6
    assert of(categories=("star", "disc")) == hashes[3]


# --------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"seeds": [104]}, "seed 104 of moving-shapes is reserved for evaluation"),
        ({"seeds": [2000, 2000]}, "given twice"),
        ({"seeds": [2000], "categories": ("disk",)}, "did you mean 'disc'"),
        ({"seeds": [2000], "textures": ("dots",)}, "'square' of moving-shapes wears"),
        ({"seeds": [2000], "backgrounds": ()}, "at least one background"),
        ({"seeds": [2000], "size": (16, 16)}, "16 x 16"),
        ({"seeds": [2000], "size": (64, 999)}, "64 x 999"),
        ({"seeds": [2000], "things": (0, 3)}, "not 0 to 3"),
        ({"seeds": [2000], "things": (5, 4)}, "not 5 to 4"),
        ({"seeds": [2000], "n_frames": 0}, "1 frame or more"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_a_sentence(arguments, sentence):
    with pytest.raises(UsageError, match=sentence):
        generator.make_dataset(**arguments)


def test_an_unknown_split_is_answered_with_the_known_ones():
    with pytest.raises(UsageError, match="split of moving-shapes 'vall'; did you mean 'val'"):
        generator.open_dataset(None, "vall")


@pytest.mark.parametrize(
    ("reader", "t"), [("image", 8), ("instance", -1), ("flow", 7), ("depth", 8)]
)
def test_a_frame_that_is_not_there_is_named(reader, t):
    clip = generator.clip(104, SECOND)
    with pytest.raises(DataError, match=rf"shapes-00104: no {reader} for frame {t}, only for 0"):
        getattr(clip, reader)(t)


def test_a_negative_seed_is_refused():
    with pytest.raises(UsageError, match="0 or more"):
        generator.clip(-1)


def test_a_clip_of_one_frame_has_no_flow():
    assert generator.clip(1, replace(SMALL, n_frames=1)).flow is None
