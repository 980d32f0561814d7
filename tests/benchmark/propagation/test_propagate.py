"""Label propagation: laws, agreement with a dense reference, and bounded work."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.propagation import propagate as module
from tvseg_bench.benchmark.propagation.propagate import PropagationRule, Propagator, propagate

quick = settings(deadline=None, max_examples=25)
RULES = st.builds(
    PropagationRule,
    temperature=st.sampled_from([0.05, 0.1, 0.2]),
    topk=st.integers(1, 8),
    window=st.sampled_from(["square", "circle", "none"]),
    radius=st.integers(0, 5),
    n_context=st.integers(0, 3),
)


@st.composite
def clips(draw: Any, n_clips: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Random features [B, T, h, w, D] and soft labels [B, C, h, w]."""
    seed = draw(st.integers(0, 2**16))
    t, h, w = draw(st.integers(1, 5)), draw(st.integers(1, 14)), draw(st.integers(1, 14))
    n_labels = draw(st.integers(1, 4))
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(n_clips, t, h, w, 6, generator=generator)
    labels = torch.rand(n_clips, n_labels, h, w, generator=generator).softmax(1)
    return features, labels


def dense(features: torch.Tensor, labels: torch.Tensor, rule: PropagationRule) -> torch.Tensor:
    """All patches against all, in double precision: features [T, h, w, D], labels [C, h, w]."""
    t, h, w, d = features.shape
    unit = torch.nn.functional.normalize(features.double().view(t, h * w, d), dim=-1)
    y, x = (i.flatten() for i in torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij"))
    dy, dx = (y[:, None] - y).abs(), (x[:, None] - x).abs()
    near = {
        "none": torch.ones(h * w, h * w, dtype=torch.bool),
        "square": torch.maximum(dy, dx) <= rule.radius,
        "circle": dy**2 + dx**2 <= rule.radius**2,
    }[rule.window]
    soft = [labels.double().flatten(1)]
    for i in range(1, t):
        context = [0, *range(max(1, i - rule.n_context), i)]
        weights = torch.cat([(unit[i] @ unit[c].T / rule.temperature).exp() for c in context], 1)
        weights = weights * near.repeat(1, len(context))
        least = weights.topk(min(rule.topk, weights.shape[1]), dim=1).values[:, -1:]
        weights = torch.where(weights >= least, weights, 0)
        weights = weights / weights.sum(1, keepdim=True)
        soft.append((weights @ torch.cat([soft[c] for c in context], 1).T).T)
    return torch.stack([s.view(-1, h, w) for s in soft[1:]]) if t > 1 else soft[0][:0]


@quick
@given(clips(), RULES)
def test_tiles_give_what_comparing_all_with_all_gives(clip: Any, rule: PropagationRule) -> None:
    features, labels = clip
    ours = propagate(features, labels.double(), rule)[0]
    assert ours.shape == (features.shape[1] - 1, *labels.shape[1:])
    if len(ours):
        torch.testing.assert_close(ours, dense(features[0], labels[0], rule), rtol=0, atol=2e-5)


@quick
@given(clips(), RULES)
def test_labels_stay_shares(clip: Any, rule: PropagationRule) -> None:
    out = propagate(*clip, rule)
    torch.testing.assert_close(out.sum(2), torch.ones_like(out.sum(2)))
    assert bool((out >= 0).all())


@quick
@given(st.integers(1, 12), st.integers(1, 12), st.integers(2, 5), st.integers(0, 99))
def test_a_static_clip_keeps_its_labels_exactly(h: int, w: int, t: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    frame = torch.randn(1, 1, h, w, 16, generator=generator)
    ids = torch.randint(0, 3, (h, w), generator=generator)
    labels = torch.nn.functional.one_hot(ids, 3).permute(2, 0, 1)[None].float()
    out = propagate(frame.expand(-1, t, -1, -1, -1), labels, PropagationRule(topk=1))
    assert torch.equal(out.argmax(2), ids.expand(1, t - 1, h, w))
    torch.testing.assert_close(out, labels[:, None].expand_as(out), rtol=0, atol=1e-6)


@quick
@given(clips(), RULES, st.randoms(use_true_random=False))
def test_permuted_labels_give_permuted_labels(clip: Any, rule: Any, random: Any) -> None:
    features, labels = clip
    order = list(range(labels.shape[1]))
    random.shuffle(order)
    permuted = propagate(features, labels[:, order], rule)
    torch.testing.assert_close(permuted, propagate(features, labels, rule)[:, :, order])


@quick
@given(clips(n_clips=3), RULES)
def test_clips_together_are_as_alone(clip: Any, rule: PropagationRule) -> None:
    features, labels = clip
    together = propagate(features, labels, rule)
    for i in range(3):
        alone = propagate(features[i : i + 1], labels[i : i + 1], rule)
        torch.testing.assert_close(together[i : i + 1], alone, rtol=0, atol=1e-5)


@quick
@given(clips(), RULES, st.sampled_from([2.0**-20, 0.5, 8.0, 2.0**20]))
def test_the_length_of_features_means_nothing(clip: Any, rule: Any, scale: float) -> None:
    features, labels = clip
    assert torch.equal(
        propagate(features * scale, labels, rule), propagate(features, labels, rule)
    )


@quick
@given(clips(n_clips=5), RULES)
def test_groups_of_clips_change_nothing(clip: Any, rule: PropagationRule) -> None:
    whole = propagate(*clip, rule)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "WORKING_NUMBERS", 1)
        torch.testing.assert_close(propagate(*clip, rule), whole, rtol=0, atol=1e-5)


def test_patches_as_similar_as_the_last_one_count_too() -> None:
    features = torch.ones(1, 2, 3, 3, 2)
    labels = torch.eye(9).view(1, 9, 3, 3)
    out = propagate(features, labels, PropagationRule(topk=2, radius=1))[0, 0]
    torch.testing.assert_close(out[:, 1, 1], torch.full((9,), 1 / 9))
    corner = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 0]]).flatten() / 4
    torch.testing.assert_close(out[:, 0, 0], corner)


