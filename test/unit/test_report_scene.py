"""What a report draws: layers, boxes in pictures, marks, lineage, plots."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from report_sample import MODEL, OPTICAL, START_NS, objects_at, trajectory_of

from autonomy_nodes.common.geometry import quaternion_of_heading
from autonomy_nodes.common.grid import KINDS, Grid
from autonomy_nodes.common.lanes import LanePieces, Line
from autonomy_nodes.common.objects import Predictions, no_objects
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.status import Level, Status
from autonomy_nodes.common.types import Decision, EgoState
from autonomy_nodes.evaluation import report_layers as layers
from autonomy_nodes.evaluation.report_camera import Picture, box_corners, boxes_in, projected
from autonomy_nodes.evaluation.report_lineage import Lineage
from autonomy_nodes.evaluation.report_marks import marks_rows
from autonomy_nodes.evaluation.report_path import EgoPath
from autonomy_nodes.evaluation.report_scene import Truth, _sent
from autonomy_nodes.evaluation.report_series import acceleration, alerts
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.objects import read_labels, write_tracked

ORIGIN = np.zeros(2)
SECOND = 1_000_000_000


def ego_at(x, y, heading_rad, stamp_ns=0):
    return EgoState(stamp_ns, np.array([x, y, 0.0]), quaternion_of_heading(heading_rad), np.zeros(6))


def grid_of(**given):
    shape = next(iter(given.values())).shape
    plain = {'observed': np.ones(shape), 'traversability': np.ones(shape), 'class': np.ones(shape)}
    return Grid(0, 'odom', 0.4, np.array([1.0, 2.0]), {**plain, **given})


def test_each_cell_shows_its_class_and_how_easy_it_is():
    grid = grid_of(
        **{
            'class': np.array([[1.0, 1, 1, 2, 3, 4, 1, 0]]),
            'traversability': np.array([[0.9, 0.5, 0.1, 0.9, 0.0, 0.0, 0.9, np.nan]]),
            'observed': np.array([[1.0, 1, 1, 1, 1, 1, 0.5, 0.0]]),
        }
    )
    told = layers.terrain_cells(grid, ORIGIN)
    names = ('easy', 'fair', 'hard', 'rough', 'obstacle', 'hole', 'filled', 'unknown')
    assert told['cells'] == ''.join(str(KINDS.index(name)) for name in names)
    assert (told['origin'], told['cell'], told['shape']) == ([100, 200], 40, [1, 8])


@settings(deadline=None)
@given(arrays.arrays(np.float32, (3, 3), elements=st.sampled_from([0.0, 0.5, 1.0, np.nan])))
def test_ground_that_was_not_seen_is_never_shown_as_free(observed):
    cells = layers.terrain_cells(grid_of(observed=observed), ORIGIN)['cells']
    for cell, seen in zip(cells, observed.ravel()):
        assert (cell == str(KINDS.index('unknown'))) == (not seen > 0.0)


def test_points_turn_with_the_vehicle_and_the_highest_of_a_cell_stands_for_it():
    xyz = np.array([[10.0, 0.0, 0.1], [10.02, 0.0, 1.5], [0.0, 5.0, 0.0]], np.float32)
    row = layers.point_row(PointCloud(0, 'base_link', xyz, np.zeros(3)), ego_at(1.0, 2.0, np.pi / 2), ORIGIN, most=10)
    assert row == [100, 1202, 15, -400, 200, 0]


@settings(deadline=None)
@given(st.integers(1, 40))
def test_no_more_points_are_drawn_than_asked_for(most):
    xyz = np.random.default_rng(1).uniform(-40.0, 40.0, (500, 3)).astype(np.float32)
    row = layers.point_row(PointCloud(0, 'base_link', xyz, np.zeros(500)), ego_at(0.0, 0.0, 0.0), ORIGIN, most)
    assert 0 < len(row) // 3 <= most


def test_a_straight_map_line_keeps_its_ends_and_a_corner_stays():
    points = np.full((2, 20, 3), np.nan, np.float32)
    points[0, :20] = np.column_stack([np.arange(20.0), np.zeros(20), np.zeros(20)])
    points[1, :5] = [[0, 0, 0], [1, 0, 0], [2, 0, 0], [2, 1, 0], [2, 2, 0]]
    classes = np.array([Line.DIVIDER, Line.BOUNDARY], np.uint8)
    pieces = LanePieces(0, 'base_link', points, classes, np.arange(2), np.ones(2), np.ones(2))
    assert layers.line_rows(pieces, ego_at(0.0, 0.0, 0.0), ORIGIN) == [
        [Line.DIVIDER, 0, 0, 1900, 0],
        [Line.BOUNDARY, 0, 0, 200, 0, 200, 200],
    ]


def test_a_trajectory_keeps_its_ends():
    row = layers.trajectory_row(trajectory_of(START_NS, 0.0, 5.0), ORIGIN)
    assert row[:3] == [0, 0, 500]
    assert row[-3:-1] == [4000, 0]  # 8 s at 5 m/s
    assert len(row) <= 75


def test_improbable_paths_are_left_out():
    objects = objects_at(0, 1.0)
    chances = np.tile([0.9, 0.06, 0.04], (len(objects), 1))
    rows = layers.path_rows(Predictions(objects, np.zeros((len(objects), 3, 5, 3)), chances, 0.5), ORIGIN)
    assert [row[:2] for row in rows[0]] == [[0, 90], [1, 6]]
    assert len(rows[0][0]) == 2 + 2 * 3  # 0, 1 and 2 s


def test_the_vehicle_is_placed_between_two_states_whatever_the_sign_of_its_quaternion():
    later = ego_at(4.0, 2.0, 0.6, 2 * SECOND)
    path = EgoPath({0: ego_at(0.0, 0.0, 0.2), 2 * SECOND: replace(later, orientation=-later.orientation)})
    middle = path.odom_from_base(SECOND)
    assert middle[:2, 3] == pytest.approx([2.0, 1.0])
    assert np.arctan2(middle[1, 0], middle[0, 0]) == pytest.approx(0.4, abs=1e-6)
    assert path.odom_from_base(3 * SECOND) is None and path.odom_from_base(-1) is None


def bag_of(values, states):
    """Return what a scene reads of a bag."""
    bag = SimpleNamespace(path=EgoPath(states), origin=ORIGIN, stamps=sorted(states))
    bag.of = lambda topic: values.get(topic.name, [])
    bag.moment = lambda at: max((stamp for stamp in states if stamp <= at), default=None)
    return bag


def test_ground_truth_is_drawn_where_it_is_seen_from_the_vehicle():
    truth = replace(objects_at(0, 0.0), frame='map')  # the first object 30 m ahead of map's origin
    states = {0: ego_at(100.0, 50.0, np.pi / 2)}
    bag = bag_of({topics.TRUTH.name: [truth], topics.TRUTH_EGO.name: [ego_at(10.0, 0.0, 0.0)]}, states)
    first = layers.object_rows(*Truth(bag).at(0, states[0]))[0]
    assert first[2:4] == [10000, 7000]  # 20 m ahead of the vehicle, which looks along y
    assert first[4] == round(1000 * np.pi / 2)
    assert first[8:10] == [0, 750]


def test_labels_are_drawn_where_the_vehicle_was_at_their_stamp():
    states = {0: ego_at(100.0, 50.0, 0.0), SECOND: ego_at(110.0, 50.0, 0.0, SECOND)}
    labels = replace(read_labels(write_tracked(replace(objects_at(0, 0.0), frame='base_link'))), stamp_ns=SECOND // 25)
    bag = bag_of({topics.TRUTH_LABELS.name: [labels]}, states)
    first = layers.object_rows(*Truth(bag).at(0, states[0]))[0]
    assert first[2:4] == [13040, 5000]  # 30 m ahead of where the vehicle was after 0.04 s, at 10 m/s
    assert Truth(bag).at(SECOND, states[SECOND]) is None


def test_truth_without_a_true_ego_is_not_drawn():
    bag = bag_of({topics.TRUTH.name: [objects_at(0, 0.0)]}, {0: ego_at(0.0, 0.0, 0.0)})
    assert Truth(bag).at(0, bag.path.states[0]) is None


def test_a_stop_that_safety_drives_on_belongs_to_the_sweep_before_but_not_for_long():
    states = {at * SECOND: ego_at(0.0, 0.0, 0.0, at * SECOND) for at in range(3)}
    stamps = [0, SECOND + 50_000_000, SECOND + 100_000_000, 2 * SECOND + 500_000_000]
    bag = bag_of({topics.TRAJECTORY.name: [trajectory_of(at, 0.0, 1.0) for at in stamps]}, states)
    assert {at: each.stamp_ns for at, each in _sent(bag).items()} == {0: 0, SECOND: SECOND + 100_000_000}


def test_a_point_ahead_lands_where_the_camera_model_says():
    pixels = projected(np.array([[1.0, -0.5, 10.0]]), MODEL)  # 1 m right, 0.5 m up, 10 m ahead
    assert pixels == pytest.approx(np.array([[320.0 + 30.0, 192.0 - 15.0]]))
    assert projected(np.array([[0.0, 0.0, 10.0], [0.0, 0.0, -1.0]]), MODEL) is None


def test_the_corners_of_a_box_start_at_its_left_front():
    corners = box_corners(objects_at(0, 0.0))[0]  # a car 4.6 x 1.9 x 1.6 at 30, 0, along x
    assert corners[0] == pytest.approx([32.3, 0.95, 0.0])
    assert corners[6] == pytest.approx([27.7, -0.95, 1.6])


def test_boxes_move_to_the_stamp_of_the_picture_and_those_out_of_view_are_left_out():
    still, later_ns = objects_at(0, 0.0), 100_000_000
    still = replace(still, velocities_mps=np.tile([0.0, 10.0], (len(still), 1)))  # to the left
    camera_from_base = np.linalg.inv(OPTICAL)
    shown = {at: boxes_in(Picture(at, 320, 192, 0.5, b''), MODEL, camera_from_base, {0: still}) for at in (0, later_ns)}
    first = {at: next(box for box in boxes if box['name'] == '11111111') for at, boxes in shown.items()}
    # at first the front left lower corner is 32.3 - 1.6 m ahead, 0.95 m left, 1.5 m below; then 1 m farther left
    for at, left_m in ((0, 0.95), (later_ns, 1.95)):
        expected = [0.5 * (320 - 300 * left_m / 30.7), 0.5 * (192 + 300 * 1.5 / 30.7)]
        assert first[at]['corners'][:2] == pytest.approx(expected, abs=0.51)
    behind = replace(still, positions_m=still.positions_m - [200.0, 0.0, 0.0])
    assert boxes_in(Picture(0, 320, 192, 0.5, b''), MODEL, camera_from_base, {0: behind}) == []
    assert boxes_in(Picture(0, 320, 192, 0.5, b''), MODEL, camera_from_base, {SECOND: still}) == []


def columns_of(scores, contact, comfort):
    count = len(scores)
    fixed = {name: np.zeros(count) for name in ('x', 'y', 'z')}
    fixed |= {'candidate': np.arange(count) + 10, 'kind': np.zeros(count, int), 'score': np.array(scores)}
    when = np.where(np.array(contact) > 0.0, 99.0, 2.34)
    return {**fixed, 'gate_contact': np.array(contact), 'when_contact': when, 'term_comfort': np.array(comfort)}


def test_the_chosen_candidate_stands_first_and_the_best_of_the_vetoed_last():
    columns = columns_of([0.5, 0.9, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], [0.5, 0.9, 0.3, 0.8])
    told = marks_rows(columns, Decision(0, 'a', 'b', values={'candidate': '10'}))
    assert [row['id'] for row in told['rows']] == [10, 11, 13, 12]
    assert [row['chosen'] for row in told['rows']] == [True, False, False, False]
    assert (told['gates'], told['terms'], told['count']) == (['contact'], ['comfort'], 4)
    assert [(row['gates'], row['whens']) for row in told['rows'][1:3]] == [([1.0], [None]), ([0.0], [2.3])]


def test_the_chosen_candidate_is_known_by_where_the_trajectory_ends():
    columns = columns_of([0.9, 0.2, 0.4], [1.0, 1.0, 1.0], [0.5, 0.5, 0.5])
    columns['x'] = np.array([30.0, 12.0, 12.05])
    rows = marks_rows(columns, Decision(0, 'a', 'b'), np.array([12.0, 0.0]))['rows']
    assert [row['id'] for row in rows] == [12, 10, 11]  # of the two that end there the better one


def test_without_a_word_of_the_planner_the_best_score_counts_as_chosen_and_nan_as_not_judged():
    columns = columns_of([0.5, 0.9], [1.0, 1.0], [0.5, np.nan])
    rows = marks_rows(columns, None)['rows']
    assert (rows[0]['id'], rows[0]['terms']) == (11, [None])


def test_a_planner_without_candidates_has_no_marks():
    assert marks_rows(columns_of([], [], []), None)['rows'] == []


def test_lineage_goes_from_safety_back_to_the_sensors_each_stage_once():
    raw, at = 'sensing/lidar/top/pointcloud_raw', 100_000_000
    steps = {
        'safety': {topics.PLANNED.name: at}, 'planning': {topics.TERRAIN.name: at, topics.ODOMETRY.name: at},
        'perception': {topics.CLOUD.name: at, topics.MAP_PRIOR.name: at - 30_000_000},
        'localization': {topics.CLOUD.name: at}, 'lidar': {raw: at, topics.ODOMETRY.name: at - 20_000_000},
    }  # fmt: skip
    log = [Status(at, node, Level.OK, '', lineage) for node, lineage in steps.items()]
    rows = Lineage(log).of(at)
    assert [row for row in rows if row[0] == 'lidar'] == [('lidar', topics.ODOMETRY.name, 20.0), ('lidar', raw, 0.0)]
    assert rows[0] == ('safety', topics.PLANNED.name, 0.0)
    assert ('perception', topics.MAP_PRIOR.name, 30.0) in rows
    assert len(rows) == len(set(rows)) == 8
    assert Lineage(log).of(at + 1) == []


def test_lineage_does_not_go_back_through_all_sweeps():
    stamps = [SECOND * at for at in range(50)]
    log = [Status(at, 'lidar', Level.OK, '', {'raw': at, topics.ODOMETRY.name: at - SECOND}) for at in stamps]
    log += [Status(at, 'localization', Level.OK, '', {topics.CLOUD.name: at}) for at in stamps]
    ticked = topics.ODOMETRY_PREDICTED.name  # at the moment of the next sweep, which came after it
    log += [Status(at, 'safety', Level.OK, '', {topics.ODOMETRY.name: at, ticked: at + SECOND}) for at in stamps]
    assert Lineage(log).of(stamps[-2]) == [
        ('safety', topics.ODOMETRY.name, 0.0), ('safety', ticked, -1000.0), ('localization', topics.CLOUD.name, 0.0),
        ('lidar', topics.ODOMETRY.name, 1000.0), ('lidar', 'raw', 0.0),
    ]  # fmt: skip


def test_complaints_that_differ_in_numbers_and_come_soon_are_one_spell():
    log = [
        Status(round(second * SECOND), 'safety', Level.ERROR, f'no trajectory for {second:.2f} s')
        for second in (0.0, 0.5, 0.9, 3.0)
    ]
    spells = alerts([*log, Status(0, 'safety', Level.OK, 'fine')], 0)
    first = 'no trajectory for 0.00 s'
    assert spells == [['safety', 0, 900, 'ERROR', first, 3], ['safety', 3000, 3000, 'ERROR', first, 1]]


def test_acceleration_is_the_slope_of_the_speed_and_none_is_told_across_a_gap():
    speeds = [(round(at * SECOND), 2.0 * at) for at in (0.0, 0.1, 0.2, 0.3, 5.0)]
    assert [round(value, 6) for _, value in acceleration(speeds)] == [2.0, 2.0, 2.0, 2.0]
    assert acceleration(speeds[:1]) == []


def test_no_objects_make_no_rows():
    assert layers.object_rows(no_objects(0, 'odom', tracked=True), ORIGIN) == []
    assert box_corners(no_objects(0, 'odom', tracked=True)).shape == (0, 8, 3)
