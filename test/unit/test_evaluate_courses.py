"""Hard places are as hard as they say, and what happened there is judged by numbers worked out by hand."""

import json
import math

import numpy as np
import pytest
from planning_scenes import ego

from autonomy_nodes.commands.main import main
from autonomy_nodes.common.types import DataError
from autonomy_nodes.common.vehicle import Trailer, Vehicle
from autonomy_nodes.evaluation.courses.drive import REACHED, Driven, driven
from autonomy_nodes.evaluation.courses.judge import hitch, of_country, of_truck
from autonomy_nodes.evaluation.courses.offroad import SEEN_M, Country, Known, country, true_of, wheel_places
from autonomy_nodes.evaluation.courses.place import Place, followed, painted, road_of, room_of, strip
from autonomy_nodes.evaluation.courses.roads import ring_of, roundabout, turn
from autonomy_nodes.evaluation.courses.yard import yard
from autonomy_nodes.evaluation.measures.courses import courses_of, options_of, summed
from autonomy_nodes.evaluation.measures.task import Task
from autonomy_nodes.nodes.launcher import vehicle_file
from autonomy_nodes.nodes.processes import vehicle_of
from autonomy_nodes.sim.ground import HeightField
from autonomy_nodes.sim.materials import Material, Semantic
from autonomy_nodes.sim.mesh import box
from autonomy_nodes.sim.world import Solid, World
from autonomy_nodes.sim.world import Task as Errand

EU = Vehicle(wheelbase_m=3.7, front_m=5.1, rear_m=0.9, width_m=2.55, height_m=3.6, trailer=Trailer(present=True))
TRUCK = vehicle_of('planning', [vehicle_file('truck')])
CROSS = vehicle_of('planning', [vehicle_file('offroad')])


def road(half=2.0, goal=20.0, narrow_from=60.0):
    """Straight on along x from -20 to 60 m; narrower than the truck from somewhere on."""
    line = np.column_stack([np.arange(-20.0, 60.0, 0.5), np.zeros(160)])
    far = line[:, 0] >= narrow_from
    wide, narrow = strip(line[~far], -half, half), strip(line[far], -1.1, 1.1) if far.any() else []
    free, corner = painted([*wide, *narrow], np.array([[-20.0, -half], [60.0, half]]), 4.0)
    return Place('turn', 0, free, corner, line, (0.0, 0.0, 0.0), np.array([goal, 0.0]), True)


def rows(y=0.0, joints=(0.0, 0.0, 0.0), speed=5.0):
    moments = np.arange(len(joints)) * 0.1
    nothing = np.zeros(len(joints))
    return np.column_stack([moments, speed * moments, nothing + y, nothing, nothing + speed, nothing, joints])


def land(height=lambda x, y: 0.0 * x, *solids):
    """100 m by 100 m about the origin."""
    x, y = np.meshgrid(np.arange(-50.0, 50.5, 0.5), np.arange(-50.0, 50.5, 0.5), indexing='ij')
    field = HeightField(np.full(2, -50.0), 0.5, height(x, y), np.full((200, 200), Material.GRASS, np.uint8))
    errand = Errand((-30.0, 0.0, 0.0), (30.0, 0.0, 0.0))
    way = np.column_stack([np.arange(-30.0, 31.0), np.zeros(61)])
    return true_of(0, World('rough', 0, field, (), (), tuple(solids), (), None, errand, way))


def rock(x, y, half=0.5):
    outline = np.array([[x - half, y - half], [x + half, y - half], [x + half, y + half], [x - half, y + half]])
    return Solid(Semantic.RUBBLE, box(1.0, 1.0, 1.0, Material.ROCK), outline)


def test_a_truck_of_eu_numbers_sweeps_the_ring_of_eu_law():
    assert ring_of(12.5, EU) == pytest.approx(5.35, abs=0.01)


def test_room_is_told_on_both_sides_of_an_edge():
    free = np.zeros((40, 40), bool)
    free[10:30] = True  # from 1.0 to 3.0 m
    room = room_of(free)
    assert room[20, 20] == pytest.approx(0.95) and room[10, 20] == pytest.approx(0.05)
    assert room[9, 20] == pytest.approx(-0.05) and room[5, 20] == pytest.approx(-0.45)


def test_the_witness_follows_a_settled_turn_and_no_sharper_one_than_its_wheels_allow():
    angle = np.linspace(0.0, 3.0 * np.pi, 600)
    ring = np.column_stack([np.sin(angle), 1.0 - np.cos(angle)])
    settled = -(math.asin(7.7 / math.hypot(12.0, 0.6)) - math.atan(0.6 / 12.0))
    assert followed(12.0 * ring, EU)[-10, 3] == pytest.approx(settled, abs=0.005)  # its ends bend less
    assert followed(5.0 * ring, EU) is None


