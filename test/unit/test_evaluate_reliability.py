"""Thresholds that are shipped, chances, spreads and intervals, worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
from seen_frames import objects, seen

from autonomy_nodes.common.objects import Label
from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.evaluation.measures.channels import asked_of
from autonomy_nodes.evaluation.measures.detected import inside
from autonomy_nodes.evaluation.measures.detection import everything
from autonomy_nodes.evaluation.measures.page import write_page
from autonomy_nodes.evaluation.measures.precision import Scene, judged, most_recall_at, share_interval, within
from autonomy_nodes.evaluation.measures.reliability import binned, diagram, errors, group_bins, scaled
from autonomy_nodes.evaluation.measures.shipped import told_figures
from autonomy_nodes.evaluation.measures.task import Result, Task


def test_the_calibration_error_of_four_answers_is_the_mean_over_both_parts_of_the_scale():
    bins = binned(np.array([0.85, 0.87, 0.31, 0.35]), np.array([True, False, False, False]))
    # of the two above 0.8 half are right, told 0.86; of the two above 0.3 none, told 0.33
    assert bins.error == pytest.approx(0.5 * 0.36 + 0.5 * 0.33)
    assert bins.counts[[3, 8]].tolist() == [2, 2] and bins.right[8] == 0.5


def test_what_is_told_as_often_as_it_is_so_has_no_error_and_nothing_told_has_none_that_is_known():
    assert binned(np.full(4, 0.75), np.array([True, True, True, False])).error == pytest.approx(0.0)
    assert binned(np.array([1.0]), np.array([True])).error == 0.0
    assert np.isnan(binned(np.zeros(0), np.zeros(0, bool)).error)


def test_errors_count_in_told_sigmas_and_a_box_turned_round_is_the_same_box():
    covariance = np.diag([4.0, 1.0, 0.01])[None]
    off, squares, turns = scaled(np.array([[2.0, 1.0, 0.0, 0.0, np.pi - 0.1]]), covariance)
    assert off == pytest.approx([np.sqrt(5.0)])
    assert squares == pytest.approx([2.0], abs=1e-6)
    assert turns == pytest.approx([1.0], abs=1e-6)


def test_errors_are_of_what_is_shipped_and_right():
    frame = seen([(10.0, 9), (30.0, 9)], objects((10.5, 0.9, 1.0), (29.0, 0.1, 1.0)), objects((10.5, 0.9, 1.0)))
    off, squares, _ = errors(frame, (Label.CAR,), 2.0, 45.0)
    assert off == pytest.approx([0.5]) and squares == pytest.approx([0.25], abs=1e-6)
    surer = objects((20.0, 0.95, 1.0), (10.5, 0.9, 1.0))
    surer.pose_covariances[0] *= 9.0  # of the wrong one
    assert errors(seen([(10.0, 9)], surer), (Label.CAR,), 2.0, 45.0)[1] == pytest.approx([0.25], abs=1e-6)


def test_chances_of_a_group_are_existence_times_class():
    frame = seen([(10.0, 9)], objects((10.0, 0.8, 0.5), (20.0, 0.7, 1.0)))
    bins = group_bins([frame], 'vehicle', 45.0, shipped=False)
    assert bins.counts[[4, 7]].tolist() == [1, 1]  # 0.7 * 10 is no whole number in binary either way
    assert bins.right[[4, 7]].tolist() == [1.0, 0.0]


def test_recall_and_precision_of_what_is_shipped_within_forty_metres():
    labels = [(10.0, 9), (20.0, 2), (30.0, 0), (39.0, 9), (44.0, 9)]
    every = objects((10.0, 0.9, 0.9), (20.5, 0.6, 0.9), (25.0, 0.5, 0.9), (39.0, 0.3, 0.9), (44.0, 0.9, 0.9))
    shipped = every.kept(np.array([0, 1, 2, 4]))
    told = told_figures([seen(labels, every, shipped)], seed=0)
    assert told['n_vehicle_labels_40m_1point'] == 3 and told['n_vehicle_labels_40m_5points'] == 2
    assert told['vehicle.told.recall_2m'] == pytest.approx(100.0 * 2 / 3)
    assert told['vehicle.told.recall_2m_5points'] == 50.0
    assert told['n_vehicle_told_40m'] == 3 and told['vehicle.told.precision_2m'] == pytest.approx(100.0 * 2 / 3)
    assert told['vehicle.told.recall_2m_half'] == 100.0
    assert told['vehicle.told.score_half'] == pytest.approx(0.3 * 0.9)
    assert np.isnan(told['pedestrian.told.recall_2m'])


def test_what_is_most_probably_something_else_is_not_shipped_as_a_vehicle():
    told = told_figures([seen([(10.0, 9)], objects((10.0, 0.9, 0.4)))], seed=0)
    assert told['vehicle.told.recall_2m'] == 0.0 and told['vehicle.told.recall_2m_half'] == 100.0


def scene(labels, found):
    boxes = [np.array([[x, 0.0, 4.0, 2.0, 0.0] for x in xs]).reshape(-1, 5) for xs in (labels, [x for x, _ in found])]
    scores = np.array([score for _, score in found])
    return Scene(boxes[0], np.zeros(len(labels), bool), boxes[1], scores, np.zeros(len(found), bool))


def test_the_most_recall_at_half_precision_is_at_the_lowest_score_that_is_so_precise():
    frame = judged(scene([10, 30, 70], [(10, 0.9), (50, 0.8), (51, 0.7), (30, 0.6), (90, 0.5), (70, 0.5)]), within(2.0))
    # right of told: 1/1, 1/2, 1/3, 2/4, then two equal scores at once: 3/6
    assert most_recall_at([frame], 0.5) == (100.0, 0.5)
    assert most_recall_at([frame], 0.51) == (pytest.approx(100.0 / 3), 0.9)
    tied = judged(scene([10, 30, 70], [(10, 0.9), (30, 0.6), (50, 0.6), (51, 0.6)]), within(2.0))
    assert most_recall_at([tied], 0.6) == (pytest.approx(100.0 / 3), 0.9)  # no threshold lies between equal scores
    assert most_recall_at([judged(scene([10], [(50, 0.9)]), within(2.0))], 0.5) == (0.0, 1.0)
    assert np.isnan(most_recall_at([judged(scene([], [(50, 0.9)]), within(2.0))], 0.5)[0])


def test_of_few_frames_the_interval_is_that_of_a_share_and_of_many_that_of_frames_drawn_anew():
    low, high = share_interval([5], [10], seed=0)
    assert (low, high) == (pytest.approx(23.66, abs=0.05), pytest.approx(76.34, abs=0.05))  # Wilson of 5 of 10
    assert share_interval([1] * 10, [2] * 10, seed=0) == (50.0, 50.0)
    wide = share_interval([0, 2] * 10, [2] * 20, seed=0)
    assert wide[0] < 40.0 < 60.0 < wide[1]
    assert np.isnan(share_interval([0], [0], seed=0)[0])


def test_points_are_counted_inside_a_turned_box():
    box = replace(objects((10.0, 1.0, 1.0)), headings_rad=np.array([np.pi / 2.0]))
    xyz = np.array([[10.0, 1.9, 0.8], [11.9, 0.0, 0.8], [10.9, 0.0, 0.1], [10.0, 0.0, 1.7]], np.float32)
    assert inside(box, xyz).tolist() == [2]  # the second lies beyond its width, the last above it


def test_figures_come_by_class_and_by_what_the_drive_tells_of_itself(tmp_path):
    right, blind = objects((10.0, 0.9, 1.0)), objects()
    frames = [seen([(10.0, 9)], right, sensor='a_64'), seen([(10.0, 9)], blind, label=Label.TRUCK, sensor='b_16')]
    told = everything(frames, Task(tmp_path, tmp_path))
    assert (told['sensor_a_64.vehicle.ap_2m'], told['sensor_b_16.vehicle.ap_2m']) == (100.0, 0.0)
    assert (told['class_car.recall_2m'], told['class_truck.recall_2m']) == (100.0, 0.0)
    assert told['n_sensor_b_16_vehicle_labels'] == 1 and told['vehicle.ap_2m'] == 50.0
    assert told['vehicle.ece'] == pytest.approx(0.1) and told['vehicle.centre_within_90'] == 100.0
    assert told['objects_per_frame'] == 0.5


def test_the_diagram_stands_on_the_page_below_the_parts(tmp_path):
    picture = diagram(binned(np.array([0.9, 0.2]), np.array([True, False])))
    assert picture.startswith(b'\x89PNG')
    result = Result({'f1': 0.5, 'range_0_20.f1': 0.6}, pictures={'chances': lambda: picture})
    write_page(tmp_path / 'page.html', 'detection', Task(tmp_path, tmp_path), result)
    page = (tmp_path / 'page.html').read_text()
    assert page.index('By part') < page.index('chances') < page.index('All figures')


def test_a_channel_is_asked_for_by_name_and_one_with_a_network_needs_one(tmp_path):
    assert asked_of(Task(tmp_path, tmp_path)).kind == 'geometric'
    for options, word in (({'channel': 'fused'}, 'needs --model'), ({'channel': 'best'}, 'must be one of')):
        with pytest.raises(SettingsError, match=word):
            asked_of(Task(tmp_path, tmp_path, options=options))
