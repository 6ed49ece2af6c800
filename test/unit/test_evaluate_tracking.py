"""The metric on cases worked out by hand; real sequences where the data is there."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from autonomy_nodes.commands.main import main
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures.clear_mot import Followed, Labelled, Sequence3D, curve, thresholds
from autonomy_nodes.evaluation.measures.kitti_rows import boxes_of, camera_boxes, shown
from autonomy_nodes.evaluation.measures.overlaps import box_iou, covered, flat_iou
from autonomy_nodes.evaluation.measures.tracking import CONFIG, detections, follow, labels_of
from autonomy_nodes.messages.formats.kitti_files import calibration_of, matrices

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get('AUTONOMY_DATA', '')) / 'sensors/kitti_tracking'
NEEDS_DATA = pytest.mark.skipif(not DATA.is_dir(), reason='AUTONOMY_DATA/sensors/kitti_tracking is missing')
CAR = [20.0, 3.0, 0.0, 4.0, 2.0, 1.5, 0.3]
PICTURE = [100.0, 100.0, 200.0, 140.0]


def labelled(count=1, left_out=False, ignored=()):
    boxes = np.array([CAR] * count).reshape(-1, 7)
    return Labelled(np.zeros(count, int), boxes, np.full(count, left_out), np.array(ignored, float).reshape(-1, 4))


def followed(*rows):
    """Rows of id, score and metres beside the label; each of the same picture."""
    boxes = np.array([np.array(CAR) + [0, aside, 0, 0, 0, 0, 0] for _, _, aside in rows]).reshape(-1, 7)
    ids, scores = np.array([row[0] for row in rows], int), np.array([row[1] for row in rows], float)
    return Followed(ids, boxes, np.array([PICTURE] * len(rows)).reshape(-1, 4), scores)


def figures(labels, rows):
    return curve([Sequence3D(labels, rows)]).figures([0])


def test_squares_that_share_half_overlap_by_a_third():
    one, two = np.array([[0.0, 0, 2, 2, 0]]), np.array([[1.0, 0, 2, 2, 0], [5.0, 0, 2, 2, 0]])
    np.testing.assert_allclose(flat_iou(one, two), [[1 / 3, 0.0]], atol=1e-12)


def test_a_square_turned_by_45_degrees_shares_an_octagon():
    square, turned = np.array([[3.0, 4.0, 1, 1, 0.2]]), np.array([[3.0, 4.0, 1, 1, 0.2 + np.pi / 4]])
    octagon = 2.0 * (np.sqrt(2.0) - 1.0)
    np.testing.assert_allclose(flat_iou(square, turned), octagon / (2.0 - octagon), atol=1e-12)


def test_boxes_of_which_one_stands_half_as_high_overlap_by_a_third():
    raised = np.array([CAR]) + [0, 0, 0.75, 0, 0, 0, 0]
    np.testing.assert_allclose(box_iou(np.array([CAR]), raised), 1 / 3, atol=1e-12)


def test_a_picture_is_covered_by_the_share_of_it_that_a_region_hides():
    np.testing.assert_allclose(covered(np.array([[0.0, 0, 10, 10]]), np.array([[5.0, 0, 50, 50]])), 0.5)


def test_a_box_goes_to_the_camera_and_back():
    rows = camera_boxes(np.array([CAR]))
    np.testing.assert_allclose(rows[0], [1.5, 2.0, 4.0, -3.0, 0.75, 20.0, -0.3 - np.pi / 2], atol=1e-12)
    np.testing.assert_allclose(boxes_of(rows[:, 3:6], rows[:, [2, 1, 0]], rows[:, 6]), [CAR], atol=1e-12)


def test_what_stands_behind_the_camera_is_not_shown():
    projection = np.array([[700.0, 0, 600, 0], [0, 700, 180, 0], [0, 0, 1, 0]])
    boxes = np.array([[10.0, 0, 0, 2, 2, 2, 0.0], [-10.0, 0, 0, 2, 2, 2, 0.0]])
    pixels = shown(boxes, projection, (1200, 360))
    half = 700.0 / 9.0  # one metre at the near side, nine metres away
    np.testing.assert_allclose(pixels[0], [600 - half, 180 - half, 600 + half, 180 + half], atol=1e-9)
    assert np.isnan(pixels[1]).all()


def test_recalls_lie_a_fortieth_apart_and_the_first_is_left_out():
    told = thresholds([5.0, 4.0, 3.0, 2.0], labels=4)
    assert [score for score, _ in told] == [4.0, 3.0, 2.0]
    np.testing.assert_allclose([recall for _, recall in told], [0.025, 0.05, 0.075])
    assert len(thresholds(list(range(80)), labels=80)) == 40


def test_who_follows_everything_has_all_of_it():
    told = figures([labelled()] * 80, [followed((7, 1.0, 0.0))] * 80)
    assert told['samota'] == pytest.approx(100.0)
    assert told['mota'] == pytest.approx(100.0)
    assert told['switches'] == 0


def test_a_switch_and_a_false_row_cost_a_quarter_each_of_four_labels():
    rows = [followed((1, 5.0, 0.0))] * 2 + [followed((2, 5.0, 0.0)), followed((2, 5.0, 0.0), (3, 5.0, 9.0))]
    told = figures([labelled()] * 4, rows)
    assert (told['switches'], told['false'], told['missed']) == (1, 1, 0)
    assert told['mota'] == pytest.approx(50.0)


def test_a_miss_between_is_no_switch():
    rows = [followed((1, 5.0, 0.0)), followed(), followed((2, 5.0, 0.0))]
    told = figures([labelled()] * 3, rows)
    assert (told['switches'], told['missed']) == (0, 1)


def test_the_best_threshold_leaves_out_a_false_track_of_low_score():
    rows = [followed((1, 5.0, 0.0), (2, 0.5, 9.0))] * 40
    assert figures([labelled()] * 40, rows)['mota'] == pytest.approx(100.0)


def test_two_metres_aside_is_no_car_found():
    told = figures([labelled()] * 4, [followed((1, 5.0, 0.0))] * 2 + [followed((1, 5.0, 2.0))] * 2)
    assert (told['missed'], told['false']) == (2, 2)


def test_a_region_that_nobody_labelled_hides_what_finds_nothing():
    region = [[90.0, 90, 260, 260]]
    rows = [followed((1, 5.0, 0.0), (2, 5.0, 9.0))] * 4
    assert figures([labelled(ignored=region)] * 4, rows)['false'] == 0
    assert figures([labelled()] * 4, rows)['false'] == 4


def test_what_is_left_out_is_neither_missed_nor_found_wrongly():
    labels = [labelled()] * 3 + [labelled(left_out=True)] * 2
    told = figures(labels, [followed((1, 5.0, 0.0))] * 4 + [followed()])
    assert (told['n_labels'], told['missed'], told['false']) == (3, 0, 0)


def table(tmp_path, text):
    path = tmp_path / '0000.txt'
    path.write_text(text)
    return path


def test_a_torn_row_of_detections_is_named(tmp_path):
    with pytest.raises(DataError, match=r'0000.txt:2'):
        detections(table(tmp_path, '0,2,1,1,9,9,5,1.5,2,4,0,1,20,0,0\n1,2,3\n'))


def test_a_car_that_drives_by_is_one_track_and_told_where_it_is():
    projection = np.array([[700.0, 0, 600, 0], [0, 700, 180, 0], [0, 0, 1, 0]])
    rows = [[k, 2, 500, 150, 600, 220, 8.0, 1.5, 1.8, 4.2, -4.0, 1.5, 40.0 - k, -1.5, 0.0] for k in range(25)]
    lines, told, _ = follow(np.array(rows, float), 25, projection, CONFIG)
    assert {name for row in told for name in row.ids.tolist()} == {0}
    assert all(len(row.ids) == 1 for row in told)  # so sure a detection is told at once
    np.testing.assert_allclose(told[-1].boxes[0, :2], [16.0, 4.0], atol=0.15)
    assert lines[-1].split()[:3] == ['24', '0', 'Car']


def test_a_folder_without_detections_ends_with_two(tmp_path):
    assert main(['evaluate', 'tracking', '--data', str(tmp_path), '--out', str(tmp_path / 'out')]) == 2


@NEEDS_DATA
def test_a_sequence_gives_what_was_reported():
    reported = json.loads((ROOT / 'docs/results/tracking.json').read_text())
    calib = DATA / 'calib/0003.txt.gz'
    found = detections(DATA / 'det_pointrcnn_car/0003.txt.gz')
    labels = labels_of(DATA / 'label/0003.txt.gz', 0)
    _, rows, _ = follow(found, len(labels), calibration_of(calib, matrices(calib)).projections['front'])
    sequence = Sequence3D(labels, rows)
    sequence.count(-np.inf)  # as the protocol begins
    counts = sequence.count(reported['tracking.threshold'])
    assert 100.0 * counts.mota == pytest.approx(reported['tracking.sequence_0003.mota'], abs=0.7)
    assert counts.switches == reported['tracking.sequence_0003.switches']
