import gc
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tvseg_bench.benchmark.errors import DataError, ModelError, NotApplicableError, UsageError
from tvseg_bench.benchmark.features import frames
from tvseg_bench.benchmark.features.cache.entry import CacheEntry
from tvseg_bench.benchmark.features.cache.feature_cache import FeatureCache
from tvseg_bench.benchmark.features.extract import ExtractOptions, feature_set
from tvseg_bench.benchmark.features.extraction_pass import WINDOW
from tvseg_bench.benchmark.types import (
    Clip,
    ClipFeatures,
    Dataset,
    DatasetCard,
    ModelCard,
    PatchFeatures,
    View,
)

CARD = ModelCard(name="toy/vit", revision="sha256:" + "ab" * 32, patch_size=8, embed_dim=12)
DATA = DatasetCard(
    name="toy", version=1, title="", splits=("val",), clip_labels="semantic", dataset_labels=None
)
VIEW = View(size=16)
CPU = ExtractOptions(device="cpu", batch_size=4, workers=2)


class TinyVit(torch.nn.Module):
    """A patch embedding and one block of attention; records the shapes that it is shown."""

    def __init__(self, card: ModelCard = CARD) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.card = card
        self.embed = torch.nn.Conv2d(3, 12, 8, 8)
        self.attend = torch.nn.MultiheadAttention(12, 2, batch_first=True)
        self.norm = torch.nn.LayerNorm(12)
        self.shapes: list[tuple[int, ...]] = []
        self.requires_grad_(False).eval()

    def extract(self, images: torch.Tensor) -> PatchFeatures:
        self.shapes.append(tuple(images.shape))
        maps = self.embed(images)
        tokens = maps.flatten(2).transpose(1, 2)
        mixed, weights = self.attend(tokens, tokens, tokens, average_attn_weights=False)
        return PatchFeatures(
            self.norm(tokens + mixed), (maps.shape[2], maps.shape[3]), weights[:, :, 0]
        )


def noise(height: int, width: int, seed: Sequence[int]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(list(seed)).integers(0, 256, (height, width, 3), dtype=np.uint8)


def clip(name: str, n_frames: int, shape: tuple[int, int] = (24, 36)) -> Clip:
    seed = sum(map(ord, name))
    return Clip(name=name, n_frames=n_frames, image=lambda t: noise(*shape, (seed, t)))


def dataset(*clips: Clip) -> Dataset:
    return Dataset(card=DATA, split="val", clips=clips, manifest_sha256="cd" * 32)


THREE = dataset(clip("a", 5), clip("b", 1), clip("c", 7))


def extracted(data: Dataset = THREE, **changes: Any) -> list[ClipFeatures]:
    options = replace(CPU, **{k: changes.pop(k) for k in ("dtype", "batch_size") if k in changes})
    model = changes.pop("model", None) or TinyVit()
    return list(feature_set(model, data, changes.pop("view", VIEW), options, **changes))


def by_name(features: Sequence[ClipFeatures]) -> dict[str, np.ndarray[Any, Any]]:
    return {item.clip.name: item.tokens for item in features}


# --------------------------------------------------------------------------------- the numbers


def test_every_clip_comes_in_order_with_its_frames():
    features = extracted()
    assert [(item.index, item.clip.name) for item in features] == [(0, "a"), (1, "b"), (2, "c")]
    assert [item.frames for item in features] == [tuple(range(n)) for n in (5, 1, 7)]
    assert [item.tokens.shape for item in features] == [(n, 2, 3, 12) for n in (5, 1, 7)]
    assert all(item.tokens.dtype == np.float32 for item in features)
    assert all(item.attention is None for item in features)


def test_the_tokens_are_the_models_own():
    model = TinyVit()
    (first, *_) = extracted(model=model)
    pixels = frames.resized(THREE.clips[0].image(3), (16, 24), CARD, VIEW)
    images = frames.normalised(torch.tensor(pixels)[None], frames.statistics(CARD, VIEW))
    expected = model.extract(images).tokens[0].reshape(2, 3, 12)
    np.testing.assert_allclose(first.tokens[3], expected, atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 2, 8, "auto"])
def test_the_batch_size_does_not_move_the_numbers(batch_size):
    for one, other in zip(extracted(), extracted(batch_size=batch_size), strict=True):
        np.testing.assert_allclose(one.tokens, other.tokens, atol=1e-5)


