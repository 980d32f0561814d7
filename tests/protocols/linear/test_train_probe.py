"""Training and prediction of probes, held to plain networks on upsampled features."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tvseg_bench.protocols.common.supervised import upsampled_argmax
from tvseg_bench.protocols.linear import DINOV3, LEOPART
from tvseg_bench.protocols.linear.frame_store import FrameStore
from tvseg_bench.protocols.linear.sliding_window import slide, windows
from tvseg_bench.protocols.linear.train_probe import (
    ProbeHead,
    descend,
    pixel_loss,
    rate,
    train_probe,
)

CPU = torch.device("cpu")
PRESETS = {"leopart": LEOPART, "dinov3": DINOV3}


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 9), st.integers(1, 9), st.data())
def test_loss_and_gradient_are_those_of_upsampled_features(
    h: int, w: int, height: int, width: int, drawn: st.DataObject
) -> None:
    """A 1x1 convolution and bilinear upsampling commute."""
    generator = torch.Generator().manual_seed(drawn.draw(st.integers(0, 99)))
    tokens = torch.randn(h, w, 5, generator=generator)
    weight = torch.randn(5, 3, generator=generator, requires_grad=True)
    target = torch.randint(0, 4, (height, width), generator=generator)
    loss, slope = pixel_loss((tokens @ weight).detach()[None], target[None])
    large = torch.nn.functional.interpolate(
        tokens.permute(2, 0, 1)[None], size=(height, width), mode="bilinear", align_corners=False
    )
    expected = torch.nn.functional.cross_entropy(
        torch.nn.functional.conv2d(large, weight.T[:, :, None, None]),
        target[None],
        ignore_index=3,
        reduction="sum",
    )
    (gradient,) = torch.autograd.grad(expected, weight)
    assert float(loss) == pytest.approx(float(expected.detach()), rel=1e-4, abs=1e-4)
    np.testing.assert_allclose(
        torch.einsum("hwd,hwc->dc", tokens, slope[0]), gradient, rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("preset", ["leopart", "dinov3"])
def test_a_step_is_that_of_a_plain_network(preset: str) -> None:
    config = PRESETS[preset].model_copy(update={"dropout": 0.0})
    head = ProbeHead(6, 3, config, torch.Generator().manual_seed(0)).train()
    rng = np.random.default_rng(0)
    batch = [
        (rng.normal(size=(2, 3, 6)).astype("f4"), rng.choice([0, 1, 2, 255], (5, 7)).astype("u1"))
        for _ in range(3)
    ]
    loss = descend(head, batch, np.arange(3), torch.Generator(), CPU)
    ours = [p.grad.clone() for p in head.parameters()]
    head.zero_grad()
    large = torch.nn.functional.interpolate(
        plain_scores(head, torch.from_numpy(np.stack([tokens for tokens, _ in batch]))),
        size=(5, 7),
        mode="bilinear",
        align_corners=False,
    )
    masks = torch.from_numpy(np.stack([mask for _, mask in batch])).long()
    expected = torch.nn.functional.cross_entropy(large, masks, ignore_index=255)
    expected.backward()
    assert float(loss) == pytest.approx(float(expected.detach()), rel=1e-5)
    for mine, parameter in zip(ours, head.parameters(), strict=True):
        np.testing.assert_allclose(mine, parameter.grad, atol=1e-5)


def plain_scores(head: ProbeHead, tokens: torch.Tensor) -> torch.Tensor:
    maps = tokens.permute(0, 3, 1, 2)
    if head.norm is not None:
        maps = torch.nn.functional.batch_norm(
            maps, None, None, head.norm.weight, head.norm.bias, training=True
        )
    return torch.nn.functional.conv2d(maps, head.weight.T[:, :, None, None], head.bias)


def test_a_head_predicts_as_it_would_in_evaluation() -> None:
    draw = torch.Generator().manual_seed(0)
    head = ProbeHead(6, 3, PRESETS["dinov3"], draw).train()
    tokens = torch.randn(50, 6, generator=draw) * 3 + 1
    for _ in range(5):
        head([tokens], draw)
    head.eval()
    head.dropout = 0.0
    expected = head([tokens], draw).detach()
    np.testing.assert_allclose(head.probe(np.arange(3))(tokens.numpy()), expected, atol=1e-5)


def test_dropout_zeroes_whole_dimensions_of_a_frame() -> None:
    config = PRESETS["dinov3"].model_copy(update={"dropout": 0.5, "scaling": "none"})
    draw = torch.Generator().manual_seed(0)
    head = ProbeHead(64, 64, config, draw)
    head.weight.data, head.bias.data = torch.eye(64), torch.zeros(64)
    first, second = head([torch.ones(9, 64), torch.ones(4, 64)], draw).detach().split([9, 4])
    assert set(first.unique().tolist()) == {0.0, 2.0}
    assert (first == first[0]).all()
    assert not torch.equal(first[0], second[0])


def test_rates_of_the_published_schedules() -> None:
    shares = [rate(step, 250, 10, LEOPART) for step in (0, 199, 200, 249)]
    assert shares == pytest.approx([1, 1, 0.1, 0.1])
    cosine = [rate(step, 40_000, 10, DINOV3) for step in (0, 750, 1500, 20_750, 39_999)]
    assert cosine == pytest.approx([1e-6, 0.5, 1, 0.5, 0], abs=1e-6)


def test_frames_beyond_the_budget_come_back_from_a_file() -> None:
    rng = np.random.default_rng(0)
    frames = [(rng.normal(size=(2, 3, 4)).astype("f2"), rng.integers(0, 9, (5, 6))) for _ in "abc"]
    with FrameStore(budget=frames[0][0].nbytes) as store:
        for tokens, mask in frames:
            store.add(tokens, mask)
        for i in (2, 0, 1, 2):
            for ours, expected in zip(store[i], frames[i], strict=True):
                np.testing.assert_array_equal(ours, expected)
                assert ours.dtype == expected.dtype


def test_a_batch_of_void_moves_nothing_but_decay() -> None:
    config = LEOPART.model_copy(update={"length": 1, "weight_decay": 0.0})
    with FrameStore() as store:
        store.add(np.ones((2, 2, 3), "f4"), np.full((4, 4), 255, np.uint8))
        probe, losses = train_probe(store, np.arange(2), config, 0, CPU)
    first = ProbeHead(3, 2, config, torch.Generator().manual_seed(0)).probe(np.arange(2))
    np.testing.assert_array_equal(probe.weights, first.weights)
    assert losses == [0.0]


# --------------------------------------------------------------------------- prediction


@settings(deadline=None, max_examples=15)
@given(
    st.integers(1, 4), st.integers(1, 4), st.integers(1, 20), st.integers(1, 20), st.integers(1, 5)
)
def test_labels_are_those_of_upsampled_scores(
    h: int, w: int, height: int, width: int, classes: int
) -> None:
    scores = np.random.default_rng(h * 31 + w).normal(size=(h, w, classes)).astype("f4")
    large = torch.nn.functional.interpolate(
        torch.from_numpy(scores).permute(2, 0, 1)[None],
        size=(height, width),
        mode="bilinear",
        align_corners=False,
    )
    np.testing.assert_array_equal(upsampled_argmax(scores, (height, width)), large[0].argmax(0))


@given(st.integers(1, 60), st.integers(1, 40), st.integers(1, 40))
def test_windows_cover_and_stay_inside(length: int, window: int, stride: int) -> None:
    found = windows(length, window, min(stride, window))
    assert found[0][0] == 0
    assert found[-1][1] == length
    assert all(end - start == min(window, length) for start, end in found)
    assert all(a[1] >= b[0] for a, b in pairwise(found))


def test_windows_of_constant_scores_are_that_constant() -> None:
    logits = np.broadcast_to(np.array([1.0, -2.0]), (5, 7, 2))
    slid = slide(logits, patch=4, window=12, stride=8)
    np.testing.assert_allclose(slid, np.broadcast_to([1.0, -2.0], (20, 28, 2)), atol=1e-6)


def test_one_window_is_the_whole_frame() -> None:
    logits = np.random.default_rng(0).normal(size=(4, 4, 3)).astype("f4")
    whole = torch.nn.functional.interpolate(
        torch.from_numpy(logits).permute(2, 0, 1)[None], size=(16, 16), mode="bilinear"
    )
    np.testing.assert_allclose(slide(logits, 4, 512, 341), whole[0].permute(1, 2, 0), atol=1e-5)
