from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sim_worlds import CAR, plain, world

from autonomy_nodes.common.kinematics import steady_articulation
from autonomy_nodes.common.lanes import Light, Line
from autonomy_nodes.common.objects import Label
from autonomy_nodes.common.types import Command
from autonomy_nodes.common.vehicle import Trailer
from autonomy_nodes.sim.dynamics import Dynamics, DynamicsSettings
from autonomy_nodes.sim.judge import Judge, rectangle, touching
from autonomy_nodes.sim.materials import Material, Semantic
from autonomy_nodes.sim.mesh import box
from autonomy_nodes.sim.rightofway import Seen
from autonomy_nodes.sim.scenery import outline
from autonomy_nodes.sim.traffic import Path, Traffic, intelligent_driver
from autonomy_nodes.sim.world import Actor, Area, Border, Drive, Lane, LaneMap, Policy, Signal, Solid

DT = 0.02


def driven(vehicle, motion, command, seconds, ground=None):
    dynamics = Dynamics(vehicle, ground or plain(half_m=400.0, cell_m=20.0), DynamicsSettings())
    motion = motion or dynamics.start(0.0, 0.0, 0.0, 0.0)
    trace = [motion]
    for _ in range(round(seconds / DT)):
        trace.append(dynamics.step(trace[-1], command, DT))
    return trace


def test_a_car_gathers_speed_with_its_lag():
    trace = driven(CAR, None, Command(0, 10.0, 1.5, 0.0), 5.0)
    assert trace[-1].speed_mps == pytest.approx(1.5 * (5.0 - 0.25), abs=0.05)
    assert trace[-1].acceleration_mps2 == pytest.approx(1.5, abs=1e-3)
    assert trace[-1].xy_m[1] == 0.0


def test_more_than_the_limits_is_not_given():
    hurried = driven(CAR, None, Command(0, 30.0, 9.0, 2.0), 2.0)[-1]
    assert hurried.acceleration_mps2 == pytest.approx(CAR.limits.acceleration_mps2, abs=1e-3)
    assert hurried.wheel_angle_rad == pytest.approx(CAR.limits.wheel_angle_rad, abs=1e-4)
    wheels = np.array([motion.wheel_angle_rad for motion in driven(CAR, None, Command(0, 0.0, -1.0, 2.0), 2.0)])
    assert np.diff(wheels).max() == pytest.approx(CAR.limits.wheel_rate_rps * DT, rel=1e-6)


def test_brakes_stop_the_car_and_hold_it():
    start = Dynamics(CAR, plain(), DynamicsSettings()).start(0.0, 0.0, 0.0, 8.0)
    trace = driven(CAR, start, Command(0, 0.0, -4.0, 0.0), 6.0)
    speeds = np.array([motion.speed_mps for motion in trace])
    assert speeds.min() == 0.0
    assert speeds[-100:].max() == 0.0
    assert trace[-1].xy_m[0] == pytest.approx(8.0**2 / 8.0 + 8.0 * 0.25, abs=0.4)  # way of braking and of the lag


def test_a_speed_below_zero_is_reverse():
    backed = driven(CAR, None, Command(0, -2.0, -1.0, 0.0), 3.0)[-1]
    assert backed.speed_mps < -2.0
    held = driven(CAR, backed, Command(0, -2.0, 2.0, 0.0), 6.0)[-1]
    assert held.speed_mps == 0.0


def test_a_steady_turn_has_the_radius_of_the_bicycle():
    start = Dynamics(CAR, plain(), DynamicsSettings()).start(0.0, 0.0, 0.0, 4.0)
    trace = driven(CAR, start, Command(0, 4.0, 0.0, 0.2), 20.0)[200:]
    places = np.array([motion.xy_m for motion in trace])
    centre = np.linalg.lstsq(np.column_stack([2 * places, np.ones(len(places))]), (places**2).sum(1), rcond=None)[0][:2]
    radii = np.linalg.norm(places - centre, axis=1)
    assert radii == pytest.approx(np.full(len(radii), CAR.wheelbase_m / np.tan(0.2)), rel=2e-3)