def test_order_and_company_of_the_clips_do_not_move_the_numbers():
    everything = by_name(extracted())
    turned = by_name(extracted(dataset(*reversed(THREE.clips))))
    alone = by_name(extracted(dataset(THREE.clips[2])))
    for name, tokens in {**turned, **alone}.items():
        np.testing.assert_allclose(tokens, everything[name], atol=1e-5)


def test_random_access_gives_what_the_iteration_gives():
    features = feature_set(TinyVit(), THREE, VIEW, CPU)
    whole = list(features)
    assert len(features) == 3
    assert features.patch_size == 8
    for index in (0, 2, -1):
        one = features[index]
        assert one.index == index % 3
        np.testing.assert_allclose(one.tokens, whole[index].tokens, atol=1e-5)
    with pytest.raises(IndexError):
        features[3]


def test_a_set_may_be_accessed_while_it_is_iterated_and_iterated_again():
    features = feature_set(TinyVit(), THREE, VIEW, CPU)
    for item in features:
        np.testing.assert_allclose(features[item.index].tokens, item.tokens, atol=1e-5)
    assert [item.index for item in zip(features, features, strict=True) for item in item] == [
        0, 0, 1, 1, 2, 2,
    ]  # fmt: skip


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize("attention", [False, True])
def test_kept_and_streamed_features_are_the_same_bytes(tmp_path, dtype, attention):
    view = replace(VIEW, attention=attention)
    cache = FeatureCache(tmp_path)
    streamed = extracted(view=view, dtype=dtype)
    kept = extracted(view=view, dtype=dtype, cache=cache, keep=True)
    model = TinyVit()
    read = extracted(view=view, dtype=dtype, cache=cache, model=model)
    assert model.shapes == []
    for items in zip(streamed, kept, read, strict=True):
        assert {item.tokens.dtype.name for item in items} == {
            "float32" if dtype == "fp32" else "float16"
        }
        assert len({item.tokens.tobytes() for item in items}) == 1
        if attention:
            assert {item.attention.shape for item in items} == {(len(items[0].frames), 2, 2, 3)}
            assert len({item.attention.tobytes() for item in items}) == 1


def test_bf16_is_computed_in_bf16():
    class Typed(TinyVit):
        def extract(self, images: torch.Tensor) -> PatchFeatures:
            assert self.embed(images).dtype == torch.bfloat16
            return super().extract(images)

    exact, rounded = extracted(), extracted(model=Typed(), dtype="bf16")
    for one, other in zip(exact, rounded, strict=True):
        assert 0 < np.abs(one.tokens - other.tokens).max() < 0.2


def test_views_choose_frames_and_size():
    view = View(size=30, resize="square", frames=4, sampling="random", sampling_seed=3)
    first, second = (by_name(extracted(view=view, batch_size=b)) for b in (1, 4))
    assert {tokens.shape for tokens in first.values()} == {(4, 4, 4, 12)}
    for name, tokens in first.items():
        np.testing.assert_allclose(tokens, second[name], atol=1e-5)


# ------------------------------------------------------------------------ batches and memory


def test_the_model_sees_one_shape_only_and_full_batches():
    model = TinyVit()
    extracted(model=model)
    assert model.shapes == [(4, 3, 16, 24)] * 4  # 13 frames of three clips, and 3 of padding


def test_images_of_mixed_shapes_are_batched_by_shape_and_come_in_order():
    shapes = [(24, 36), (36, 24), (24, 24)]
    data = dataset(*(clip(f"still{i}", 1, shapes[i * i % 3]) for i in range(40)))
    model = TinyVit()
    features = extracted(data, model=model)
    assert [item.index for item in features] == list(range(40))
    assert {shape[0] for shape in model.shapes} == {4}
    assert len(model.shapes) <= 40 // 4 + 3
    for item in features[:6]:
        alone = extracted(dataset(item.clip))[0]
        np.testing.assert_allclose(alone.tokens, item.tokens, atol=1e-5)


