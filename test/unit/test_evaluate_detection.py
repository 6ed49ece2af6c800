"""Average precision on cases worked out by hand, made frames with layouts of the field, real frames where they are."""

import json

import numpy as np
import pytest

from autonomy_nodes.commands.main import main
from autonomy_nodes.evaluation.measures.precision import (
    Scene,
    average_precision,
    interval,
    judged,
    most_recall,
    overlapping,
    within,
)

CALIB = (
    'P2: 700 0 600 0 0 700 180 0 0 0 1 0\nR0_rect: 1 0 0 0 1 0 0 0 1\nTr_velo_to_cam: 0 -1 0 0 0 0 -1 0 1 0 0 0\n'
)


def scene(labels, found, left_out=(), quiet=()):
    """Labels at x, found as x and score; all 4 m by 2 m."""
    boxes = [np.array([[x, 0.0, 4.0, 2.0, 0.0] for x in xs]).reshape(-1, 5) for xs in (labels, [x for x, _ in found])]
    out, still = np.zeros(len(labels), bool), np.zeros(len(found), bool)
    out[list(left_out)], still[list(quiet)] = True, True
    return Scene(boxes[0], out, boxes[1], np.array([score for _, score in found], float), still)


def ap(*scenes, rule=None):
    return average_precision([judged(each, rule or within(2.0)) for each in scenes])


def test_all_found_and_nothing_else_is_a_hundred():
    assert ap(scene([10, 30], [(10.5, 0.9), (29, 0.4)])) == pytest.approx(100.0)


def test_one_false_above_the_second_of_two_leaves_five_sixths():
    # recall up to 1/2 at precision 1, up to 1 at 2/3
    assert ap(scene([10, 30], [(10, 0.9), (50, 0.8), (30, 0.7)])) == pytest.approx(100.0 * (0.5 + 0.5 * 2 / 3))


def test_what_is_never_found_counts_for_nothing():
    assert ap(scene([10, 30, 50, 70], [(10, 0.9)])) == pytest.approx(25.0)


def test_a_label_is_found_once_and_the_second_is_wrong():
    told = judged(scene([10], [(10, 0.5), (10.2, 0.9)]), within(2.0))
    assert told.right.tolist() == [True, False]
    assert told.scores.tolist() == [0.9, 0.5]


def test_equal_scores_are_one_threshold_whatever_their_order():
    one, two = scene([10], [(10, 0.5), (50, 0.5)]), scene([10], [(50, 0.5), (10, 0.5)])
    assert ap(one) == ap(two) == pytest.approx(50.0)


def test_what_is_left_out_may_be_found_or_not():
    assert ap(scene([10, 30], [(10, 0.5), (30, 0.9)], left_out=[1])) == pytest.approx(100.0)
    assert ap(scene([10, 30], [(10, 0.5)], left_out=[1])) == pytest.approx(100.0)


def test_the_quiet_count_only_where_they_are_right():
    assert ap(scene([10], [(10, 0.5), (50, 0.9)], quiet=[1])) == pytest.approx(100.0)
    assert ap(scene([10], [(10, 0.5)], quiet=[0])) == pytest.approx(100.0)


def test_a_box_a_metre_ahead_overlaps_by_three_fifths():
    moved = scene([10], [(11, 0.9)])  # 3 m of 4 m: 6 m2 of 10 m2
    assert ap(moved, rule=overlapping(0.59)) == pytest.approx(100.0)
    assert ap(moved, rule=overlapping(0.61)) == pytest.approx(0.0)


def test_nothing_labelled_has_no_precision_and_nothing_found_has_none():
    assert np.isnan(ap(scene([], [(10, 0.9)])))
    assert ap(scene([10], [])) == 0.0
    assert most_recall([judged(scene([10, 20], [(10, 0.1)]), within(2.0))]) == 50.0


def test_the_interval_of_equal_frames_is_a_point():
    frames = [judged(scene([10, 30], [(10, 0.9)]), within(2.0))] * 5
    assert interval(frames, seed=0) == (50.0, 50.0)


