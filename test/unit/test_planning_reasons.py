"""Twenty situations picked by hand: the planner names the true reason, and without its cause it would do otherwise."""

import math

import numpy as np
import pytest
from planning_scenes import (
    area,
    block,
    car,
    ego,
    forget,
    ground,
    lights,
    narrow_lane,
    pedestrian,
    road,
    situation,
    stop_line,
    straight,
    users,
)

from autonomy_nodes.common.lanes import Light, Line, Rule
from autonomy_nodes.common.objects import Label
from autonomy_nodes.planning.planner import Planner, PlannerConfig

ACROSS, BEYOND = (-120.0, 120.0), (28.0, 130.0)
BARRED = 'ground that cannot be driven'


def somebody(label, x, y, heading=0.0, speed=0.0, length=1.8, width=0.6):
    return label, x, y, heading, speed, length, width


def cells(x, **layers):
    grid = ground()
    for name, value in layers.items():
        grid.layers[name][area(grid, x, ACROSS)] = value
    return grid


def who(*rows):
    return lambda: {'predictions': users(*rows)}


def where(make):
    return lambda: {'terrain': make()}


UP, DOWN = math.pi / 2.0, -math.pi / 2.0
SITUATIONS = {  # name: (speed, words of the reason, what is there)
    'a pedestrian stands in the lane': (8.0, 'pedestrian 01', who(pedestrian(30.0, 0.0, UP, 0.0))),
    'a pedestrian steps off the right kerb': (8.0, 'pedestrian 01', who(pedestrian(26.0, -3.5, UP, 1.4))),
    'a pedestrian comes from the left': (8.0, 'pedestrian 01', who(pedestrian(28.0, 4.0, DOWN, 1.4))),
    'a child runs across': (7.0, 'pedestrian 01', who(pedestrian(26.0, -6.0, UP, 2.5))),
    'a car stands in the lane': (8.0, 'car 01', who(car(35.0, 0.0))),
    'the car ahead is slow': (10.0, 'car 01', who(car(30.0, 0.0, 0.0, 4.0))),
    'a car crosses': (8.0, 'car 01', who(car(34.0, -16.0, UP, 5.0))),
    'a car comes towards us in our lane': (6.0, 'car 01', who(car(55.0, 0.0, math.pi, 5.0))),
    'a truck stands half in the lane': (8.0, 'truck 01', who(somebody(Label.TRUCK, 36.0, -1.0, 0.0, 0.0, 9.0, 2.5))),
    'a cyclist goes ahead': (8.0, 'bicycle 01', who(somebody(Label.BICYCLE, 22.0, -0.3, 0.0, 3.0))),
    'an animal stands in the lane': (8.0, 'animal 01', who(somebody(Label.ANIMAL, 30.0, 0.0, UP))),
    'of two the nearer one holds us': (8.0, 'car 01', who(car(30.0, 0.0), car(60.0, 0.0))),
    'one beside the lane does not hold us': (8.0, 'car 01', who(car(32.0, 0.0), car(20.0, 12.0, 0.0, 5.0))),
    'nobody has seen the ground': (8.0, 'unknown ground', where(lambda: forget(ground(), BEYOND, ACROSS))),
    'a wall stands across': (8.0, BARRED, where(lambda: block(ground(), (34.0, 36.0), ACROSS))),
    'a ditch runs across': (8.0, BARRED, where(lambda: cells((34.0, 35.2), traversability=0.0, **{'class': 4.0}))),
    'a bar hangs too low': (8.0, BARRED, where(lambda: cells((34.0, 35.2), ceiling=1.6))),
    'the network forbids the ground': (8.0, BARRED, where(lambda: cells((34.0, 36.0), traversability=0.1))),
    'the light is red': (8.0, 'its light is red', lambda: {'lights': lights(950, Light.RED)}),
    'a stop line has no light': (8.0, 'it has no light', dict),
}  # fmt: skip


def planned(speed, lines, **told):
    state = ego(speed=speed)
    return Planner(PlannerConfig()).plan(situation(state, **told, **narrow_lane(state, *lines)))


@pytest.mark.parametrize('name', SITUATIONS)
def test_the_true_reason_is_named_and_without_it_we_come_further(name):
    speed, words, told = SITUATIONS[name]
    lines = {'the light is red': [stop_line(33.0)], 'a stop line has no light': [stop_line(33.0, rule=Rule.STOP)]}
    held, free = planned(speed, lines.get(name, []), **told()), planned(speed, [])
    assert words in held.decision.reason
    assert free.trajectory.poses[-1, 0] > held.trajectory.poses[-1, 0] + 3.0
    assert words not in free.decision.reason


def test_a_line_that_may_not_be_crossed_is_named_where_it_alone_keeps_us_behind_a_slow_car():
    state, slow = ego(speed=10.0), users(car(28.0, 0.0, 0.0, 3.0))

    def behind(line):
        beside = [(Line.CENTERLINE, 8, straight(3.5)), (line, 73, straight(1.75))]
        return Planner(PlannerConfig()).plan(situation(state, slow, **road(state, *beside)))

    held, free = behind(Line.SOLID), behind(Line.DIVIDER)
    assert np.abs(held.trajectory.poses[:, 1]).max() < 1.0 < free.trajectory.poses[:, 1].max()
    assert held.decision.values.get('gate') == 'lane_line' or 'car 01' in held.decision.reason