def test_a_rare_shape_does_not_hold_back_the_others():
    stills = [clip(f"still{i}", 1, (36, 24) if i == 0 else (24, 36)) for i in range(2 * WINDOW)]
    asked: list[int] = []
    for i, still in enumerate(stills):
        stills[i] = replace(still, image=lambda t, i=i: asked.append(i) or stills_image(i))

    def stills_image(i: int) -> np.ndarray[Any, Any]:
        return noise(36, 24, (i,)) if i == 0 else noise(24, 36, (i,))

    features = iter(feature_set(TinyVit(), dataset(*stills), VIEW, CPU))
    assert next(features).index == 0
    features.close()
    assert max(asked) <= WINDOW + 3 * 4 + 2 * 4 + 2 * 2


def test_decoded_frames_and_finished_clips_are_bounded():
    frames_alive, most, lock = 0, 0, threading.Lock()

    class Tracked(np.ndarray):  # type: ignore[type-arg]
        """An array that may be referred to weakly."""

    def gone() -> None:
        nonlocal frames_alive
        with lock:
            frames_alive -= 1

    def image(t: int) -> Any:
        nonlocal frames_alive, most
        made = noise(16, 24, (t,)).view(Tracked)  # of the wanted size: handed on as it is
        with lock:
            frames_alive += 1
            most = max(most, frames_alive)
        weakref.finalize(made, gone)
        return made

    clips = [Clip(name=str(c), n_frames=60, image=image) for c in range(6)]
    seen: list[weakref.ref[ClipFeatures]] = []
    for item in feature_set(TinyVit(), dataset(*clips), VIEW, CPU):
        seen.append(weakref.ref(item))
        assert sum(ref() is not None for ref in seen) <= 3
        del item
    assert most <= 4 + (4 + 2) + 2  # a batch, the look-ahead, one in the hand of each thread
    gc.collect()
    assert frames_alive == 0


def test_the_next_clip_is_made_while_the_consumer_is_busy():
    last_frame = threading.Event()

    def image(t: int) -> np.ndarray[Any, Any]:
        if t == 6:
            last_frame.set()
        return noise(24, 36, (t,))

    data = dataset(clip("a", 8), Clip(name="b", n_frames=7, image=image))
    features = iter(feature_set(TinyVit(), data, VIEW, CPU))
    next(features)
    assert last_frame.wait(timeout=60)  # without another call of next()
    assert next(features).clip.name == "b"


def threads_now() -> set[threading.Thread]:
    return set(threading.enumerate())


@pytest.mark.parametrize("leave", ["close", "break", "error"])
def test_leaving_early_leaves_no_thread(leave):
    before = threads_now()
    data = dataset(*(clip(str(i), 50) for i in range(20)))
    model = TinyVit()
    features = iter(feature_set(model, data, VIEW, CPU))
    if leave == "close":
        next(features)
        features.close()
    elif leave == "break":
        for _ in features:
            break
        del features
    else:
        with pytest.raises(ZeroDivisionError):
            consume_badly(features)
        del features
    gc.collect()
    assert threads_now() == before
    assert len(model.shapes) < 250


def consume_badly(features: Any) -> None:
    for _ in features:
        raise ZeroDivisionError


def test_a_long_clip_is_left_before_its_end():
    started = threading.Event()

    def image(t: int) -> np.ndarray[Any, Any]:
        if t > 100:
            started.set()
        return noise(16, 24, (t,))

    model = TinyVit()
    data = dataset(clip("short", 4), Clip(name="long", n_frames=10**6, image=image))
    features = iter(feature_set(model, data, VIEW, CPU))
    next(features)
    assert started.wait(timeout=60)
    features.close()
    assert len(model.shapes) < 10**5


def test_errors_of_readers_arrive_unchanged_after_the_clips_before():
    error = DataError("frame 2 of bad is truncated")

    def image(t: int) -> np.ndarray[Any, Any]:
        if t == 2:
            raise error
        return noise(24, 36, (t,))

    before = threads_now()
    data = dataset(clip("a", 4), Clip(name="bad", n_frames=30, image=image), clip("c", 4))
    features = feature_set(TinyVit(), data, VIEW, CPU)
    seen = []
    with pytest.raises(DataError) as raised:
        seen.extend(item.index for item in features)
    assert raised.value is error
    assert threads_now() == before
    assert features[2].index == 2
    with pytest.raises(DataError, match="truncated"):
        features[1]


