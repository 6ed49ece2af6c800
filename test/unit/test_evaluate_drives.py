"""Closed loop with and without a network: intervals by hand, what a witness hears, and two short drives."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('embreex', reason='the simulator needs the extra sim')

from autonomy_nodes.commands.main import main
from autonomy_nodes.common.footing import bodies_at
from autonomy_nodes.common.objects import Label, no_objects
from autonomy_nodes.common.types import SECOND_NS, Articulation, DataError, EgoState
from autonomy_nodes.evaluation.measures import driving
from autonomy_nodes.evaluation.measures.drives import GEOMETRIC, LEARNED, drawn, evaluate, figures, lines_of
from autonomy_nodes.evaluation.measures.driving import Course, Driven, Witness, courses_of, start_of
from autonomy_nodes.evaluation.measures.pairs import exact_difference, ratio_interval, share_interval
from autonomy_nodes.evaluation.measures.task import Task
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.driving import write_articulation
from autonomy_nodes.messages.motion import write_ego
from autonomy_nodes.messages.objects import write_tracked
from autonomy_nodes.nodes.launcher import vehicle_file
from autonomy_nodes.nodes.processes import vehicle_of
from autonomy_nodes.sim.scenes import made
from autonomy_nodes.sim.traffic import Traffic
from autonomy_nodes.training import scenes

MODEL = 'lidar_small'


def test_what_never_happened_in_forty_drives_may_still_happen_in_nine_of_a_hundred():
    low, high = share_interval(0, 40)
    assert low == 0.0 and high == pytest.approx(1.0 - 0.025 ** (1 / 40))
    assert share_interval(40, 40) == (pytest.approx(0.025 ** (1 / 40)), 1.0)
    low, high = share_interval(1, 2)  # at least one of two: 1 - (1 - p)^2 = 0.025 at the low end
    assert (low, high) == (pytest.approx(1.0 - math.sqrt(0.975)), pytest.approx(math.sqrt(0.975)))


def test_the_exact_interval_of_a_difference_has_room_for_what_was_not_seen_in_either_way():
    widest = 1.0 - 0.0125 ** (1 / 40)
    assert exact_difference(0, 0, 40) == (pytest.approx(-widest), pytest.approx(widest))
    low, high = exact_difference(0, 40, 40)
    assert low == pytest.approx(-1.0) and high == pytest.approx(widest - (1.0 - widest))


def test_a_ratio_is_of_sums_and_sure_where_every_pair_says_the_same():
    assert ratio_interval([9.0, 18.0, 0.9], [10.0, 20.0, 1.0], 0) == (pytest.approx(0.9), pytest.approx(0.9))
    low, high = ratio_interval([0.0, 10.0] * 50, [10.0] * 100, 0)
    assert 0.38 < low < 0.45 and 0.55 < high < 0.62  # 0.5, give or take twice sqrt(0.25 / 100)
    assert all(math.isnan(value) for value in ratio_interval([1.0], [0.0], 0))


def drive(progress_m=50.0, touched=(), outcome='time over', speeds=(5.0,) * 21, gap=2.0):
    count = len(speeds)
    rows = np.column_stack([0.1 * np.arange(count), *np.zeros((3, count)), speeds, np.full(count, gap)])
    modes = {'INIT': 0.5, 'NOMINAL': 1.5}
    return Driven(0.0, outcome, touched, progress_m, 2.0, rows, np.zeros((0, 4, 2)), 1, modes, 1, 1.0, 4.0)


def test_the_figures_of_four_pairs_are_those_worked_out_by_hand():
    hit = {'touched': ('car 3',), 'outcome': 'collision with car 3'}
    pairs = [
        {GEOMETRIC: drive(), LEARNED: drive(40.0)},
        {GEOMETRIC: drive(**hit), LEARNED: drive(60.0, outcome='goal reached')},
        {GEOMETRIC: drive(gap=0.2), LEARNED: drive(30.0, **hit)},
        {GEOMETRIC: drive(outcome='off road'), LEARNED: drive(10.0, **hit)},
    ]
    found = figures(pairs, 0)
    assert (found['geometric.collisions'], found['learned.collisions']) == (0.25, 0.5)
    assert (found['n_only_learned_collided'], found['n_only_geometric_collided'], found['n_both_collided']) == (2, 1, 0)
    assert found['more_collisions'] == 0.25 and found['more_collisions_in_40'] == 10.0
    assert found['more_collisions.low95'] <= 0.25 <= found['more_collisions.high95']
    assert found['more_collisions.exact_low95'] < -0.5 and found['more_collisions.exact_high95'] > 0.9  # so few
    assert found['progress_ratio'] == pytest.approx(140.0 / 200.0)
    assert (found['geometric.near_misses'], found['geometric.off_road'], found['learned.goal_reached']) == (0.25,) * 3
    assert found['geometric.time_in_init'] == 0.25 and found['geometric.cpu_s_per_simulated_s'] == 2.0
    assert found['geometric.gap_m.least'] == 0.0 and found['n_drives'] == 4


def test_a_stop_is_told_by_its_strongest_half_second():
    stopping = drive(speeds=(8.0, 8.0, 7.5, 7.0, 6.0, 5.0, 4.0, 3.5, 3.0, 3.0))
    assert stopping.braking_mps2 == pytest.approx((8.0 - 4.0) / 0.5)
    assert drive(speeds=(1.0, 2.0)).braking_mps2 == 0.0


def hear(witness, at_ns, x, others):
    count = len(others)
    chances = np.zeros((count, len(Label)))
    chances[:, Label.CAR] = 1.0
    nobody = no_objects(at_ns, 'map', tracked=True)
    around = replace(
        nobody, positions_m=np.array([[*place, 0.5] for place in others]), headings_rad=np.zeros(count),
        dimensions_m=np.tile([4.0, 2.0, 1.5], (count, 1)), existence=np.ones(count), class_probabilities=chances,
        velocities_mps=np.zeros((count, 2)), heading_rates_rps=np.zeros(count),
        pose_covariances=np.tile(np.eye(3), (count, 1, 1)), velocity_covariances=np.tile(np.eye(2), (count, 1, 1)),
        ids=np.arange(16 * count, dtype=np.uint8).reshape(count, 16),
    )  # fmt: skip
    ego = EgoState(at_ns, np.array([x, 0.0, 0.0]), np.array([0.0, 0.0, 0.0, 1.0]), np.array([5.0, 0, 0, 0, 0, 0]))
    witness.message(topics.TRUTH, at_ns, write_tracked(around))
    witness.message(topics.TRUTH_EGO, at_ns, write_ego(ego, frame='map'))


def test_a_witness_measures_from_our_bumper_to_the_nearest_one_and_counts_each_once():
    vehicle = vehicle_of('planning', [vehicle_file('car')])
    witness = Witness(vehicle)
    for number in range(2):
        hear(witness, SECOND_NS + number * SECOND_NS // 10, float(number), [(20.0, 0.0), (-60.0, 0.0)])
    assert [row[0] for row in witness.rows] == [0.0, pytest.approx(0.1)]
    assert [row[4] for row in witness.rows] == [5.0, 5.0]
    wanted = [20.0 - 2.0 - vehicle.front_m - number for number in range(2)]
    assert [row[5] for row in witness.rows] == pytest.approx(wanted, abs=1e-3)
    assert not witness.met and witness.others().shape == (2, 4, 2)
    for number in range(2):
        hear(witness, 2 * SECOND_NS + number, 12.0, [(20.0, 0.0), (-60.0, 0.0)])
    assert len(witness.met) == 1


def test_a_trailer_is_a_part_of_us():
    vehicle = vehicle_of('planning', [vehicle_file('truck')])
    witness = Witness(vehicle)
    witness.message(topics.ARTICULATION, SECOND_NS, write_articulation(Articulation(SECOND_NS, (0.0,))))
    axle_m = vehicle.trailer.hitch_ahead_m - vehicle.trailer.length_m
    hear(witness, SECOND_NS, 0.0, [(axle_m, 4.0)])
    assert witness.rows[0][5] == pytest.approx(4.0 - 1.0 - vehicle.trailer.width_m / 2.0, abs=1e-3)


def test_drives_take_families_and_vehicles_in_turn_in_worlds_that_nothing_was_tuned_on():
    assert driving.FIRST_SEED == scenes.FIRST_SEED
    few, many = courses_of(3, 4, 20.0), courses_of(3, 12, 20.0)
    assert many[:4] == few and len({course.seed for course in many}) == 12
    assert all(course.seed >= scenes.FIRST_SEED for course in many)
    names = ['000_road_car', '001_junction_car', '002_rough_offroad', '003_road_truck']
    assert [course.name for course in few] == names
    assert courses_of(4, 1, 20.0)[0].seed != few[0].seed


@pytest.mark.parametrize('course', courses_of(3, 5, 20.0)[::2], ids=lambda course: course.name)
def test_a_drive_begins_where_nobody_stands_about_us(course):
    world, vehicle = made(course.family, course.seed), vehicle_of('planning', [vehicle_file(course.vehicle)])
    start_m = start_of(world, vehicle)
    begun = world.begun(start_m)
    bodies, traffic = bodies_at(np.array(begun.task.start), vehicle), Traffic(begun)
    for actor in begun.actors:
        seen = traffic.seen(actor)
        gap_m = min(float(body.distances(np.array([seen.x_m, seen.y_m]))) for body in bodies) - seen.length_m / 2.0
        assert gap_m > (5.0 if actor.label in (Label.PEDESTRIAN, Label.BICYCLE) else 20.0) or start_m == 0.0
    assert begun.task.goal == world.task.goal and len(begun.route) > 0.6 * len(world.route)


def test_a_world_begins_along_its_route_and_not_past_its_end():
    world = made('rough', 3)
    steps = np.linalg.norm(np.diff(world.route, axis=0), axis=1)
    assert world.begun(0.0) is world
    begun = world.begun(float(steps[:7].sum()) - 0.01)
    assert np.array_equal(begun.route, world.route[7:]) and begun.task.start[:2] == tuple(world.route[7])
    dx, dy = world.route[8] - world.route[7]
    assert begun.task.start[2] == pytest.approx(math.atan2(dy, dx))
    with pytest.raises(ValueError, match='start_m=9999'):
        world.begun(9999.0)


def test_two_short_drives_leave_what_happened_in_both_ways(tmp_path, monkeypatch):
    options = ['--model', MODEL, '--set', 'count=2', '--set', 'seconds=2', '--seed', '10']
    words = ['evaluate', 'drives', '--data', 'simulated', '--out', str(tmp_path), *options]
    monkeypatch.setattr('sys.argv', ['autonomy', *words])
    assert main(words) == 0
    told = json.loads((tmp_path / 'result.json').read_text())
    assert told['items'] == ['000_road_car', '001_junction_car'] and told['n_drives'] == 2 and told['model'] == MODEL
    assert told['drives.geometric.collisions'] == 0.0 and 0.5 < told['drives.progress_ratio'] < 1.5
    assert told['drives.learned.time_told_by_network'] == 1.0 and told['drives.geometric.time_told_by_network'] == 0.0
    answers = {f'{name}.{way}{part}' for name in told['items'] for way in (GEOMETRIC, LEARNED) for part in ('', '_3s')}
    assert set(told['answers']) == answers and told['n_answer_files'] == 2
    assert told['answers']['000_road_car.learned'] == told['answers']['000_road_car.learned_3s']  # shorter than 3 s
    one = json.loads((tmp_path / '000_road_car.json').read_text())
    assert one['again'].endswith(f'vehicle:=car model:={MODEL}') and one['seed'] >= scenes.FIRST_SEED
    for way in (GEOMETRIC, LEARNED):
        assert one[way]['outcome'] == 'time over' and one[way]['time_s'] == pytest.approx(2.0)
        assert len(one[way]['t_x_y_heading_speed']) == 20 and one[way]['progress_m'] > 0.5
    assert (tmp_path / 'page.html').read_text().count('<img') == 2


def test_only_the_first_seconds_are_asked_for_where_they_are_asked_for():
    assert len(lines_of(drive())) == 21 and len(lines_of(drive(), 1.0)) == 10
    assert lines_of(drive(), 1.0)[-1].startswith('0.900 ')


def test_a_pair_is_drawn_from_above():
    course = Course('x', 'rough', 3, 'offroad', 20.0)
    pair = {way: drive() for way in (GEOMETRIC, LEARNED)}
    assert drawn(course, pair).startswith(b'\x89PNG')


@pytest.mark.parametrize(
    'model, options, told',
    [
        ('none', {}, '--model NAME'),
        (MODEL, {'count': '0'}, 'count=0'),
        (MODEL, {'seconds': '-1'}, 'seconds=-1'),
        (MODEL, {'count': 'many'}, 'count=N'),
    ],
)
def test_questions_that_make_no_sense_are_refused(model, options, told, tmp_path):
    with pytest.raises(DataError, match=told):
        evaluate(Task(Path('simulated'), tmp_path, model=model, options=options))
    with pytest.raises(DataError, match='--data simulated'):
        evaluate(Task(tmp_path, tmp_path, model=MODEL))