@pytest.mark.parametrize('family', [turn, roundabout, yard])
def test_a_place_is_the_same_for_its_seed_and_its_witness_gets_round(family):
    one, again, other = family(3, TRUCK), family(3, TRUCK), family(4, TRUCK)
    assert (one.line == again.line).all() and (one.free == again.free).all()
    assert one.free.shape != other.free.shape or (one.free != other.free).any()
    for place in (one, other):
        assert place.witness_m >= 0.5
        assert place.clearances(np.array([place.start[:2], place.goal])).min() > 0.0


def test_a_turn_is_as_wide_as_the_ring_and_the_room():
    place = turn(3, TRUCK)
    facts, beside = place.facts, np.array([-20.0, 0.0])
    half = 0.5 * (facts['radius_m'] + 2.0 * facts['room_m'] - ring_of(facts['radius_m'], TRUCK))
    assert place.clearances(beside) == pytest.approx(half, abs=0.15)
    assert place.clearances(beside + (0.0, half + 0.5)) == pytest.approx(-0.5, abs=0.15)


def test_what_the_ground_tells_is_free_only_where_all_of_it_is():
    place = road(half=2.1)
    told = road_of(place)
    y = told.corner[1] + 0.4 * np.arange(told.drivable.shape[1])
    open_ = told.drivable[50]
    assert (y[open_] >= -2.1 - 1e-6).all() and (y[open_] + 0.4 <= 2.1 + 1e-6).all() and open_.sum() in (9, 10)


def test_a_body_over_the_edge_is_a_violation_and_one_inside_is_none():
    drive = Driven(REACHED, rows())
    inside = of_truck(road(), drive, TRUCK)
    # edges are drawn in cells of 0.1 m, which are free where a line touches them
    assert inside['clearance_m'] == pytest.approx(2.0 - 1.275 + 0.05, abs=0.12) and inside['violation'] == 0.0
    outside = of_truck(road(), Driven(REACHED, rows(y=1.0)), TRUCK)
    assert outside['clearance_m'] == pytest.approx(-0.275 + 0.05, abs=0.12)
    assert outside['violation'] == outside['off_path'] == 1.0 and outside['hitch_violation'] == 0.0


def test_a_trailer_that_leans_out_is_judged_too():
    leaning = of_truck(road(), Driven(REACHED, rows(joints=(0.2, 0.2, 0.2))), TRUCK)
    out_m = 12.0 * math.sin(0.2) + 1.275 * math.cos(0.2) - 2.0  # its rear corner, 12 m behind the hitch
    assert leaning['clearance_m'] == pytest.approx(-out_m + 0.05, abs=0.12)


def test_the_hitch_has_a_limit_forwards_and_lower_ones_backwards():
    assert hitch(rows(joints=(0.0, 0.02, 0.04)), TRUCK) == pytest.approx((0.04, 0.2, False))
    assert hitch(rows(joints=(1.0, 1.02, 1.047)), TRUCK)[2]
    assert not hitch(rows(joints=(0.7, 0.7, 0.7)), TRUCK)[2]
    assert hitch(rows(joints=(0.7, 0.7, 0.7), speed=-1.0), TRUCK)[2]
    assert hitch(rows(joints=(0.0, 0.02, 0.04), speed=-1.0), TRUCK)[2]  # 11 degrees a second


def test_a_truck_drives_down_a_road_and_stops_where_it_is_too_narrow():
    drive = driven(road(goal=12.0), TRUCK, 20.0, 2)
    assert drive.outcome == REACHED and of_truck(road(), drive, TRUCK)['violation'] == 0.0
    closed = road(narrow_from=14.0)
    drive = driven(closed, TRUCK, 12.0, 2)
    told = of_truck(closed, drive, TRUCK)
    assert told['reached'] == 0.0 and told['violation'] == 0.0 and drive.rows[-1, 1] + TRUCK.front_m < 14.5


def test_rocks_ditches_and_slopes_cannot_be_driven_and_flat_ground_can():
    def height(x, y):
        return np.where(np.abs(x - 10.0) < 1.5, -0.9, 0.0) + 0.8 * np.clip(y - 20.0, 0.0, None)

    truth = land(height, rock(0, 5))
    easy = truth.at('traversability', np.array([[-20.0, 0.0], [0.1, 5.1], [10.0, 0.0], [-20.0, 30.0]]))
    assert easy[0] > 0.9 and (easy[1:] == 0.0).all()
    assert truth.at('class', np.array([0.1, 5.1])) == 3.0 and truth.at('class', np.array([10.0, 0.0])) == 4.0


