"""The whole-number parts of moving-shapes: sine, poses, outlines, patterns, noise, colours."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tvseg_bench.benchmark.data.moving_shapes import vocabulary
from tvseg_bench.benchmark.data.moving_shapes.fixed_point import (
    ONE,
    TURN,
    UNIT,
    Draws,
    cosine,
    sine,
)
from tvseg_bench.benchmark.data.moving_shapes.outlines import OUTLINES, REACH, Pose, coverage
from tvseg_bench.benchmark.data.moving_shapes.texture import PATTERNS, colour, noise


@settings(max_examples=200, deadline=None)
@given(st.integers(-(2**40), 2**40))
def test_sine_and_cosine_are_right_to_the_last_place(angle):
    turns = (angle % TURN) / TURN * 2 * math.pi
    assert abs(sine(angle) - UNIT * math.sin(turns)) <= 0.51
    assert abs(cosine(angle) - UNIT * math.cos(turns)) <= 0.51
    assert sine(angle + TURN // 2) == -sine(angle)


def test_a_pure_translation_has_that_flow():
    before, after = Pose(ONE, ONE, 77, 9 * ONE), Pose(4 * ONE, ONE // 2, 77, 9 * ONE)
    dx, dy = before.carry(after, np.array([0, 5 * ONE]), np.array([0, 8 * ONE]))
    assert (dx.tolist(), dy.tolist()) == ([3 * ONE] * 2, [-ONE // 2] * 2)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, TURN - 1),
    st.integers(0, TURN - 1),
    st.integers(20, 60),
    st.integers(20, 60),
    st.integers(-100, 100),
    st.integers(-100, 100),
)
def test_a_carried_point_has_the_same_place_on_its_body(angle, later, r0, r1, x, y):
    before, after = Pose(3 * ONE, 5 * ONE, angle, r0 * ONE), Pose(ONE, -ONE, later, r1 * ONE)
    xs, ys = np.array([x * ONE]), np.array([y * ONE])
    dx, dy = before.carry(after, xs, ys)
    for p, q in zip(before.local(xs, ys).uv, after.local(xs + dx, ys + dy).uv, strict=True):
        assert abs(int(p[0]) - int(q[0])) <= 8


@pytest.mark.parametrize("category", vocabulary.CATEGORIES)
def test_outlines_stay_within_reach_and_are_no_specks(category):
    grid = np.arange(-2 * ONE, 2 * ONE, ONE // 50)
    inside = OUTLINES[category](grid[None], grid[:, None]) < 0
    u, v = np.meshgrid(grid, grid)
    assert ((u * u + v * v)[inside] < REACH * REACH).all()
    area = inside.sum() / 50**2
    assert 1.4 < area < 3.0
    soft = coverage(OUTLINES[category](grid[None], grid[:, None]), 50 * ONE).sum() / 256 / 50**2
    assert soft == pytest.approx(area, rel=0.01)


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns_mix_two_colours_and_use_both(name):
    table = Draws(0).table(64, 64)
    steps = np.arange(-20 * ONE, 20 * ONE, ONE // 16, dtype=np.int32)
    mix = PATTERNS[name](steps[None], steps[:, None], table)
    assert mix.min() >= 0
    assert mix.max() <= 256
    assert mix.std() > 20


def test_every_name_has_its_drawing():
    assert set(vocabulary.TEXTURES + vocabulary.BACKGROUNDS) == set(PATTERNS)
    assert set(vocabulary.CATEGORIES) == set(OUTLINES)


@settings(max_examples=30, deadline=None)
@given(st.integers(-(2**24), 2**24), st.integers(-(2**24), 2**24))
def test_noise_is_periodic_within_range_and_has_no_jumps(x, y):
    table = Draws(0).table(64, 64)

    def at(x, y):
        return int(noise(np.array([x], np.int32), np.array([y], np.int32), table)[0])

    assert 0 <= at(x, y) <= 32767
    assert at(x, y) == at(x + 64 * ONE, y - 64 * ONE)
    assert abs(at(x, y) - at(x + 64, y)) <= 64
    assert abs(at(x, y) - at(x, y + 64)) <= 64


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 3000), st.integers(0, 255), st.integers(0, 255))
def test_colours_have_their_value_and_saturation(hue, saturation, value):
    rgb = colour(hue, saturation, value)
    assert max(rgb) == value
    assert abs(min(rgb) - value * (255 - saturation) / 255) <= 1
