"""The mode and the gate: what passes, what is driven instead, and when."""

from dataclasses import replace

import numpy as np
import pytest

from autonomy_nodes.common.grid import TERRAIN_LAYERS, Grid
from autonomy_nodes.common.objects import Label, Objects
from autonomy_nodes.common.sensing import ControlMode, PointCloud
from autonomy_nodes.common.status import Level, Manoeuvre, Mode, Status, Words
from autonomy_nodes.common.types import DataError, EgoState, Trajectory
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.safety.gate import DangerError, GateSettings, check, check_cap, check_clear, check_ground
from autonomy_nodes.safety.stopping import emergency_stop, resumed
from autonomy_nodes.safety.supervisor import SafetySettings, Supervisor, Surroundings

MS = 1_000_000
SETTINGS = SafetySettings(engaged_at_start=True)
PATH = SETTINGS.health.path


def ego(stamp_ns=0, x=0.0, speed=5.0, rate=0.0):
    return EgoState(stamp_ns, np.array([x, 0, 0]), np.array([0, 0, 0, 1.0]), np.array([speed, 0, 0, 0, 0, rate]))


def drive(stamp_ns=0, x=0.0, speed=5.0, braking=0.0):
    """Straight on for 4 s."""
    times = np.arange(0.0, 4.05, 0.1)
    speeds = np.maximum(speed - braking * times, 0.0)
    gone = np.concatenate([[0.0], np.cumsum((speeds[1:] + speeds[:-1]) / 2 * 0.1)])
    poses = np.column_stack([x + gone, np.zeros((len(times), 3))])
    accelerations = np.where(speeds > 0, -braking, 0.0)
    return Trajectory(stamp_ns, times, poses, speeds, accelerations, 0 * times, 0 * times)


def cloud(*points, stamp_ns=0):
    xyz = np.array(points, np.float32).reshape(-1, 3)
    return PointCloud(stamp_ns, 'base_link', xyz, np.zeros(len(xyz), np.float32))


def ground(value=1.0):
    layers = {name: np.full((200, 50), value, np.float32) for name in TERRAIN_LAYERS}
    return Grid(0, 'odom', 0.4, np.array([-20.0, -10.0]), layers)


def around(stamp_ns=0, **more):
    return replace(Surroundings(ego(stamp_ns), cloud(stamp_ns=stamp_ns), ground()), **more)


def alive(supervisor, now_ns, nodes=PATH):
    for node in nodes:
        supervisor.health.beat(node, now_ns)


def driving(settings=SETTINGS):
    """Return a supervisor that is in NOMINAL at time 0."""
    supervisor = Supervisor(settings)
    alive(supervisor, 0)
    assert supervisor.consider(drive(), drive(braking=2.5), around(), 0).mode is Mode.NOMINAL
    return supervisor


def test_nothing_is_driven_before_every_node_of_the_path_was_heard():
    supervisor = Supervisor(SETTINGS)
    alive(supervisor, 0, PATH[:-1])
    verdict = supervisor.consider(drive(), drive(braking=2.5), around(), 0)
    assert (verdict.mode, verdict.trajectory, verdict.reasons) == (Mode.INIT, None, ('waits for planning',))


def test_a_good_plan_passes_unchanged():
    plan = drive()
    supervisor = Supervisor(SETTINGS)
    alive(supervisor, 0)
    verdict = supervisor.consider(plan, drive(braking=2.5), around(), 0)
    assert verdict.trajectory is plan and verdict.manoeuvre is Manoeuvre.NONE


def test_nothing_is_driven_until_engaged_and_engaging_waits_for_nominal():
    supervisor = Supervisor(SafetySettings())
    assert supervisor.engage(True) == (False, 'cannot engage in mode INIT: wait for NOMINAL')
    alive(supervisor, 0)
    assert supervisor.consider(drive(), drive(braking=2.5), around(), 0).trajectory is None
    assert supervisor.engage(True) == (True, 'engaged')
    plan = drive()
    assert supervisor.consider(plan, drive(braking=2.5), around(), 0).trajectory is plan


@pytest.mark.parametrize('silence_ms, mode', [(350, Mode.NOMINAL), (351, Mode.MRM)])
def test_a_lost_node_of_the_path_starts_the_contingency(silence_ms, mode):
    supervisor = driving()
    now = silence_ms * MS
    alive(supervisor, now, PATH[1:])
    verdict = supervisor.watch(around(), now)
    assert verdict.mode is mode
    if mode is Mode.MRM:
        assert verdict.reasons == ('lidar lost',) and verdict.manoeuvre is Manoeuvre.COMFORTABLE_STOP
        assert verdict.faults == ('F22',)
        assert verdict.trajectory.stamp_ns == now and verdict.trajectory.speeds_mps[0] == pytest.approx(5 - 2.5 * 0.351)


