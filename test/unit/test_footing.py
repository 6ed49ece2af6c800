"""Where ground that was never seen may be driven: one rule, which the planner and safety keep alike."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planning_scenes import Drive, block, ego, forget, ground, users

from autonomy_nodes.common.footing import EDGE_M, BlindZones, Box, bodies_at, box_of, swept_boxes, within
from autonomy_nodes.common.geometry import wrapped
from autonomy_nodes.common.kinematics import body_of
from autonomy_nodes.common.objects import Label
from autonomy_nodes.common.sensing import ControlMode
from autonomy_nodes.common.types import DataError, Trajectory
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.planning.ground import GroundSettings, read_ground
from autonomy_nodes.planning.planner import Planner, PlannerConfig
from autonomy_nodes.planning.speeds import blocked
from autonomy_nodes.safety.gate import DangerError, GateSettings, check_ground

VEHICLE, GATE, GROUND = Vehicle(), GateSettings(), GroundSettings()
S_NS = 1_000_000_000


def zones_at(blind, x, stamp_s, mode=None):
    bodies = bodies_at(np.array([x, 0.0, 0.0]), VEHICLE)
    return blind.about(bodies, round(stamp_s * S_NS), None if mode is None else ControlMode(0, mode))


def reaches_to(zones, y=0.0):
    """Return the largest x on a line along x that the zones hold, by cells of 0.1 m."""
    grid = ground(cells=800, resolution_m=0.1)
    x = np.arange(-39.95, 39.95, 0.1)
    return x[within(zones, grid, np.column_stack([x, np.full_like(x, y)]))].max()


def test_the_zone_stays_where_the_drive_began_and_only_an_edge_goes_with_the_body():
    blind = BlindZones(VEHICLE.blind_m)
    assert reaches_to(zones_at(blind, 0.0, 0.0)) == pytest.approx(3.6 + 4.0, abs=0.1)
    assert reaches_to(zones_at(blind, 3.0, 1.0)) == pytest.approx(3.6 + 4.0, abs=0.1)
    assert reaches_to(zones_at(blind, 12.0, 3.0)) == pytest.approx(12.0 + 3.6 + EDGE_M, abs=0.1)
    gap = np.array([[9.0, 0.0]])  # left behind both
    assert not within(zones_at(blind, 12.0, 3.1), ground(), gap).any()


@pytest.mark.parametrize('mode, again', [(None, False), ('AUTONOMOUS', False), ('MANUAL', True)])
def test_a_drive_begins_anew_where_a_person_has_driven_to_and_never_by_standing(mode, again):
    blind = BlindZones(VEHICLE.blind_m)
    zones_at(blind, 0.0, 0.0)
    for stamp_s in range(1, 60):
        zones_at(blind, 12.0, float(stamp_s), mode)
    assert reaches_to(zones_at(blind, 12.0, 60.0)) == pytest.approx(12.0 + 3.6 + (4.0 if again else EDGE_M), abs=0.1)


def test_a_drive_begins_anew_when_time_jumps_back():
    blind = BlindZones(VEHICLE.blind_m)
    zones_at(blind, 0.0, 100.0)
    assert reaches_to(zones_at(blind, 12.0, 10.0)) == pytest.approx(12.0 + 3.6 + 4.0, abs=0.1)


def test_a_ditch_that_was_never_looked_into_is_not_crept_into():
    grid = forget(ground(), (14.0, 24.0), (-120.0, 120.0))
    drive = Drive(Planner(PlannerConfig()), VEHICLE, ego())
    drive.run(10.0, lambda now: {'terrain': replace(grid, stamp_ns=now.stamp_ns)})
    front = drive.path[:, 0].max() + VEHICLE.front_m
    assert 11.0 < front < 14.0
    assert drive.path[-1, 3] < 0.05
    assert 'unknown ground' in drive.plans[-1].decision.reason


def test_who_moves_takes_its_trace_along_and_who_stands_does_not():
    moves = users((Label.CAR, 20.0, 0.0, 0.0, 10.0, 4.5, 1.8), (Label.CAR, 40.0, 0.0, 0.0, 0.2, 4.5, 1.8)).objects
    (box,) = swept_boxes(moves, np.zeros(2))
    away = box.distances(np.array([[22.2, 0.0], [20.0 - 2.25 - 6.0 + 0.1, 0.0], [20.0 - 2.25 - 6.5, 0.0]]))
    assert away == pytest.approx([0.0, 0.0, 0.5], abs=1e-6)  # 0.6 s at 10 m/s behind it


def path(pose, speed, curvature, acceleration):
    """Return 2 s of driving, a moment each 0.1 s."""
    times = np.arange(0.0, 2.05, 0.1)
    speeds = np.maximum(speed + acceleration * times, 0.0)
    gone = np.concatenate([[0.0], np.cumsum((speeds[1:] + speeds[:-1]) / 2.0 * 0.1)])
    headings = pose[2] + curvature * gone
    step = np.diff(gone)[:, None] * np.stack([np.cos(headings[:-1]), np.sin(headings[:-1])], axis=1)
    xy = pose[:2] + np.concatenate([np.zeros((1, 2)), np.cumsum(step, axis=0)])
    poses = np.column_stack([xy, np.zeros(len(times)), wrapped(headings)])
    return Trajectory(0, times, poses, speeds, 0 * times, 0 * times, 0 * times)


@st.composite
def scenes(draw):
    """A body somewhere on a grid with patches of unseen and of bad ground, who moves, and a drive."""
    number = st.floats(-1.0, 1.0, width=32)
    grid = ground(stamp_ns=0, cells=160)
    for _ in range(draw(st.integers(0, 5))):
        x, y = 9.0 + 9.0 * draw(number), 4.0 * draw(number)
        length, width = 0.4 + 3.0 * abs(draw(number)), 0.4 + 3.0 * abs(draw(number))
        (block if draw(st.booleans()) else forget)(grid, (x, x + length), (y, y + width))
    pose = np.array([draw(number), draw(number), 0.5 * draw(number)])
    drive = path(pose, 6.5 + 6.5 * draw(number), 0.15 * draw(number), 2.5 * draw(number))
    began = pose - np.array([20.0 * draw(st.booleans()), 0.0, 0.0])
    others = [(Label.CAR, 8.0 + 6.0 * draw(number), 3.0 * draw(number), 3.0 * draw(number), 6.0, 4.5, 1.8)]
    return grid, pose, began, drive, users(*others[: draw(st.integers(0, 1))]).objects


@settings(max_examples=400, deadline=None)
@given(scenes())
def test_safety_vetoes_no_ground_that_the_planner_calls_free(scene):
    grid, pose, began, drive, objects = scene
    blind = BlindZones(VEHICLE.blind_m)
    blind.about(bodies_at(began, VEHICLE), 0, None)
    own, moving = bodies_at(pose, VEHICLE), swept_boxes(objects, pose[:2])
    zones = blind.about(own, 0, None)
    told = read_ground((grid, None), own, zones, moving, VEHICLE.height_m, GROUND)
    soon = np.ascontiguousarray(drive.poses[::2][:, [0, 1, 3]][None, :6])  # the planner looks each 0.2 s
    if not blocked(soon, told, GROUND.margin_m, body_of(VEHICLE)).any():
        check_ground(drive, grid, zones, moving, VEHICLE, GATE)


@pytest.mark.parametrize('patch', [block, forget])
def test_safety_vetoes_bad_ground_in_the_middle_of_the_way(patch):
    grid, drive = patch(ground(stamp_ns=0, cells=160), (7.0, 11.0), (-3.0, 3.0)), path(np.zeros(3), 8.0, 0.0, 0.0)
    with pytest.raises(DangerError):
        check_ground(drive, grid, [], [], VEHICLE, GATE)
    there = Box(np.array([9.0, 0.0, 0.0]), np.array([2.2, 3.2]))
    check_ground(drive, grid, [], [there], VEHICLE, GATE)  # somebody moves there: that is for others to judge


@pytest.mark.parametrize('x, age_ns, error', [(11.0, -1, DataError), (11.0, 0, DangerError), (6.0, -1, DangerError)])
def test_what_a_plan_could_not_know_is_refused_and_does_no_more_harm_unless_it_is_imminent(x, age_ns, error):
    grid = block(ground(stamp_ns=0, cells=160), (x, x + 1.0), (-3.0, 3.0))  # 2.7 + 9 m are reached in 1 s
    drive = path(np.zeros(3), 9.0, 0.0, 0.0)
    drive = Trajectory(age_ns, *(getattr(drive, name) for name in (
        'times_s', 'poses', 'speeds_mps', 'accelerations_mps2', 'heading_rates_rps', 'wheel_angles_rad')))  # fmt: skip
    with pytest.raises(DataError) as found:
        check_ground(drive, grid, [], [], VEHICLE, GATE)
    assert type(found.value) is error


def test_a_box_stands_about_the_middle_of_its_body():
    box = box_of(body_of(VEHICLE), np.array([1.0, 2.0, np.pi / 2.0]))
    assert box.pose == pytest.approx([1.0, 2.0 + 1.35, np.pi / 2.0])
    assert box.half == pytest.approx([2.25, 0.9])