def test_on_mud_the_car_brakes_longer_and_slides_outwards():
    def end(material, wheel, acceleration):
        ground = plain(half_m=100.0, material=material)
        start = Dynamics(CAR, ground, DynamicsSettings()).start(0.0, 0.0, 0.0, 12.0)
        return driven(CAR, start, Command(0, 0.0, acceleration, wheel), 2.0, ground)[-1]

    assert end(Material.MUD, 0.0, -6.0).xy_m[0] > end(Material.ASPHALT, 0.0, -6.0).xy_m[0] + 3.0
    assert end(Material.MUD, 0.3, 0.0).heading_rad < 0.6 * end(Material.ASPHALT, 0.3, 0.0).heading_rad


def test_the_trailer_settles_where_kinematics_says():
    truck = replace(CAR, wheelbase_m=3.8, front_m=5.2, trailer=Trailer(present=True))
    start = Dynamics(truck, plain(), DynamicsSettings()).start(0.0, 0.0, 0.0, 4.0)
    trace = driven(truck, start, Command(0, 4.0, 0.0, 0.15), 60.0)
    radius = truck.wheelbase_m / np.tan(0.15)
    assert trace[-1].joint_rad == pytest.approx(steady_articulation(radius, truck), abs=2e-3)


def test_on_a_slope_the_car_lies_as_the_slope():
    motion = driven(CAR, None, Command(0, 5.0, 1.0, 0.0), 3.0, plain(slope=0.2, half_m=100.0))[-1]
    assert motion.map_from_base[2, 3] == pytest.approx(0.2 * motion.xy_m[0], abs=1e-6)
    assert motion.map_from_base[:3, 0] == pytest.approx(np.array([1.0, 0.0, 0.2]) / np.sqrt(1.04), abs=1e-9)
    assert motion.map_from_base[:3, :3] @ motion.map_from_base[:3, :3].T == pytest.approx(np.eye(3), abs=1e-12)
    travelled = np.hypot(motion.xy_m[0], motion.map_from_base[2, 3])
    flat = driven(CAR, None, Command(0, 5.0, 1.0, 0.0), 3.0)[-1]
    assert travelled == pytest.approx(flat.xy_m[0], abs=1e-3)


def one_lane(length_m=200.0, signal=None):
    x = np.linspace(-50.0, length_m - 50.0, 101)
    borders = {
        n: Border(n, Line.SOLID, np.column_stack([x, np.full(101, y), np.zeros(101)]))
        for n, y in ((1, 1.75), (2, -1.75))
    }
    borders[3] = Border(3, Line.STOP_LINE, np.array([[length_m - 60.0, -1.5, 0.0], [length_m - 60.0, 1.5, 0.0]]))
    lane = Lane(9, 1, 2, signal=signal.id if signal else 0, stop_line=3 if signal else 0)
    return LaneMap(borders, {9: lane}, signals={signal.id: signal} if signal else {})


def follower(id_, start_m, speed=10.0, **policy):
    return Actor(id_, Label.CAR, 'car', (4.0, 1.8, 1.5), Policy(Drive.LANES, speed, (9,), start_m=start_m, **policy))


def run(traffic, seconds, ego=()):
    for step in range(round(seconds / DT)):
        traffic.advance(step * DT, DT, ego)
    return traffic


def test_a_driver_stops_behind_one_who_stands_and_keeps_two_metres():
    parked = Actor(2, Label.CAR, 'car', (4.0, 1.8, 1.5), place=(60.0, 0.2, 0.0))
    traffic = run(Traffic(world(lanes=one_lane(), actors=(follower(1, 10.0), parked))), 40.0)
    stand = traffic.stands[1]
    assert stand.speed_mps < 0.05
    assert 60.0 - stand.x_m - 4.0 == pytest.approx(2.0, abs=0.5)


def test_a_driver_passes_one_who_stands_beside_the_lane():
    parked = Actor(2, Label.CAR, 'car', (4.0, 1.8, 1.5), place=(60.0, 3.2, 0.0))
    traffic = run(Traffic(world(lanes=one_lane(), actors=(follower(1, 10.0), parked))), 14.0)
    assert traffic.stands[1].x_m > 80.0


def test_a_driver_stops_behind_the_vehicle_too():
    ego = Seen(30.0, 0.0, 0.0, 0.0, 4.5, 1.8)
    traffic = run(Traffic(world(lanes=one_lane(), actors=(follower(1, 10.0),))), 25.0, [ego])
    assert 30.0 - 2.25 - (traffic.stands[1].x_m + 2.0) == pytest.approx(2.0, abs=0.5)


