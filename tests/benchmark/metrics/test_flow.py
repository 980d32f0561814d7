import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tvseg_bench.benchmark.data.moving_shapes.generator import make_dataset
from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.metrics.contingency import merge
from tvseg_bench.benchmark.metrics.flow import (
    NOWHERE,
    flow_consistency,
    occluded,
    warp_labels,
    warped_table,
)
from tvseg_bench.benchmark.types import VOID

quick = settings(max_examples=40, deadline=None)
SHAPE = (4, 5)
maps = hnp.arrays(np.uint8, SHAPE, elements=st.integers(0, 3))
flows = hnp.arrays(np.float32, (*SHAPE, 2), elements=st.sampled_from([-2, -1, 0, 1, 3, np.nan]))


@quick
@given(maps, maps, flows, st.integers(0, 3))
def test_counts_what_the_definition_counts(
    before: np.ndarray, after: np.ndarray, flow: np.ndarray, void: int
) -> None:
    a, b = (np.where(x == void, NOWHERE, x.astype(int)) for x in (before, after))
    hit, union = np.zeros(4), np.zeros(4)
    for y in range(SHAPE[0]):
        for x in range(SHAPE[1]):
            dx, dy = flow[y, x]
            if np.isnan(dx + dy) or not (0 <= y + dy < SHAPE[0] and 0 <= x + dx < SHAPE[1]):
                continue
            own, led_to = a[y, x], b[int(y + dy), int(x + dx)]
            if NOWHERE not in (own, led_to):
                hit[own] += own == led_to
                union[[own, led_to] if own != led_to else [own]] += 1
    ours = flow_consistency(warped_table(a, b, flow))
    seen = union > 0
    assert ours == (pytest.approx((hit[seen] / union[seen]).mean()) if seen.any() else None)


@quick
@given(maps, maps, flows, st.permutations([5, 80, 200, 255]))
def test_renaming_clusters_changes_nothing(
    before: np.ndarray, after: np.ndarray, flow: np.ndarray, names: list[int]
) -> None:
    lookup = np.array(names, np.uint8)
    ours = [
        flow_consistency(warped_table(*pair, flow))
        for pair in ((before, after), (lookup[before], lookup[after]))
    ]
    assert ours[0] == pytest.approx(ours[1], abs=1e-12)


@quick
@given(maps)
def test_a_static_picture_and_a_constant_map_are_consistent(ids: np.ndarray) -> None:
    still, away = np.zeros((*SHAPE, 2)), np.full((*SHAPE, 2), [1.0, -1.0])
    assert flow_consistency(warped_table(ids, ids, still)) == 1.0
    for constant in (0, 255):
        one = np.full(SHAPE, constant, np.uint8)
        assert flow_consistency(warped_table(one, one, away)) == 1.0


def test_true_instances_follow_the_exact_flow() -> None:
    (clip,) = make_dataset([1003], n_frames=4, size=(64, 96)).clips
    assert clip.instance is not None
    assert clip.flow is not None
    masks = [clip.instance(t) for t in range(4)]
    pairs = [(masks[t], masks[t + 1], clip.flow(t)) for t in range(3)]
    followed = flow_consistency(merge(warped_table(*pair) for pair in pairs))
    ignored = flow_consistency(merge(warped_table(a, b, 0 * f) for a, b, f in pairs))
    assert followed is not None
    assert ignored is not None
    assert followed > 0.9
    assert followed > ignored


def test_what_does_not_lead_home_is_occluded() -> None:
    there, back = np.zeros((1, 4, 2)), np.zeros((1, 4, 2))
    there[0, :, 0] = [1, 0, 0, 0.6]
    back[0, 1, 0] = -1
    # 0 -> 1 -> 0 home; 1 stays, but its way back leads to 0; 2 stays; 3 just leaves
    assert occluded(there, back).tolist() == [[False, True, False, True]]
    there[0, 2] = np.nan
    assert occluded(there, back)[0, 2]
    with pytest.raises(UsageError, match="expected one"):
        occluded(there, back[:, :2])


@quick
@given(hnp.arrays(np.uint8, (4, 6), elements=st.integers(0, 9)), st.data())
def test_whole_pixels_are_fetched(labels: np.ndarray, data: st.DataObject) -> None:
    dx, dy = data.draw(st.integers(-6, 6)), data.draw(st.integers(-6, 6))
    flow = np.broadcast_to(np.array([dx, dy], np.float32), (4, 6, 2))
    warped = warp_labels(labels, flow)
    for y in range(4):
        for x in range(6):
            inside = 0 <= y + dy < 4 and 0 <= x + dx < 6
            assert warped[y, x] == (labels[y + dy, x + dx] if inside else VOID)


def test_no_flow_points_nowhere() -> None:
    flow = np.full((1, 2, 2), np.nan)
    assert warp_labels([[3, 4]], flow).tolist() == [[VOID, VOID]]


def test_published_sampling_loses_a_column_of_a_static_frame() -> None:
    labels, flow = np.full((24, 32), 7), np.zeros((24, 32, 2))
    assert (warp_labels(labels, flow) == 7).all()
    assert (warp_labels(labels, flow, sampling="vspw", outside=0) == 0).any()


def test_labels_and_flow_must_fit() -> None:
    labels = np.zeros((3, 4), int)
    with pytest.raises(UsageError, match=r"expected \[H, W\] and \[H, W, 2\]"):
        warp_labels(labels, np.zeros((2, 3, 4)))
    with pytest.raises(UsageError, match="unknown sampling 'corners'"):
        warp_labels(labels, np.zeros((3, 4, 2)), sampling="corners")