def car_and_road():
    """A flat road of rings 1.73 m under the sensor, and a car's side and rear at 12 m ahead, 3 m to the left."""
    angle = np.arange(-np.pi, np.pi, 0.004)
    rings = [np.column_stack([r * np.cos(angle), r * np.sin(angle), np.full(len(angle), -1.73)])
             for r in np.arange(4.0, 40.0, 0.6)]  # fmt: skip
    x, z = (v.ravel() for v in np.meshgrid(np.arange(12.0, 16.3, 0.1), np.arange(-1.4, -0.2, 0.1)))
    side = np.column_stack([x, np.full(len(x), 2.1), z])
    y, z = (v.ravel() for v in np.meshgrid(np.arange(2.1, 3.9, 0.1), np.arange(-1.4, -0.2, 0.1)))
    rear = np.column_stack([np.full(len(y), 12.0), y, z])
    return np.vstack([*rings, side, rear]).astype(np.float32)


def folder(tmp_path):
    (tmp_path / 'velodyne').mkdir(parents=True)
    points = np.column_stack([car_and_road(), np.zeros(len(car_and_road()))]).astype('<f4')
    for number in range(2):
        points.tofile(tmp_path / f'velodyne/{number:06d}.bin')
    (tmp_path / 'calib.txt').write_text(CALIB)
    row = 'Car 0 0 0 500 150 560 220 1.5 1.8 4.3 -3.0 1.73 14.15 -1.5707963'
    (tmp_path / 'label_02.txt').write_text(f'0 5 {row}\n1 5 {row}\n')
    return tmp_path


def test_a_made_sequence_gives_its_car_in_the_camera_s_words(tmp_path):
    data, out = folder(tmp_path / 'data'), tmp_path / 'out'
    assert main(['evaluate', 'detection', '--data', str(data), '--out', str(out), '--json', str(out / 'f.json')]) == 0
    figures = json.loads((out / 'f.json').read_text())
    assert figures['detection.vehicle.ap_2m'] == pytest.approx(100.0)
    assert figures['n_vehicle_labels'] == 2
    rows = [line.split() for line in (out / 'data/data.txt').read_text().splitlines()]
    best = max((row for row in rows if row[0] == '0'), key=lambda row: float(row[-1]))
    assert best[:3] == ['0', '-1', 'Car']
    np.testing.assert_allclose([float(word) for word in best[13:16]], [-3.0, 1.73, 14.15], atol=0.15)


def test_a_folder_without_labels_ends_with_two(tmp_path):
    data = folder(tmp_path / 'data')
    (data / 'label_02.txt').unlink()
    assert main(['evaluate', 'detection', '--data', str(data), '--out', str(tmp_path / 'out')]) == 2


def test_a_network_is_measured_beside_the_geometric_channel(tmp_path):
    torch = pytest.importorskip('torch')
    pytest.importorskip('onnxscript')
    from autonomy_nodes.perception.network import PRESETS, Network
    from autonomy_nodes.training.export import export

    told = {'settings': {'network': 'ci', 'batch': 1, 'held_out': 1}, 'notes': {}, 'quality': {}}
    told |= {'step': 0, 'seed': 0, 'spent_s': 0.0, 'averaged': Network(PRESETS['ci']).state_dict()}
    torch.save(told, tmp_path / 'checkpoint.pt')
    export(tmp_path / 'checkpoint.pt', tmp_path / 'model', 'made')
    data, out = folder(tmp_path / 'data'), tmp_path / 'out'
    words = ['evaluate', 'detection', '--data', str(data), '--out', str(out), '--json', str(out / 'f.json')]
    assert main([*words, '--model', str(tmp_path / 'model')]) == 0
    figures = json.loads((out / 'f.json').read_text())
    assert figures['detection.geometric.vehicle.ap_2m'] == pytest.approx(100.0)
    assert figures['detection.vehicle.ap_2m'] < 50.0  # it never learned
    assert main([*words, '--model', str(tmp_path / 'none_such')]) == 2