def test_frames_of_different_shapes_in_a_clip_are_refused_unless_the_view_is_square():
    mixed = Clip(name="m", n_frames=3, image=lambda t: noise(24, 36 if t < 2 else 60, (t,)))
    with pytest.raises(DataError, match=r"frame 2 of clip 'm' is resized to 16x40.*resize='sq"):
        extracted(dataset(mixed))
    square = extracted(dataset(mixed), view=View(size=16, resize="square"))
    assert square[0].tokens.shape == (3, 2, 2, 12)


def test_an_image_that_is_none_is_named():
    grey = Clip(name="grey", n_frames=1, image=lambda t: np.zeros((8, 8), np.uint8))
    with pytest.raises(DataError, match=r"frame 0 of clip 'grey' has to be uint8 \[H, W, 3\]"):
        extracted(dataset(grey))


def test_progress_counts_frames_made_and_read(tmp_path):
    cache = FeatureCache(tmp_path)
    for _ in ("made", "read"):
        calls: list[Any] = []
        extracted(cache=cache, keep=True, progress=lambda *n, calls=calls: calls.append(n))
        assert calls[-1] == (13, 13)
        assert calls == sorted(calls)


# ------------------------------------------------------------------------------------ the cache


def test_a_second_iteration_reads_back_and_a_partly_kept_set_computes_the_rest(tmp_path):
    cache, model = FeatureCache(tmp_path), TinyVit()
    features = feature_set(model, THREE, VIEW, CPU, cache=cache, keep=True)
    first = by_name(list(features))
    n_batches = len(model.shapes)
    second = by_name(list(features))
    assert len(model.shapes) == n_batches
    for path in tmp_path.glob("*/*/*/b-*.safetensors"):
        path.unlink()
    third = by_name(list(features))
    assert len(model.shapes) == n_batches + 1
    for name, tokens in first.items():
        assert second[name].tobytes() == tokens.tobytes()
        np.testing.assert_allclose(third[name], tokens, atol=1e-5)
    assert len(list(tmp_path.glob("*/*/*/*.safetensors"))) == 3