def test_the_first_frame_counts_for_ever_and_the_others_for_a_while() -> None:
    """Patch 0 of frame 5 looks like that of frame 1, and less so like that of frame 0."""
    features = torch.eye(3)[[0, 1]].repeat(6, 1).view(1, 6, 1, 2, 3)
    features[0, 1, 0, 0] = torch.tensor([0, 0.6, 0.8])  # takes the label of patch 1
    features[0, 5, 0, 0] = torch.tensor([0.4, 0, 0.9])
    labels = torch.eye(2).view(1, 2, 1, 2)
    for n_context, expected in ((3, [1, 0]), (4, [0, 1])):
        rule = PropagationRule(topk=1, n_context=n_context)
        assert propagate(features, labels, rule)[0, -1, :, 0, 0].tolist() == expected, n_context


def test_memory_depends_on_the_window_and_not_on_the_grid() -> None:
    """A tile is compared with what its window reaches, 8 frames of it, and no more."""
    features = torch.randn(1, 3, 40, 60, 4)
    clip = Propagator(features[:, 0], torch.ones(1, 1, 40, 60), PropagationRule(radius=3))
    for t in (1, 2):
        clip.step(features[:, t])
    assert clip._memory._held["similarity"].numel() <= 2 * 100 * 16**2


def test_half_precision_features_are_compared_in_single() -> None:
    features = torch.randn(1, 3, 5, 5, 8).half()
    labels = torch.rand(1, 2, 5, 5)
    rule = PropagationRule()
    assert torch.equal(
        propagate(features, labels, rule), propagate(features.float(), labels, rule)
    )


def test_no_gradient_flows_and_nothing_given_is_changed() -> None:
    features, labels = torch.randn(1, 3, 4, 4, 8), torch.rand(1, 2, 4, 4)
    before = features.clone(), labels.clone()
    out = propagate(features.requires_grad_(), labels.requires_grad_(), PropagationRule())
    assert not out.requires_grad
    assert torch.equal(features, before[0])
    assert torch.equal(labels, before[1])


def test_what_a_step_returns_belongs_to_the_caller() -> None:
    features, labels = torch.randn(1, 3, 4, 4, 8), torch.rand(1, 1, 4, 4)
    expected = propagate(features, labels, PropagationRule())[:, 1]
    clip = Propagator(features[:, 0], labels, PropagationRule())
    labels.zero_()
    clip.step(features[:, 1]).zero_()
    assert torch.equal(clip.step(features[:, 2]), expected)


@pytest.mark.parametrize(
    "wrong",
    [{"temperature": 0}, {"topk": 0}, {"radius": -1}, {"n_context": -1}, {"window": "disk"}],
)
def test_rules_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        PropagationRule(**wrong)


@pytest.mark.parametrize(
    ("features", "labels", "text"),
    [
        ((2, 3, 4, 4), (2, 1, 4, 4), r"expected \[B, T, h, w, D\]"),
        ((1, 2, 4, 4, 8), (1, 1, 4, 5), r"expected \[B, h, w, D\] and \[B, C, h, w\]"),
        ((1, 2, 4, 4, 8), (4, 4), r"\[B, C, h, w\]"),
    ],
)
def test_shapes_that_do_not_fit_are_named(features: Any, labels: Any, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        propagate(torch.zeros(features), torch.zeros(labels), PropagationRule())


def test_frames_of_another_grid_and_whole_numbers_are_refused() -> None:
    first = torch.zeros(1, 4, 4, 8)
    with pytest.raises(UsageError, match="fractions"):
        Propagator(first, torch.zeros(1, 1, 4, 4, dtype=torch.long), PropagationRule())
    clip = Propagator(first, torch.zeros(1, 1, 4, 4), PropagationRule())
    with pytest.raises(UsageError, match="one grid"):
        clip.step(torch.zeros(1, 4, 5, 8))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_gives_the_same() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 5, 24, 31, 32, generator=generator)
    labels = torch.rand(2, 3, 24, 31, generator=generator).softmax(1)
    ours = propagate(features.cuda(), labels.cuda(), PropagationRule()).cpu()
    np.testing.assert_allclose(ours, propagate(features, labels, PropagationRule()), atol=1e-4)