def test_a_driver_waits_at_red_and_goes_at_green():
    red = Signal(5, ((0.0, 0.0, 3.0),), ((int(Light.RED), 25.0), (int(Light.GREEN), 30.0)))
    a_world = world(lanes=one_lane(signal=red), actors=(follower(1, 60.0),))
    waiting = run(Traffic(a_world), 24.0).stands[1]
    assert waiting.speed_mps < 0.1
    assert 137.0 < waiting.x_m + 2.0 < 140.0  # the line is at 140
    gone = run(Traffic(a_world), 40.0).stands[1]
    assert gone.gone or gone.x_m > 145.0


def test_at_the_end_of_its_lanes_an_actor_leaves_or_begins_again():
    leaves, loops = follower(1, 180.0), follower(2, 100.0, loops=True)
    traffic = run(Traffic(world(lanes=one_lane(), actors=(leaves, loops))), 15.0)
    assert not traffic.present(1)
    assert traffic.present(2)
    assert traffic.stands[2].x_m < 20.0


def test_a_walker_waits_for_the_vehicle_to_come_near_and_then_crosses():
    path = np.array([[20.0, -6.0], [20.0, 6.0]])
    walk = Policy(Drive.WALK, 1.5, path=path, starts_s=1e9, starts_within_m=15.0)
    walker = Actor(1, Label.PEDESTRIAN, 'pedestrian', (0.5, 0.5, 1.7), walk)
    far, near = Seen(0.0, 0.0, 0.0, 5.0, 4.5, 1.8), Seen(10.0, 0.0, 0.0, 5.0, 4.5, 1.8)
    traffic = run(Traffic(world(actors=(walker,))), 5.0, [far])
    assert (traffic.stands[1].x_m, traffic.stands[1].y_m) == (20.0, -6.0)
    run(traffic, 4.0, [near])
    assert traffic.stands[1].y_m == pytest.approx(0.0, abs=0.2)
    run(traffic, 10.0, [near])
    assert traffic.stands[1].y_m == pytest.approx(6.0, abs=0.01)
    assert traffic.stands[1].speed_mps == 0.0


def test_what_is_towed_follows_round_a_bend_on_a_tighter_path():
    angle = np.linspace(-0.5 * np.pi, 1.5 * np.pi, 200)
    circle = 25.0 * np.column_stack([np.cos(angle), 1.0 + np.sin(angle)])
    tractor = Actor(1, Label.TRUCK, 'tractor', (6.0, 2.5, 3.7), Policy(Drive.PATH, 6.0, path=circle), tows=2)
    trailer = Actor(2, Label.TRAILER, 'trailer', (13.6, 2.5, 3.9))
    traffic = run(Traffic(world(actors=(tractor, trailer))), 18.0)
    pulls, follows = traffic.stands[1], traffic.stands[2]
    radius = {id_: np.hypot(stand.x_m, stand.y_m - 25.0) for id_, stand in ((1, pulls), (2, follows))}
    assert radius[1] == pytest.approx(25.0, abs=0.1)
    assert 22.0 < radius[2] < 24.8
    assert 0.1 < pulls.heading_rad - follows.heading_rad < 0.7


def test_a_driver_answers_with_a_plain_number_whatever_he_is_told():
    """A number of numpy's would make what is reckoned from it in single precision double, and rays are single."""
    assert type(intelligent_driver(np.float64(5.0), np.float64(9.0), np.float64(20.0), 0.0, 1.5, 1.2, 2.0)) is float


@given(st.floats(0.0, 30.0), st.floats(1.0, 30.0), st.floats(0.5, 200.0), st.floats(-10.0, 20.0))
def test_a_smaller_gap_never_makes_a_driver_accelerate_more(speed, wanted, gap, closing):
    near, far = (intelligent_driver(speed, wanted, g, closing, 1.5, 1.2, 2.0) for g in (gap, gap + 1.0))
    assert -8.0 <= near <= far <= 1.2


