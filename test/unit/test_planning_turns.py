"""Sharp turns: the line is eased within the room there is, and driven no faster than the wheels can be turned."""

import math

import numpy as np
import pytest
from planning_scenes import block, ground

from autonomy_nodes.common.kinematics import body_of
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.planning.easing import eased
from autonomy_nodes.planning.ground import GroundSettings, read_ground
from autonomy_nodes.planning.paths import shifted
from autonomy_nodes.planning.reference import reference_of, reference_through
from autonomy_nodes.planning.speeds import STEERING_SHARE, by_steering

CAR = Vehicle()


def ground_of(grid):
    return read_ground((grid, None), [], [], [], 1.6, GroundSettings())


def straight(end=60.0):
    return reference_through('lane', np.column_stack([np.arange(-20.0, end), np.zeros(int(end) + 20)]))


def least_room(reference, told, first=0):
    """Return how much nearer blocked ground may still come before it touches the circles about the body."""
    offsets, radius = body_of(CAR).circles()
    forward = np.stack([np.cos(reference.headings), np.sin(reference.headings)], axis=-1)
    places = reference.points[:, None] + offsets[:, None] * forward[:, None]
    return float(told.clearance(places[first:]).min()) - radius


def test_a_line_with_room_beside_it_stays_as_it_is():
    line = straight()
    assert eased(line, 20.0, ground_of(ground()), CAR) is line


def test_a_line_gives_way_to_what_stands_in_its_edge_and_comes_back():
    told = ground_of(block(ground(), (18.0, 22.0), (-3.0, -0.4)))
    line = straight()
    found = eased(line, 20.0, told, CAR)
    _, aside, _ = line.project(found.points)
    assert least_room(line, told) < 0.0 < least_room(found, told)
    assert 0.3 < aside.max() < 0.9 and aside.min() > -0.05
    assert np.abs(aside[[0, 5, -15, -1]]).max() < 0.02
    assert np.abs(found.curvatures).max() < 0.15


def test_where_both_sides_are_equally_tight_the_middle_is_kept():
    grid = block(block(ground(), (10.0, 30.0), (-3.0, -1.2)), (10.0, 30.0), (1.2, 3.0))
    line = straight()
    _, aside, _ = line.project(eased(line, 20.0, ground_of(grid), CAR).points)
    assert np.abs(aside).max() < 0.05


def test_in_a_sharp_turn_the_line_begins_wide_so_that_the_rear_does_not_cut_the_corner():
    grid = block(ground(), (-20.0, 19.0), (-40.0, -0.8))  # to the right before the turn; it turns right at x = 20
    corner = np.array([[-20.0, 0.0], [20.4, 0.0], [20.4, -40.0]])
    told, line = ground_of(grid), reference_through('lane', corner)
    found = eased(line, 20.0, told, CAR)
    _, aside, _ = line.project(found.points)
    assert least_room(line, told) < 0.0
    assert least_room(found, told) > least_room(line, told) + 0.15
    assert aside.max() > 0.15


def test_nothing_is_gained_where_nothing_is_known():
    grid = ground()
    grid.layers['observed'][:] = 0.0
    line = straight()
    assert eased(line, 20.0, ground_of(grid), CAR) is line


def test_a_turn_is_driven_no_faster_than_the_wheels_turn():
    bends = np.concatenate([np.zeros(30), np.linspace(0.0, 0.2, 5), np.full(30, 0.2)])  # 0.05 1/m each metre
    headings = np.cumsum(bends)
    points = np.column_stack([np.cumsum(np.cos(headings)), np.cumsum(np.sin(headings))])
    path = shifted(reference_of('lane', points), (0.0, 0.0, 0.0), 0.0, [('x', 0.0, 10.0)], 60)
    speeds = np.sqrt(by_steering(path, CAR)[0])
    wheel = math.atan(CAR.wheelbase_m * 0.125) - math.atan(CAR.wheelbase_m * 0.075)
    wanted = STEERING_SHARE * CAR.limits.wheel_rate_rps / wheel
    assert speeds[32] == pytest.approx(wanted, rel=0.25)
    assert speeds[5] > 100.0 and speeds[50] > 5.0 * wanted