def test_a_lost_node_beside_the_path_degrades():
    supervisor = driving()
    supervisor.health.beat('map', 0)
    alive(supervisor, 400 * MS)
    verdict = supervisor.watch(around(), 400 * MS)
    assert (verdict.mode, verdict.reasons) == (Mode.DEGRADED, ('map lost',))


def test_a_node_beside_the_path_that_never_ran_is_not_missed():
    supervisor = driving()
    alive(supervisor, 400 * MS)
    assert supervisor.watch(around(), 400 * MS).mode is Mode.NOMINAL


@pytest.mark.parametrize('age_ms, mode', [(500, Mode.NOMINAL), (501, Mode.MRM)])
def test_a_plan_is_driven_for_half_a_second(age_ms, mode):
    supervisor = driving()
    alive(supervisor, age_ms * MS)
    assert supervisor.watch(around(), age_ms * MS).mode is mode


def test_after_the_stop_began_five_good_plans_in_a_row_lead_back():
    supervisor = driving()
    alive(supervisor, 600 * MS)
    assert supervisor.watch(around(), 600 * MS).mode is Mode.MRM
    modes = []
    for stamp_ns in range(700 * MS, 1300 * MS, 100 * MS):
        alive(supervisor, stamp_ns)
        seen = around(stamp_ns)
        modes.append(supervisor.consider(drive(stamp_ns), drive(stamp_ns, braking=2.5), seen, stamp_ns).mode)
    assert modes == [Mode.MRM] * 4 + [Mode.NOMINAL] * 2


def test_an_old_contingency_is_not_driven_but_an_own_stop():
    supervisor = driving()
    now = 700 * MS
    alive(supervisor, now)
    verdict = supervisor.watch(around(now), now)
    assert (verdict.mode, verdict.manoeuvre) == (Mode.EMERGENCY, Manoeuvre.EMERGENCY_STOP)
    assert verdict.trajectory.accelerations_mps2[0] == -4.0


def test_without_a_state_and_a_contingency_nothing_is_sent_so_that_the_watchdog_stops_the_vehicle():
    supervisor = driving()
    now = 700 * MS
    alive(supervisor, now)
    assert supervisor.watch(Surroundings(None), now).trajectory is None


def test_a_faulty_plan_is_not_driven_while_the_last_good_one_is_still_valid():
    supervisor = driving()
    now = 100 * MS
    alive(supervisor, now)
    verdict = supervisor.consider(drive(now, x=9.0), drive(now, x=9.0, braking=2.5), around(now), now)
    assert (verdict.mode, verdict.trajectory) == (Mode.DEGRADED, None) and 'offset_m' in verdict.reasons[0]
    assert verdict.faults == ('F27',)


def test_a_plan_that_would_do_harm_starts_the_contingency_at_once():
    supervisor = driving()
    now = 100 * MS
    alive(supervisor, now)
    wall = cloud(*[(5.0, y, 1.0) for y in (-0.4, -0.2, 0.0, 0.2)], stamp_ns=now)
    verdict = supervisor.consider(drive(now), drive(now, braking=2.5), around(now, obstacles=wall), now)
    assert verdict.mode is Mode.MRM and 'runs into 4 obstacle points' in verdict.reasons[0]


def test_a_plan_without_its_contingency_is_refused():
    supervisor = driving()
    assert 'no contingency' in supervisor.consider(drive(), None, around(), 0).reasons[0]


def test_what_localization_says_of_itself_degrades():
    supervisor = driving()
    words = Words(0, 'localization', Level.WARN, 'DEAD_RECKONING')
    verdict = supervisor.consider(drive(), drive(braking=2.5), around(integrity=words), 0)
    assert (verdict.mode, verdict.reasons) == (Mode.DEGRADED, ('localization: DEAD_RECKONING',))


def test_an_error_of_a_node_degrades():
    supervisor = driving()
    supervisor.health.told(Status(0, 'lidar', Level.ERROR, 'left lidar stale'))
    assert supervisor.watch(around(), 0).reasons == ('lidar: left lidar stale',)


def test_time_that_jumps_back_starts_anew():
    supervisor = driving()
    past = -10_000 * MS
    verdict = supervisor.consider(drive(past), drive(past, braking=2.5), around(past), past)
    assert verdict.mode is Mode.INIT and verdict.trajectory is None