def test_a_path_is_found_again_by_projection():
    path = Path(np.array([[0.0, 0.0], [30.0, 0.0], [30.0, 40.0]]))
    assert path.length_m == pytest.approx(70.0)
    assert path.at(50.0) == pytest.approx((30.0, 20.0, np.pi / 2))
    s, left, _ = path.project(np.array([[10.0, 1.5], [28.5, 20.0]]), 0.0, 90.0)
    assert s == pytest.approx([10.0, 50.0], abs=0.05)
    assert left == pytest.approx([1.5, 1.5], abs=0.05)


def judged(judge, x, y=0.0, heading=0.0, actors=(), over=False, wheels=None):
    body = rectangle(x, y, heading, 4.5, 1.8)
    return judge.judge([body], body if wheels is None else wheels, actors, (x, y), DT, over)


def test_contact_begins_where_the_outlines_meet():
    judge = Judge(world(), off_road_limit_s=1.0)
    other = ('car 3', rectangle(10.0, 0.0, 0.0, 4.0, 1.8))
    assert judged(judge, 5.7, actors=[other]).outcome == 'running'
    hit = judged(judge, 5.8, actors=[other])
    assert (hit.outcome, hit.touched) == ('collision with car 3', ('car 3',))
    assert judged(judge, 5.7, y=1.9, actors=[other]).outcome == 'running'


def test_a_trailer_that_cuts_a_corner_is_a_collision_too():
    post = box(0.3, 0.3, 3.0, Material.METAL).shifted(-6.0, 0.5)
    judge = Judge(world(solids=(Solid(Semantic.POLE, post, outline(post)),)), off_road_limit_s=1.0)
    tractor, trailer = rectangle(0.0, 0.0, 0.0, 6.0, 2.5), rectangle(-8.0, 0.0, 0.1, 13.6, 2.55)
    assert judge.judge([tractor], tractor, [], (0.0, 0.0), DT, False).outcome == 'running'
    assert judge.judge([tractor, trailer], tractor, [], (0.0, 0.0), DT, False).outcome == 'collision with pole'


def test_leaving_the_road_counts_once_it_lasts():
    road = Area(np.array([[-55.0, -4.0], [55.0, -4.0], [55.0, 4.0], [-55.0, 4.0]]), Material.ASPHALT, drivable=True)
    judge = Judge(world(areas=(road,), lanes=one_lane(100.0)), off_road_limit_s=0.1)
    assert not judged(judge, 0.0, y=3.0).off_road
    states = [judged(judge, 0.0, y=3.4) for _ in range(8)]
    assert all(state.off_road for state in states)
    assert [state.outcome for state in states] == ['running'] * 5 + ['off road'] * 3


def test_without_lanes_steep_ground_is_off_the_road():
    judge = Judge(world(ground=plain(slope=0.3)), off_road_limit_s=0.0)
    assert judged(judge, 0.0).outcome == 'running'  # 16.7 degrees
    assert judged(Judge(world(ground=plain(slope=0.6)), off_road_limit_s=0.0), 0.0).outcome == 'off road'


def test_the_goal_counts_within_three_metres_and_progress_never_falls():
    judge = Judge(world(), off_road_limit_s=1.0)
    assert judged(judge, 25.0).progress_m == pytest.approx(25.0)
    assert judged(judge, 0.0).progress_m == pytest.approx(25.0)
    assert judged(judge, 46.9).outcome == 'running'
    assert judged(judge, 47.1).outcome == 'goal reached'
    assert judged(judge, 20.0, over=True).outcome == 'time over'


@given(st.floats(-6, 6), st.floats(-6, 6), st.floats(-3, 3), st.floats(-3, 3))
def test_touching_is_mutual_and_as_sampling_says(x, y, heading, other):
    one, two = rectangle(0.0, 0.0, heading, 4.5, 1.8), rectangle(x, y, other, 3.0, 2.0)
    assert touching(one, two) == touching(two, one)
    u, v = np.meshgrid(np.linspace(0, 1, 15), np.linspace(0, 1, 15))
    inside = one[0] + u[..., None] * (one[1] - one[0]) + v[..., None] * (one[3] - one[0])
    away = inside - (x, y)
    along = away[..., 0] * np.cos(other) + away[..., 1] * np.sin(other)
    left = away[..., 1] * np.cos(other) - away[..., 0] * np.sin(other)
    if ((np.abs(along) < 1.5) & (np.abs(left) < 1.0)).any():
        assert touching(one, two)
