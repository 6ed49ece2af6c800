"""The compiled loops of planning, each against the plain way to say the same."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from planning_scenes import boxes_overlap

from autonomy_nodes.common.kinematics import Motion, moved
from autonomy_nodes.common.vehicle import Trailer, Vehicle
from autonomy_nodes.planning.contact_loops import first_overlaps, own_contacts, rectangles_overlap, soonest_touches
from autonomy_nodes.planning.gate_loops import curvature_at, first_beyond_lines
from autonomy_nodes.planning.ground_loops import body_blocked, coarse_clearance, erase_boxes, fine_clearance
from autonomy_nodes.planning.paths import arcs
from autonomy_nodes.planning.rollout import STEP_S, STEPS, Start, Wishes, roll_out
from autonomy_nodes.planning.rollout_loops import cos_sin
from autonomy_nodes.planning.terms import Scores, Weights
from autonomy_nodes.planning.traffic import axes_of
from autonomy_nodes.planning.traffic_loops import (
    beside_nearest,
    come_near,
    least_shares,
    meet,
    nearest_leads,
    two_least,
)

DRIVES, WAYS, MOMENTS = 37, 9, 14
OWN_HALF, MIDDLE_M = np.array([2.0, 0.9]), 1.3


@pytest.fixture
def scene():
    """Drives and boxes that cross one another here and there."""
    random = np.random.default_rng(4)
    gone = np.arange(MOMENTS)[:, None]

    def ways(count, spread, pace):
        start = random.uniform(-spread, spread, (count, 1, 2))
        step = random.uniform(-pace, pace, (count, 1, 2))
        heading = np.arctan2(step[..., 1], step[..., 0])
        return np.concatenate([start + step * gone, np.tile(heading[..., None], (1, MOMENTS, 1))], axis=-1)

    return ways(DRIVES, 3.0, 1.5), ways(WAYS, 20.0, 1.5), random


def rectangle(pose, ahead_m):
    return np.array([[pose[0] + ahead_m * np.cos(pose[2]), pose[1] + ahead_m * np.sin(pose[2]), pose[2]]])


def test_the_first_overlap_is_that_of_the_rectangles_one_by_one(scene):
    poses, there, random = scene
    half = random.uniform(0.3, 2.5, (WAYS, 2))
    margins = np.where(random.random((WAYS, 1)) < 0.5, [[0.5, 0.2, 1.0]], [[0.0, 0.1, 0.0]])
    moving = random.random((DRIVES, MOMENTS)) < 0.8
    faster, last = random.uniform(0.0, 0.3, (DRIVES, MOMENTS)), random.integers(3, MOMENTS + 1, WAYS)
    expected = np.full((DRIVES, WAYS), -1)
    for n, r in np.ndindex(DRIVES, WAYS):
        for t in range(last[r]):
            if not moving[n, t]:
                continue
            aside = margins[r, 1] + margins[r, 2] * faster[n, t]
            mine = rectangle(poses[n, t], MIDDLE_M + 0.5 * margins[r, 0])
            grown = OWN_HALF + [0.5 * margins[r, 0], aside]
            if expected[n, r] < 0 and boxes_overlap(mine, grown[None], there[r, t][None], half[r][None])[0]:
                expected[n, r] = t
    assert (expected >= 0).sum() > 5 and (expected < 0).sum() > 5
    told = (poses, axes_of(poses), moving, faster, MIDDLE_M, OWN_HALF, margins, there, axes_of(there), half, last)
    assert_array_equal(first_overlaps(*told), expected)


def test_the_soonest_touch_is_that_of_the_rectangles_one_by_one(scene):
    poses, there, random = scene
    half, speeds = random.uniform(0.3, 2.5, (WAYS, 2)), random.uniform(-1.0, 6.0, (DRIVES, MOMENTS))
    steps, aheads, ahead_s = np.array([0, 3, 6]), np.array([2, 5, 9]), np.array([0.4, 1.0, 1.8])
    expected = np.full((DRIVES, WAYS), len(aheads))
    for n, r in np.ndindex(DRIVES, WAYS):
        for order in reversed(range(len(aheads))):
            for t in steps:
                then = there[r, min(t + aheads[order], MOMENTS - 1)]
                forward = np.array([np.cos(poses[n, t, 2]), np.sin(poses[n, t, 2])])
                mine = rectangle(poses[n, t], MIDDLE_M + speeds[n, t] * ahead_s[order])
                front = (then[:2] - poses[n, t, :2]) @ forward > 0.0 and speeds[n, t] > 0.1
                if front and boxes_overlap(mine, OWN_HALF[None], then[None], half[r][None])[0]:
                    expected[n, r] = order
    assert (expected < len(aheads)).sum() > 5
    mine, theirs = (poses, axes_of(poses), speeds, MIDDLE_M, OWN_HALF), (there, axes_of(there), half)
    found = soonest_touches(*mine, *theirs, steps, aheads, ahead_s)
    assert_array_equal(found, expected)


@pytest.mark.parametrize('trailer', [Trailer(), Trailer(present=True)])
def test_a_drive_moves_as_the_laws_of_motion_say(trailer):
    vehicle = Vehicle(trailer=trailer)
    start = Start(np.array([3.0, -2.0, 0.4]), 6.0, 0.2, 0.05, 0.02)
    paths = arcs(start.pose, 0.02, [(0.0, 0.0), (0.05, -0.05), (-0.03, 0.0)], 10.0, 90)
    ones = np.ones((3, STEPS))
    speeds, caps = np.array([[8.0], [3.0], [6.0]]) * ones, np.full((3, 90), 400.0)
    wishes = Wishes(np.arange(3), speeds, 0.0 * ones, np.full(3, 4.0), caps, np.inf * ones, ones)
    drives = roll_out(start, paths, wishes, vehicle)
    for step in range(STEPS):
        x, y, heading = drives.poses[:, step].T
        others = (drives.speeds_mps, drives.wheels_rad, drives.joints_rad)
        motion = Motion(x, y, heading, *(values[:, step] for values in others))
        pushes = 0.5 * (drives.accelerations_mps2[:, step] + drives.accelerations_mps2[:, step + 1])
        after = moved(motion, drives.wheels_rad[:, step + 1], pushes, vehicle, STEP_S)
        expected = np.stack([after.x_m, after.y_m, after.heading_rad], axis=-1)
        assert_allclose(drives.poses[:, step + 1], expected, atol=1e-9)
        assert_allclose(drives.speeds_mps[:, step + 1], after.speed_mps, atol=1e-9)
        assert_allclose(drives.joints_rad[:, step + 1], after.articulation_rad, atol=1e-9)


def test_the_two_least_marks_are_those_of_a_table():
    random = np.random.default_rng(1)
    marks, way = random.random((5, 7)).round(1), random.integers(-1, 7, (4, 3))
    table = np.where(way >= 0, marks[:, way], 1.0)  # (N, O, K)
    least, whose, next_ = two_least(marks, way, 1.0)
    assert_array_equal(least, table.min(axis=1))
    assert_array_equal(whose, table.argmin(axis=1))
    assert_array_equal(next_, np.sort(table, axis=1)[:, 1])


def test_the_nearest_leader_is_that_of_a_table():
    random = np.random.default_rng(2)
    sideways = np.concatenate([random.uniform(-3.0, 3.0, (3, 20)), np.full((1, 20), np.nan)])
    index, rear = random.integers(0, 20, (WAYS, 5)), random.uniform(0.0, 40.0, (WAYS, 5))
    offsets, room = random.uniform(-8.0, 8.0, (WAYS, 5)), random.uniform(1.0, 2.0, (WAYS, 5))
    ahead, likely, crossing = random.random((WAYS, 5)) < 0.8, random.random(WAYS) < 0.7, random.random((WAYS, 5)) < 0.3
    inside = (np.abs(offsets - sideways[:, index]) < room) & ahead  # (P, R, S)
    follow = np.where(inside & likely[:, None], rear, np.inf)
    found = nearest_leads(sideways, index, rear, offsets, room, ahead, likely, crossing)
    assert_array_equal(found[0], follow.min(axis=1))
    assert_array_equal(found[1], follow.argmin(axis=1))
    assert_array_equal(found[2], np.where(inside & crossing, rear, np.inf).min(axis=1))
    assert np.isinf(found[0][3]).all() and np.isfinite(found[0]).any()


def test_who_is_within_some_cells_comes_near(scene):
    poses, there, _ = scene
    places = np.ascontiguousarray(poses[..., :2].reshape(-1, 2))
    low = places.min(axis=0) - 3.0 * 2.0
    cells, theirs = np.floor((places - low) / 2.0), np.floor((there[..., :2] - low) / 2.0)
    expected = (np.abs(theirs[:, :, None] - cells).max(axis=-1) <= 2).any(axis=(1, 2))
    assert expected.any() and not expected.all()
    assert_array_equal(come_near(places, there, low, 2.0, 2), expected)


def test_cells_within_and_about_a_turned_box_are_erased():
    mask = np.ones((20, 20), bool)  # cells of half a metre about the origin
    erase_boxes(mask, np.array([-5.0, -5.0]), 0.5, np.array([[0.0, 0.0, np.pi / 2.0, 2.0, 0.5]]), 0.3)
    free = np.argwhere(~mask)
    assert_array_equal(free.min(axis=0), [8, 5])  # middles from -0.75 and from -2.25 on: 0.25 m beyond the sides
    assert_array_equal(free.max(axis=0), [11, 14])
    assert len(free) == 4 * 10 - 4  # corners are 0.35 m away
    erase_boxes(mask, np.array([-5.0, -5.0]), 0.5, np.array([[50.0, 50.0, 0.0, 2.0, 0.5]]), 0.3)
    assert len(np.argwhere(~mask)) == len(free)


def test_clearance_is_linear_between_cells_and_the_far_grid_answers_beyond_the_near_one():
    near = np.full((6, 6), -1.0, np.float32)
    near[1:-1, 1:-1] = np.arange(4.0)[:, None]  # of 1 m, from 0 to 4 in x and y
    far = np.full((12, 12), -1.0, np.float32)
    far[1:-1, 1:-1] = 7.0
    grids = (near, np.array([0.0, 0.0, 1.0]), far, np.array([-3.0, -3.0, 1.0]))
    assert fine_clearance(1.7, 2.0, *grids) == pytest.approx(1.2)
    assert coarse_clearance(1.7, 2.0, *grids) == 1.0
    assert coarse_clearance(-1.5, 2.0, *grids) == fine_clearance(-1.5, 2.0, *grids) == 7.0
    assert coarse_clearance(30.0, 0.0, *grids) == fine_clearance(30.0, 0.0, *grids) == -1.0


def test_a_body_is_blocked_where_a_circle_of_it_comes_too_near(scene):
    poses, _, random = scene
    clear = np.full((27, 27), -1.0, np.float32)
    clear[1:-1, 1:-1] = np.where(random.random((25, 25)) < 0.03, -0.2, random.uniform(0.8, 4.0, (25, 25)))
    far = np.full((42, 42), -1.0, np.float32)
    far[1:-1, 1:-1] = np.where(random.random((40, 40)) < 0.03, -0.4, random.uniform(0.8, 4.0, (40, 40)))
    grids = (clear, np.array([-12.5, -12.5, 1.0]), far, np.array([-40.0, -40.0, 2.0]))
    offsets, wanted, touching, slack = np.array([-0.5, 1.0, 2.5]), 0.9, 0.6, (0.3, 0.05, 0.01)
    expected = np.zeros(poses.shape[:2], bool)
    for n, t in np.ndindex(expected.shape):
        places = poses[n, t, :2] + offsets[:, None] * [np.cos(poses[n, t, 2]), np.sin(poses[n, t, 2])]
        first = poses[n, 0, :2] + offsets[:, None] * [np.cos(poses[n, 0, 2]), np.sin(poses[n, 0, 2])]
        for place, begin in zip(places, first):
            coarse, exact, start = (
                coarse_clearance(*place, *grids), fine_clearance(*place, *grids), fine_clearance(*begin, *grids)
            )  # fmt: skip
            near = exact < wanted and exact < start - slack[1] or exact < touching and exact < start - slack[2]
            expected[n, t] |= coarse < 0.0 or (coarse < wanted + slack[0] and near)
        expected[n, t] &= np.abs(poses[n, t, :2] - poses[n, 0, :2]).max() > 0.05 and not expected[n, :t].any()
    assert expected.sum() > 5 and not expected.any(axis=1).all()
    assert_array_equal(body_blocked(poses, axes_of(poses), offsets, wanted, touching, slack, *grids), expected)


def test_the_first_corner_over_a_line_is_that_of_each_corner_looked_at():
    random = np.random.default_rng(7)
    left = np.where(random.random(40) < 0.8, random.uniform(1.5, 3.0, 40), np.inf)
    right = np.where(random.random(40) < 0.8, random.uniform(-3.0, -1.5, 40), -np.inf)
    bends, alongs, half, over = random.uniform(-0.03, 0.03, 40), np.array([3.5, 0.7, -1.0]), 0.9, 0.1
    stations = random.uniform(0.0, 15.0, (60, 1)) + 1.7 * np.arange(16)
    offsets = random.uniform(-1.0, 1.0, (60, 1)) + random.uniform(-0.05, 0.05, (60, 1)) * np.arange(16)
    turns = random.uniform(-0.1, 0.1, (60, 16))
    beyond = np.full((60, 16, 3, 2), -np.inf)
    for n, t, c, side in np.ndindex(beyond.shape):
        aside = (half, -half)[side]
        cos, sin, bend = np.cos(turns[n, t]), np.sin(turns[n, t]), np.interp(stations[n, t], np.arange(40), bends, 0, 0)
        index = round(stations[n, t] + alongs[c] * cos - aside * sin)
        if 0 <= index < 40:
            d = offsets[n, t] + alongs[c] * sin + aside * cos - 0.5 * bend * alongs[c] ** 2
            beyond[n, t, c, side] = right[index] - d if side else d - left[index]
    hit = (beyond > np.maximum(beyond[:, :1], 0.0) + over).any(axis=(2, 3))
    expected = np.where(hit.any(axis=1), hit.argmax(axis=1), -1)
    assert (expected > 0).sum() > 10 and (expected < 0).sum() > 5
    found = first_beyond_lines(stations, offsets, turns, bends, left, right, 1.0, alongs, half, over)
    assert_array_equal(found, expected)
    assert [curvature_at(at, np.array([0.1, 0.3, 0.2]), 2.0) for at in (-0.1, 1.0, 4.0, 4.1)] == pytest.approx(
        [0.0, 0.2, 0.2, 0.0]
    )  # fmt: skip


def test_who_meets_the_drives_is_in_their_box_at_some_moment(scene):
    poses, there, random = scene
    poses = poses - poses[:, :1] + [2.0, -1.0, 0.6]  # all begin at one place, turned
    reach, turn = random.uniform(0.5, 3.0, WAYS), np.array([[np.cos(0.6), -np.sin(0.6)], [np.sin(0.6), np.cos(0.6)]])
    mine, theirs = (poses[..., :2] - [2.0, -1.0]) @ turn, (there[..., :2] - [2.0, -1.0]) @ turn
    low, high = mine.min(axis=0) - reach[:, None, None], mine.max(axis=0) + reach[:, None, None]
    expected = ((theirs > low) & (theirs < high)).all(axis=-1).any(axis=-1)
    assert expected.any() and not expected.all()
    assert_array_equal(meet(poses, there, reach), expected)


def test_beside_a_line_is_measured_at_its_nearest_point(scene):
    poses, _, _ = scene
    angles = np.linspace(0.0, 1.5, 12)
    line = np.stack([9.0 * np.sin(angles), 9.0 - 9.0 * np.cos(angles), angles], axis=-1)  # an arc
    steps = np.array([0, 3, 7])
    gap = poses[:, steps, None, :2] - line[:, :2]
    nearest = (gap**2).sum(axis=-1).argmin(axis=-1)
    at = np.take_along_axis(gap, nearest[..., None, None], axis=2)[:, :, 0]
    expected = np.abs(at[..., 1] * np.cos(line[nearest, 2]) - at[..., 0] * np.sin(line[nearest, 2]))
    assert len(np.unique(nearest)) > 3
    assert_allclose(beside_nearest(poses, steps, line), expected, atol=1e-12)


def test_the_least_share_of_a_gap_is_that_of_a_table():
    random = np.random.default_rng(3)
    fronts, speeds, aside = (random.uniform(*span, (8, 4)) for span in ((0.0, 30.0), (0.0, 9.0), (-3.0, 3.0)))
    wanted, leading = random.uniform(1.0, 20.0, (8, 4)), random.random((6, 4)) < 0.7
    rear, offsets, room, credit = (
        random.uniform(*span, (6, 4)) for span in ((-9.0, 40.0), (-3.0, 3.0), (1.0, 2.0), (0.0, 5.0))
    )
    gap = rear - fronts[:, None]
    there = leading & (speeds[:, None] > 0.5) & (np.abs(offsets - aside[:, None]) < room) & (gap > -3.0)
    shares = np.clip(gap / np.maximum(wanted[:, None] - credit, 0.5), 0.0, 1.0)
    expected = np.where(there, shares, 1.0).min(axis=2)
    assert (expected < 1.0).sum() > 10 and (expected == 0.0).any()
    assert_allclose(least_shares(fronts, speeds, aside, wanted, rear, offsets, room, leading, credit, -3.0), expected)


def test_totals_without_somebody_are_those_of_scores_in_which_he_never_was():
    random = np.random.default_rng(5)
    marks = {name: random.random(7) for name in ('comfort', 'terrain')} | {'progress': random.uniform(0.0, 40.0, 7)}
    way, table = np.array([[0, 1], [2, 2], [3, -1]]), random.random((7, 4))  # of three users in two modes
    chances, clean = np.array([0.6, 0.4]), np.array([1, 1, 0, 1, 1, 0, 1], bool)

    def scores(ways):
        return Scores(marks, {'headway': two_least(table, ways, 1.0)}, chances, 0.3, Weights())

    for whom in range(3):
        gone = scores(np.where(np.arange(3)[:, None] == whom, -1, way))
        assert_allclose(scores(way).totals(clean, whom), gone.totals(clean), atol=1e-12)
    weights, terms = Weights(), scores(way).terms
    least = two_least(table, way, 1.0)[0]
    assert_allclose(terms['headway'], 0.7 * least @ chances + 0.3 * least.min(axis=1))
    parts = {**terms, 'progress': np.minimum(terms['progress'] / marks['progress'][clean].max(), 1.0)}
    weight = {name: getattr(weights, name) for name in parts}
    expected = sum(weight[name] * parts[name] for name in parts) / sum(weight.values())
    assert_allclose(scores(way).totals(clean), expected, atol=1e-12)


def test_own_contacts_are_those_of_nuplans_rule_one_by_one(scene):
    poses, there, random = scene
    half, body = random.uniform(0.3, 2.5, (WAYS, 2)), (3.3, 0.7, 1.8)
    of, mode = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2]), np.arange(WAYS) % 3
    first = random.integers(-1, MOMENTS, (DRIVES, WAYS))
    in_lane = random.random((DRIVES, MOMENTS)) < 0.5
    theirs = random.choice([0.0, 2.0], (WAYS, MOMENTS))
    moving, last = random.random((DRIVES, MOMENTS)) < 0.8, random.integers(2, MOMENTS + 1, WAYS)
    expected, modes = np.full((DRIVES, 3), MOMENTS), np.zeros((DRIVES, 3), int)

    def fault(n, r, t):
        gap, turn = there[r, t, :2] - poses[n, t, :2], there[r, t, 2] - poses[n, t, 2]
        along = gap @ [np.cos(poses[n, t, 2]), np.sin(poses[n, t, 2])]
        across = gap @ [-np.sin(poses[n, t, 2]), np.cos(poses[n, t, 2])]
        long, wide = half[r] @ np.abs([np.cos(turn), np.sin(turn)]), half[r] @ np.abs([np.sin(turn), np.cos(turn)])
        by_front = along + long > body[0] - 0.3 and abs(across) < wide + 0.9
        return theirs[r, t] == 0.0 or by_front or (along >= -body[1] and not in_lane[n, t])

    def touch(n, r, t):
        x, y, heading = poses[n, t]
        mine = heading, x + 1.3 * np.cos(heading), y + 1.3 * np.sin(heading)  # the middle of the body
        gap, turn = there[r, t, :2] - mine[1:], there[r, t, 2]
        return moving[n, t] and rectangles_overlap(
            *gap, np.cos(heading), np.sin(heading), (2.0, 0.9), np.cos(turn), np.sin(turn), tuple(half[r])
        )

    for n, r in np.ndindex(DRIVES, WAYS):
        t = first[n, r]
        if t >= 0 and not fault(n, r, t):  # the margins alone, perhaps: what counts is how the bodies touch
            touched = [late for late in range(t, last[r]) if touch(n, r, late)]
            t = touched[0] if touched and fault(n, r, touched[0]) else -1
        if t >= 0 and t < expected[n, of[r]]:
            expected[n, of[r]], modes[n, of[r]] = t, mode[r]
    assert (expected < MOMENTS).sum() > 20 and (expected == MOMENTS).sum() > 5
    told = (poses, axes_of(poses), in_lane, moving, body, there, axes_of(there), half, theirs, of, mode, 3, 0.5, last)
    found = own_contacts(first, *told)
    assert_array_equal(found[0], expected)
    assert_array_equal(found[1], modes)


@pytest.mark.parametrize(
    ('alongs', 'asides', 'moment'),
    [
        ((9.0, 4.0, 3.0, 2.0), (3.0, 2.2, 1.5, 1.2), 2),  # cuts in before us: within our margins first, then our front
        ((-3.0, -3.0, -3.0, 4.0), (3.0, 2.2, 1.5, 1.5), 4),  # drives into our side from behind, in our lane
    ],
)
def test_who_comes_into_our_margins_is_looked_at_again_when_bodies_touch(alongs, asides, moment):
    mine = np.zeros((1, 4, 3))
    there = np.stack([np.add(alongs, 1.3), asides, np.zeros(4)], axis=-1)[None]
    always, half = np.ones((1, 4), bool), np.array([[2.0, 0.9]])
    told = (mine, axes_of(mine), always, always, (3.3, 0.7, 1.8), there, axes_of(there), half, 2.0 * always)
    one = np.zeros(1, np.int64)
    found = own_contacts(np.array([[1]]), *told, one, one, 1, 0.5, np.array([4]))
    assert found[0].tolist() == [[moment]]


def test_cosine_and_sine_are_exact_whether_small_or_large():
    for angle in np.concatenate([np.linspace(-0.31, 0.31, 63), [-4.0, 1.5, 0.0, 1e-9]]):
        assert cos_sin(angle) == pytest.approx((np.cos(angle), np.sin(angle)), abs=3e-16, rel=0.0)


WARMED = """
import importlib, pkgutil, math
from planning_scenes import *
from autonomy_nodes import planning
from autonomy_nodes.planning.planner import Planner, PlannerConfig
from autonomy_nodes.planning.warmup import warm

warm(PlannerConfig())
names = ['autonomy_nodes.planning.' + module.name for module in pkgutil.iter_modules(planning.__path__)]
loops = {f'{name}.{key}': value for name in names for key, value in vars(importlib.import_module(name)).items()
         if hasattr(value, 'signatures')}
before = {name: len(loop.signatures) for name, loop in loops.items()}
state, told = ego(speed=8.0), users(car(35.0, 0.0), pedestrian(26.0, -6.0, math.pi / 2.0), modes=2)
tight = block(ground(), (10.0, 14.0), (1.2, 6.0))
Planner(PlannerConfig()).plan(situation(state, told, terrain=tight, **narrow_lane(state, stop_line(40.0))))
Planner(PlannerConfig()).plan(situation(state, told, terrain=tight))
print([name for name, loop in loops.items() if len(loop.signatures) != before[name]])
"""


def test_what_is_compiled_before_the_first_plan_is_all_that_a_lane_or_open_ground_needs():
    words = [sys.executable, '-c', WARMED]
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    told = subprocess.run(words, capture_output=True, text=True, check=True, env={**os.environ, 'PYTHONPATH': path})
    assert told.stdout.strip() == '[]'