@pytest.mark.parametrize(
    'wrong, name',
    [
        (drive(x=2.01), 'offset_m'),
        (drive(speed=15.1), 'speed_mps'),
        (drive(braking=9.1), 'braking_mps2'),
        (replace(drive(), accelerations_mps2=np.full(41, 4.1)), 'acceleration_mps2'),
        (replace(drive(), heading_rates_rps=np.full(41, 1.01)), 'lateral_mps2'),
        (replace(drive(), wheel_angles_rad=np.full(41, 0.61)), 'wheel_angle_rad'),
        (replace(drive(), poses=drive().poses + (np.arange(41)[:, None] > 20) * [0.6, 0, 0, 0]), 'jump_m'),
    ],
)
def test_a_trajectory_that_cannot_be_driven_is_refused_by_name(wrong, name):
    check(drive(), ego(), Vehicle(), GateSettings())
    with pytest.raises(DataError, match=name):
        check(wrong, ego(), Vehicle(), GateSettings())


@pytest.mark.parametrize('x, hit', [(7.5, True), (7.7, False)])  # 3.6 m of body, 4 m in 0.8 s
def test_obstacle_points_count_where_the_body_will_be_so_soon(x, hit):
    points = cloud(*[(x, y, 1.0) for y in (-0.4, -0.2, 0.0, 0.2)])
    if hit:
        with pytest.raises(DangerError, match='4 obstacle points'):
            check_clear(drive(), points, Vehicle(), GateSettings())
    else:
        check_clear(drive(), points, Vehicle(), GateSettings())


def test_obstacle_points_are_turned_into_the_frame_of_the_trajectory():
    plan = drive(x=100.0)
    ahead = cloud(*[(5.0, y, 1.0) for y in (-0.4, -0.2, 0.0, 0.2)])
    with pytest.raises(DangerError):
        check_clear(plan, ahead, Vehicle(), GateSettings())


@pytest.mark.parametrize('value, told', [(0.0, 'cannot be driven'), (np.nan, 'never seen')])
def test_ground_ahead_must_be_known_and_drivable(value, told):
    terrain = ground()
    check_ground(drive(), terrain, [], [], Vehicle(), GateSettings())
    terrain.layers['traversability'][60:, :] = value  # from x = 4 m on; the front of the wheels gets to 2.7 + 5
    with pytest.raises(DangerError, match=told):
        check_ground(drive(), terrain, [], [], Vehicle(), GateSettings())


@pytest.mark.parametrize('cells, refused', [(3, False), (5, True)])  # of 0.4 m, in steps of 0.5 m
def test_a_gap_between_the_rings_of_a_lidar_is_no_danger_but_a_longer_one_is(cells, refused):
    terrain = ground()
    terrain.layers['traversability'][64 : 64 + cells, :] = np.nan  # from x = 5.6 m on
    if refused:
        with pytest.raises(DangerError, match='never seen'):
            check_ground(drive(), terrain, [], [], Vehicle(), GateSettings())
    else:
        check_ground(drive(), terrain, [], [], Vehicle(), GateSettings())


def crossing_car(stamp_ns, speed):
    """A car of 4.5 m by 1.8 m across our way at x = 7 m."""
    classes = np.eye(len(Label))[[Label.CAR]]
    return Objects(
        stamp_ns, 'odom', np.array([[7.0, 0.0, 0.0]]), np.array([np.pi / 2]), np.array([[4.5, 1.8, 1.5]]), np.ones(1),
        classes, np.array([[0.0, speed]]), np.zeros(1), np.zeros((1, 3, 3)), np.zeros((1, 2, 2)),
        np.zeros((1, 16), np.uint8),
    )  # fmt: skip


MOVERS = [(5.0, 0, Mode.NOMINAL), (0.0, 0, Mode.MRM), (5.0, -301, Mode.MRM), (None, 0, Mode.MRM)]


@pytest.mark.parametrize('speed, age_ms, mode', MOVERS)
def test_cells_of_who_moves_are_no_ground_to_judge_if_that_is_known_of_now(speed, age_ms, mode):
    supervisor, now = driving(), 100 * MS
    alive(supervisor, now)
    terrain = replace(ground(), stamp_ns=now)
    terrain.layers['traversability'][66:69, 22:29] = 0.0  # x 6.4 to 7.6 m, y -1.2 to 1.6 m
    tracks = None if speed is None else crossing_car(now + age_ms * MS, speed)
    seen = around(now, terrain=terrain, tracks=tracks)
    assert supervisor.consider(drive(now), drive(now, braking=2.5), seen, now).mode is mode