def test_without_keep_nothing_is_written(tmp_path):
    extracted(cache=FeatureCache(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_the_default_cache_is_in_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv("TVSEG_HOME", str(tmp_path))
    extracted(keep=True)
    assert len(list((tmp_path / "features").glob("*/*/*/*.safetensors"))) == 3


def test_a_damaged_file_is_computed_again_in_its_place(tmp_path):
    cache = FeatureCache(tmp_path)
    good = by_name(extracted(cache=cache, keep=True))
    (path,) = tmp_path.glob("*/*/*/a-*.safetensors")
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.warns(UserWarning, match="clip 'a' are not used and computed again"):
        again = extracted(cache=cache, keep=True)
    assert [item.clip.name for item in again] == ["a", "b", "c"]
    for name, tokens in by_name(again).items():
        np.testing.assert_allclose(tokens, good[name], atol=1e-5)
    extracted(cache=cache)  # a warning would be an error: the file was replaced


def test_files_that_vanish_after_they_were_seen_are_computed_again(tmp_path, monkeypatch):
    expected = extracted(cache=FeatureCache(tmp_path), keep=True)
    for path in tmp_path.glob("*/*/*/*.safetensors"):
        path.unlink()  # as a prune on another node does
    with monkeypatch.context() as patched:
        patched.setattr(CacheEntry, "holds", lambda *_: True)
        again = extracted(cache=FeatureCache(tmp_path), keep=True)  # a warning would be an error
    assert [item.clip.name for item in again] == ["a", "b", "c"]
    for one, other in zip(expected, again, strict=True):
        np.testing.assert_allclose(one.tokens, other.tokens, atol=1e-5)
    assert len(list(tmp_path.glob("*/*/*/*.safetensors"))) == 3


def test_another_model_computes_its_own(tmp_path):
    cache = FeatureCache(tmp_path)
    extracted(cache=cache, keep=True)
    other = TinyVit(replace(CARD, revision="sha256:" + "ab" * 31 + "ff"))
    extracted(cache=cache, keep=True, model=other)
    assert other.shapes
    assert len(cache.status()) == 2


def test_a_consumer_that_writes_into_the_tokens_does_not_change_what_is_kept(tmp_path):
    cache = FeatureCache(tmp_path)
    expected = by_name(extracted())
    for item in feature_set(TinyVit(), THREE, VIEW, CPU, cache=cache, keep=True):
        item.tokens[:] = 0
    for name, tokens in by_name(extracted(cache=cache)).items():
        assert tokens.tobytes() == expected[name].tobytes()


def test_a_model_without_a_revision_streams_with_a_warning(tmp_path):
    model = TinyVit(replace(CARD, revision=""))
    with pytest.warns(UserWarning, match="'toy/vit' on 'toy' are not cached"):
        features = feature_set(model, THREE, VIEW, CPU, cache=FeatureCache(tmp_path), keep=True)
    assert len(list(features)) == 3
    assert list(tmp_path.iterdir()) == []


# ----------------------------------------------------------------------------- whole clips


class ClipModel(TinyVit):
    """Subtracts the mean over time, so that it has to see the whole clip."""

    def __init__(self) -> None:
        super().__init__(replace(CARD, temporal="clip"))

    def extract_clip(self, clips: torch.Tensor) -> PatchFeatures:
        self.shapes.append(tuple(clips.shape))
        single = self.embed(clips.flatten(0, 1))
        tokens = single.flatten(2).transpose(1, 2)
        return PatchFeatures(tokens - tokens.mean(0), (single.shape[2], single.shape[3]))


def test_a_clip_model_sees_all_frames_of_one_clip_at_once():
    model = ClipModel()
    features = extracted(model=model)
    assert model.shapes == [(1, n, 3, 16, 24) for n in (5, 1, 7)]
    assert [item.tokens.shape for item in features] == [(n, 2, 3, 12) for n in (5, 1, 7)]
    np.testing.assert_allclose(features[2].tokens.mean(0), 0, atol=1e-5)


def test_a_clip_model_may_see_a_clip_longer_than_the_window():
    model = ClipModel()
    n_frames = WINDOW + 9
    extracted(dataset(clip("long", n_frames), clip("b", 2)), model=model)
    assert [shape[1] for shape in model.shapes] == [n_frames, 2]


def test_a_card_that_promises_whole_clips_needs_extract_clip():
    with pytest.raises(ModelError, match="has no extract_clip"):
        extracted(model=TinyVit(replace(CARD, temporal="clip")))


# ------------------------------------------------------------------------------ broken models


def test_out_of_memory_halves_the_batch_and_goes_on():
    class Hungry(TinyVit):
        def extract(self, images: torch.Tensor) -> PatchFeatures:
            features = super().extract(images)
            if len(images) > 2:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory")
            return features

    model = Hungry()
    features = extracted(model=model, batch_size=8)
    sizes = [shape[0] for shape in model.shapes]
    assert sizes[:2] == [8, 4]
    assert set(sizes[2:]) == {2}
    for one, other in zip(features, extracted(), strict=True):
        np.testing.assert_allclose(one.tokens, other.tokens, atol=1e-5)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA error: out of memory"),
        MemoryError(),
    ],
)
def test_one_frame_that_does_not_fit_is_one_sentence(error):
    class Huge(TinyVit):
        def extract(self, images: torch.Tensor) -> PatchFeatures:
            self.shapes.append(tuple(images.shape))
            raise error

    model = Huge()
    with pytest.raises(ModelError, match=r"out of memory on cpu with 1 frame.* of 16x24"):
        extracted(model=model)
    assert [shape[0] for shape in model.shapes] == [4, 2, 1]


def test_a_clip_is_never_split_for_want_of_memory():
    class Hungry(ClipModel):
        def extract_clip(self, clips: torch.Tensor) -> PatchFeatures:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(ModelError, match=r"out of memory on cpu with 5 frame\(s\)"):
        extracted(model=Hungry())