def test_ground_is_known_once_it_was_near_and_not_before():
    known = Known(land())
    near, far = known.grids(0, ego())
    ahead = np.array([[SEEN_M - 2.0, 0.0], [SEEN_M + 2.0, 0.0]])
    assert near.at('observed', ahead).tolist() == [1.0, 0.0]
    assert np.isnan(near.at('traversability', ahead)).tolist() == [False, True]
    assert far.at('observed', ahead).tolist() == [1.0, 1.0]
    known.grids(0, ego(x=10.0))
    near, _ = known.grids(0, ego())
    assert near.at('observed', ahead).tolist() == [1.0, 1.0]


def test_a_rock_that_nobody_has_come_near_to_is_not_in_the_grids():
    known = Known(land(lambda x, y: 0.0 * x, rock(40.1, 0.1)))
    near, far = known.grids(0, ego())
    assert np.isnan(near.at('occupancy', np.array([40.1, 0.1])))
    assert far.at('occupancy', np.array([40.1, 0.1])) == 1.0  # within 60 m


def test_wheels_stand_where_the_axles_are():
    places = wheel_places(np.array([[1.0, 2.0, 0.5 * np.pi]]), CROSS)[0]
    assert places[:, 1].min() == pytest.approx(2.0 - 0.3) and places[:, 1].max() == pytest.approx(2.0 + 2.9 + 0.3)
    assert places[:, 0].min() == pytest.approx(1.0 - 0.975) and places[:, 0].max() == pytest.approx(1.0 + 0.975)


def test_a_wheel_in_a_ditch_and_a_body_over_a_rock_are_violations_and_a_rock_between_drives_is_none():
    ditch = land(lambda x, y: np.where(np.abs(x - 1.0) < 1.5, -0.9, 0.0))
    told = of_country(ditch, Driven(REACHED, rows()), CROSS)
    assert told['wheel_violation'] == told['violation'] == 1.0 and told['least_traversability'] == 0.0
    stone = land(lambda x, y: 0.0 * x, rock(5.0, 0.0, 0.1))  # between the wheels
    told = of_country(stone, Driven(REACHED, rows(joints=np.zeros(9))), CROSS)
    assert told['touched'] == told['violation'] == 1.0 and told['wheel_violation'] == 0.0
    clear = of_country(land(lambda x, y: 0.0 * x, rock(2.0, 4.0)), Driven(REACHED, rows()), CROSS)
    assert clear['violation'] == 0.0 and clear['hard'] == 0.0


def test_the_way_of_a_country_can_be_driven():
    found = country(3, CROSS)
    assert isinstance(found, Country) and found.at('traversability', found.way).min() > 0.2
    assert 0.0 < found.share_straight() < 1.0


def test_more_drives_change_none_and_seeds_share_none():
    options = options_of(Task('simulated', 'out'))
    few, many = courses_of(0, options | {'count': 4, 'offroad': 1}), courses_of(0, options)
    assert [course.name for course in few] == ['turn_000', 'roundabout_001', 'yard_002', 'turn_003', 'offroad_000']
    assert set(few) <= set(many) and not set(many) & set(courses_of(3, options))


@pytest.mark.parametrize('told', [{'count': 'many'}, {'count': '-1'}, {'every': '0'}, {'speed': '3'}])
def test_nonsense_is_refused(told):
    with pytest.raises(DataError, match=next(iter(told))):
        options_of(Task('simulated', 'out', options=told))


def test_shares_count_drives_and_the_worst_is_told():
    good = {'violation': 0.0, 'reached': 1.0, 'clearance_m': 0.4, 'hitch_deg': 20.0, 'off_path': 0.0}
    stuck = good | {'reached': 0.0, 'hitch_deg': 33.0}
    cut = good | {'violation': 1.0, 'clearance_m': -0.1, 'off_path': 1.0}
    found = summed([good, stuck, cut, good])
    assert found['good'] == 0.5 and found['reached'] == 0.75 and found['without_violation'] == 0.75
    assert found['n_violation'] == found['n_off_path'] == 1
    assert found['worst.clearance_m'] == -0.1 and found['worst.hitch_deg'] == 33.0


def test_a_course_is_measured_from_the_command_line_and_only_simulated(tmp_path):
    words = ['evaluate', 'courses', '--out', str(tmp_path / 'out'), '--set', 'count=1', '--set', 'offroad=0']
    assert main([*words, '--set', 'seconds=1', '--data', 'simulated']) == 0
    told = json.loads((tmp_path / 'out/turn_000.json').read_text())
    assert told['outcome'] == 'time over' and len(told['rows']) == 11 and told['rows'][-1][0] == 1.0
    assert main([*words, '--data', str(tmp_path)]) == 2