@pytest.mark.parametrize('by, mode', [(None, Mode.MRM), ('AUTONOMOUS', Mode.MRM), ('MANUAL', Mode.NOMINAL)])
def test_ground_that_was_never_seen_is_explained_only_where_the_drive_began(by, mode):
    supervisor, now = driving(), 100 * MS
    terrain = replace(ground(), stamp_ns=now)
    terrain.layers['traversability'][85:, :] = np.nan  # from x = 14 m on; the drive began at 0
    alive(supervisor, now)
    moved = drive(now, x=11.0)  # the front of its wheels gets to 18.7 m, its zone would reach to 18.6 m
    seen = around(now, ego=ego(now, x=11.0), terrain=terrain, control_mode=None if by is None else ControlMode(now, by))
    assert supervisor.consider(moved, drive(now, x=11.0, braking=2.5), seen, now).mode is mode


def test_a_standing_vehicle_needs_no_ground_ahead():
    check_ground(drive(speed=0.0), ground(np.nan), [], [], Vehicle(), GateSettings())


def test_what_is_left_of_a_stop_starts_now_and_ends_standing():
    left = resumed(drive(braking=2.5), 1000 * MS)
    assert left.stamp_ns == 1000 * MS
    assert left.speeds_mps[0] == pytest.approx(2.5) and left.speeds_mps[-1] == 0.0
    assert left.poses[0, 0] == pytest.approx(3.75, abs=0.02)


def test_a_stop_that_is_over_stands():
    left = resumed(drive(braking=2.5), 60_000 * MS)
    assert (left.speeds_mps == 0.0).all() and (left.accelerations_mps2 == 0.0).all()


def test_an_emergency_stop_keeps_the_curve():
    stop = emergency_stop(ego(speed=10.0, rate=0.5), Vehicle(), 4.0)  # radius 20 m, 12.5 m to a stand
    assert stop.poses[-1, 3] == pytest.approx(12.5 / 20.0, rel=0.02)
    assert np.linalg.norm(stop.poses[-1, :2]) == pytest.approx(2 * 20 * np.sin(12.5 / 40.0), rel=0.02)
    assert stop.wheel_angles_rad[0] == pytest.approx(np.arctan(2.7 / 20.0))


def test_a_standing_vehicle_stops_where_it_is():
    stop = emergency_stop(ego(speed=0.0), Vehicle(), 4.0)
    assert np.abs(stop.poses[:, :2]).max() == 0.0


def capped_at(cap, stamp_ns=0):
    return Words(stamp_ns, 'environment', Level.WARN, 'by cameras', {'rung': 'cameras', 'speed_cap_mps': cap})


def test_a_lost_sensor_degrades_while_perception_tells_a_cap():
    supervisor = driving()
    slow = drive(100 * MS, 0.5, braking=0.5), drive(100 * MS, 0.5, braking=2.5)
    alive(supervisor, 100 * MS)
    verdict = supervisor.consider(*slow, around(100 * MS, environment=capped_at('5.50')), 100 * MS)
    assert verdict.mode is Mode.DEGRADED and 'environment: by cameras' in verdict.reasons
    assert verdict.trajectory is slow[0]
    assert supervisor.watch(around(100 * MS), 150 * MS).mode is Mode.NOMINAL


@pytest.mark.parametrize(
    ('cap', 'braking', 'passes'),
    [
        (9.0, 0.0, True),
        (4.1, 0.0, True),  # 5 m/s: less than a metre a second above
        (2.0, 1.0, True),  # it drives faster already, and slows down
        (2.0, -0.5, False),  # to 7 m/s
    ],
)
def test_nothing_speeds_up_beyond_what_the_sensors_that_are_left_allow(cap, braking, passes):
    if passes:
        check_cap(drive(braking=braking), ego(), cap, GateSettings())
        return
    with pytest.raises(DataError, match='limit by the sensors left is 6.00'):
        check_cap(drive(braking=braking), ego(), cap, GateSettings())


@pytest.mark.parametrize(('cap_ns', 'driven'), [(200 * MS, True), (100 * MS, False), (0, False)])
def test_a_plan_older_than_the_cap_is_not_judged_by_it(cap_ns, driven):
    supervisor, plan = driving(), drive(100 * MS, 0.5, braking=-0.5)
    alive(supervisor, 100 * MS)
    told = around(100 * MS, environment=capped_at('2.00', cap_ns))
    verdict = supervisor.consider(plan, drive(100 * MS, 0.5, braking=2.5), told, 100 * MS)
    assert (verdict.trajectory is plan) == driven


def test_a_cap_that_is_no_number_is_refused():
    supervisor = driving()
    alive(supervisor, 100 * MS)
    plan = drive(100 * MS, 0.5), drive(100 * MS, 0.5, braking=2.5)
    verdict = supervisor.consider(*plan, around(100 * MS, environment=capped_at('fast')), 100 * MS)
    assert verdict.trajectory is None and any('is no number' in reason for reason in verdict.reasons)