Change = Callable[[PatchFeatures], Any]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda f: f.tokens, "returns Tensor, expected PatchFeatures"),
        (lambda f: replace(f, grid=(3, 2)), "gives the grid 3x2 for 16x24, expected 2x3"),
        (lambda f: replace(f, tokens=f.tokens[:, 1:]), r"tokens \[4, 5, 12\] for 4 image"),
        (lambda f: replace(f, tokens=f.tokens[..., 1:]), r"tokens \[4, 6, 11\]"),
        (lambda f: replace(f, tokens=f.tokens[:1]), r"tokens \[1, 6, 12\]"),
        (lambda f: replace(f, tokens=f.tokens.int()), "gives torch.int32 tokens"),
        (lambda f: replace(f, attention=f.attention[:, 0]), r"gives attention \[4, 6\]"),
    ],
)
def test_outputs_that_break_the_contract_are_named(change: Change, text: str):
    class Broken(TinyVit):
        def extract(self, images: torch.Tensor) -> PatchFeatures:
            return change(super().extract(images))

    with pytest.raises(ModelError, match=f"model 'toy/vit' .*{text}"):
        extracted(model=Broken(), view=replace(VIEW, attention=True))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_refused_with_clip_and_frame(value):
    class Broken(TinyVit):
        def extract(self, images: torch.Tensor) -> PatchFeatures:
            features = super().extract(images)
            if len(self.shapes) == 2:
                features.tokens[2, 4, 1] = value  # frames 4 of a, 0 of b, 0, 1 of c
            return features

    with pytest.raises(ModelError, match="NaN or infinity for frame 0 of clip 'c' in fp32"):
        extracted(model=Broken())


def test_values_that_float16_cannot_hold_are_refused():
    class Loud(TinyVit):
        def extract(self, images: torch.Tensor) -> PatchFeatures:
            features = super().extract(images)
            return replace(features, tokens=features.tokens.float() * 1e6)

    with pytest.raises(ModelError, match=r"too large for float16 for frame 0 of clip 'a'.*fp32"):
        extracted(model=Loud(), dtype="bf16")
    extracted(model=Loud())


def test_what_only_the_padding_breaks_does_not_matter():
    class Broken(TinyVit):
        def extract(self, images: torch.Tensor) -> PatchFeatures:
            features = super().extract(images)
            features.tokens[1:] = float("nan")
            return features

    assert np.isfinite(extracted(dataset(clip("a", 1)), model=Broken())[0].tokens).all()


def test_an_exception_of_the_model_is_raised_with_model_and_frame():
    class Broken(TinyVit):
        def extract(self, images: torch.Tensor) -> PatchFeatures:
            raise KeyError("head")

    with pytest.raises(
        ModelError, match=r"'toy/vit' failed on frame 0 of clip 'a'.*KeyError"
    ) as e:
        extracted(model=Broken())
    assert isinstance(e.value.__cause__, KeyError)


def test_a_model_without_attention_is_not_applicable():
    class Plain(TinyVit):
        def extract(self, images: torch.Tensor) -> PatchFeatures:
            return replace(super().extract(images), attention=None)

    with pytest.raises(NotApplicableError, match="'toy/vit' has no attention"):
        extracted(model=Plain(), view=replace(VIEW, attention=True))
    assert extracted(model=Plain())[0].attention is None


def test_another_grid_is_taken_where_the_card_allows_it():
    class Pooled(TinyVit):
        def extract(self, images: torch.Tensor) -> PatchFeatures:
            features = super().extract(images)
            return PatchFeatures(features.tokens[:, :2], (1, 2))

    model = Pooled(replace(CARD, exact_grid=False))
    assert extracted(model=model)[0].tokens.shape == (5, 1, 2, 12)


# ------------------------------------------------------------------------- options


@pytest.mark.parametrize(
    "values", [{"batch_size": 0}, {"workers": 0}, {"batch_size": "many"}, {"dtype": "fp8"}]
)
def test_options_that_mean_nothing_are_refused(values):
    with pytest.raises(UsageError, match=next(iter(values))):
        ExtractOptions(**values)


def test_the_automatic_batch_shrinks_with_the_tokens():
    shapes = {}
    for size in (16, 480):
        model = TinyVit()
        extracted(
            dataset(clip("a", 3, (24, 24))), model=model, batch_size="auto", view=View(size=size)
        )
        shapes[size] = model.shapes[0][0]
    assert shapes == {16: 8, 480: 1}


def test_a_model_that_is_no_torch_module_is_moved_by_its_own_to(tmp_path: Path):
    class Plugin:
        card = CARD

        def __init__(self) -> None:
            self.inner = TinyVit()
            self.moved: list[tuple[torch.device, torch.dtype]] = []

        def to(self, device: torch.device, dtype: torch.dtype) -> None:
            self.moved.append((device, dtype))

        def extract(self, images: torch.Tensor) -> PatchFeatures:
            assert torch.is_inference_mode_enabled()
            return self.inner.extract(images)

    plugin = Plugin()
    extracted(model=plugin)
    assert plugin.moved == [(torch.device("cpu"), torch.float32)]
