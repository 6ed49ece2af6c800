"""Recordings to examples: what a whole recording gives, whoever does the work, and what that says of pictures."""

import io
import json
import os
import tarfile
from dataclasses import replace

import cv2
import numpy as np
import pytest
from flat_examples import example_of
from recordings import record

from autonomy_nodes.commands.main import main
from autonomy_nodes.common.paths import share
from autonomy_nodes.common.sensing import CameraModel, Image
from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.common.types import SECOND_NS, DataError, EgoState
from autonomy_nodes.messages.bags import Recording
from autonomy_nodes.perception.bev import CELLS, TERRAIN
from autonomy_nodes.training.examples import NO_OBSTACLE
from autonomy_nodes.training.pseudo.cluster import shared_out
from autonomy_nodes.training.pseudo.hindsight import HindsightSettings
from autonomy_nodes.training.pseudo.moments import LabelSettings
from autonomy_nodes.training.pseudo.orders import Order, Workers, write_order
from autonomy_nodes.training.pseudo.pictures import told_of
from autonomy_nodes.training.pseudo.played import StackSettings, Taken
from autonomy_nodes.training.pseudo.stretches import CutSettings, source_of, stretches
from autonomy_nodes.training.pseudo.tracks import TrackSettings
from autonomy_nodes.training.shards import read_named, read_shard
from autonomy_nodes.training.targets import NOT_TOLD, targets_of

LABELS = LabelSettings(TrackSettings(hits=4), HindsightSettings(reach_s=0.8, looks=2))
CUT = CutSettings(stretch_s=1.0, margin_s=0.8)
STACK = StackSettings((share('config/vehicles/car.yaml'), share('config/stack.yaml')))


def quiet(*told):
    """Say nothing."""


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    return record(tmp_path_factory.mktemp('bag') / 'drive.mcap', 2.0)


def order_of(bag, **more):
    return Order(source_of(bag), STACK, every=3, cut=CUT, labels=LABELS, **more)


@pytest.fixture(scope='module')
def written(bag, tmp_path_factory):
    folder = tmp_path_factory.mktemp('examples')
    return folder, write_order(folder, order_of(bag), 'c', Workers(), quiet)


def test_a_recording_becomes_shards_of_examples_that_know_what_they_do_not_know(written):
    folder, told = written
    shards = sorted(name for name in told['files'] if name.startswith('examples'))
    found = [pair for name in shards for pair in read_named(folder / name)]
    assert len(shards) >= 2 and sum(told['files'][name]['examples'] for name in shards) == len(found) >= 3
    assert json.loads((folder / 'manifest.json').read_text()) == told
    _, example = found[1]
    assert example.sensor_m[2] > 1.0 and len(example.points) > 3000 and len(example.before) > 3000
    known = np.isfinite(example.ground_m)
    assert 0.05 < known.mean() < 0.9
    assert (example.terrain == NO_OBSTACLE).sum() > 30 and set(np.unique(example.terrain)) <= {
        NO_OBSTACLE, NOT_TOLD, TERRAIN.index('obstacle')
    }  # fmt: skip
    assert not example.blocked[example.terrain == NO_OBSTACLE].any()
    assert not (example.blocked & ~example.stands_asked).any()
    assert 0.0 < example.objects_asked.mean() < 1.0
    prior = np.zeros((3, *CELLS), np.float32)
    prior[1] = 1.0
    targets = targets_of(example, prior)
    assert targets['seen'].sum() == example.stands_asked.sum()


def test_the_ground_below_the_vehicle_is_that_of_its_wheels(written):
    folder, _ = written
    for example in read_shard(folder / 'examples-00000.tar'):
        middle = CELLS[0] * 40 // 96, CELLS[1] // 2
        assert example.ground_m[middle] == pytest.approx(0.0, abs=0.05)


def test_the_same_recording_gives_the_same_bytes_and_a_run_goes_on_where_it_was_cut(bag, written, tmp_path):
    folder, told = written
    again = write_order(tmp_path, order_of(bag), 'c', Workers(), quiet)
    assert again == told
    (tmp_path / 'examples-00001.tar').write_bytes(b'broken')
    lines = []
    assert write_order(tmp_path, order_of(bag), 'c', Workers(), lambda *line: lines.append(line)) == told
    assert lines[0][2] == 1 and len(lines) == 2
    for name in told['files']:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    with pytest.raises(DataError, match='seed is 0, not 1'):
        write_order(tmp_path, order_of(bag, seed=1), 'c', Workers(), quiet)


def test_a_cluster_gives_the_same_bytes(bag, written, tmp_path):
    pytest.importorskip('ray', reason='Ray is missing: make setup WITH="sim import test cluster"')
    folder, told = written
    assert write_order(tmp_path, order_of(bag), 'c', Workers(2, 'ray'), quiet) == told
    for name in told['files']:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_the_work_is_done_by_processes_of_a_cluster_in_order_and_bad_data_are_named():
    pytest.importorskip('ray', reason='Ray is missing: make setup WITH="sim import test cluster"')

    def process_of(number):  # within the test, it travels as it is
        if number < 0:
            raise DataError(f'{number} is below 0')
        return number, os.getpid()

    found, answers = [], shared_out('ray', '', 2, process_of, [*range(12), -1, 12])
    with pytest.raises(DataError, match='-1 is below 0'):
        found.extend(answers)
    assert [number for number, _ in found] == list(range(12))
    assert os.getpid() not in {process for _, process in found}


def test_who_works_is_one_of_those_that_there_are():
    assert list(shared_out('local', '', 1, abs, [-1, 2])) == [1, 2]
    with pytest.raises(SettingsError, match="backend='slurm'"):
        list(shared_out('slurm', '', 1, abs, [1]))
    with pytest.raises(SettingsError, match='address'):
        list(shared_out('local', 'there:1', 1, abs, [1]))


def test_pictures_lie_beside_the_examples_with_the_boxes_and_ranges_of_what_they_show(written):
    folder, told = written
    there = next(name for name in sorted(told['files']) if name.startswith('pictures'))
    names = [name for name, _ in read_named(folder / there.replace('pictures', 'examples'))]
    with tarfile.open(folder / there) as shard:
        members = shard.getnames()
        jpeg, table = (next(name for name in members if name.endswith(ending)) for ending in ('.jpg', '.npz'))
        assert {name.split('.')[0] for name in members} <= set(names)
        image = cv2.imdecode(np.frombuffer(shard.extractfile(jpeg).read(), np.uint8), cv2.IMREAD_COLOR)
        with np.load(io.BytesIO(shard.extractfile(table).read())) as stored:
            pixels, ranges = stored['pixels'], stored['ranges_cm']
    assert len(pixels) == len(ranges) > 20
    assert (pixels < image.shape[1::-1]).all() and (ranges > 50).all()


def test_stretches_share_out_all_that_was_received_and_each_moment_once(bag):
    recording, found = Recording(bag), stretches(source_of(bag), CUT)
    assert found[0].begin_ns == recording.start_ns and found[-1].end_ns >= recording.end_ns
    assert all(one.end_ns == two.begin_ns for one, two in zip(found, found[1:]))
    assert found[0].with_margin_ns == (found[0].begin_ns - 800_000_000, found[0].end_ns + 800_000_000)


def test_what_is_no_recording_is_refused(tmp_path):
    with pytest.raises(DataError, match='does not exist'):
        source_of(tmp_path / 'nothing')
    with pytest.raises(DataError, match='remap'):
        source_of(tmp_path, 'kitti', tmp_path / 'names.yaml')


@pytest.mark.parametrize(
    ('more', 'key'), [({'every': 0}, 'every'), ({'seed': -1}, 'seed'), ({'cut': CutSettings(margin_s=0.5)}, 'margin_s')]
)
def test_an_order_that_makes_no_sense_is_refused(bag, more, key):
    with pytest.raises(ValueError, match=key):
        replace(order_of(bag), **more)


FOCAL, WIDE, HIGH = 100.0, 200, 120
BASE_FROM_CAMERA = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]])


def picture(later_ns=0):
    matrix = np.array([[FOCAL, 0, 99.5], [0, FOCAL, 59.5], [0, 0, 1.0]])
    flat = np.hstack([matrix, np.zeros((3, 1))])
    stamp_ns = SECOND_NS + later_ns
    model = CameraModel(stamp_ns, 'camera', WIDE, HIGH, matrix, 'plumb_bob', np.zeros(5), np.eye(3), flat)
    return Taken(Image(stamp_ns, 'camera', np.zeros((HIGH, WIDE, 3), np.uint8)), model)


def scene(points, boxes=(), bodies=None):
    made = example_of(boxes, [0] * len(boxes), np.random.default_rng(0))
    rows = np.column_stack([np.array(points, float).reshape(-1, 3), np.ones(len(points))]).astype(np.float32)
    return replace(made, points=rows, bodies=np.array(bodies if bodies is not None else [-1] * len(points)))


def ego(speed_mps=0.0):
    twist = np.array([speed_mps, 0.0, 0.0, 0.0, 0.0, 0.0])
    return EgoState(SECOND_NS, np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0]), twist)


def test_points_and_boxes_fall_where_the_camera_sees_them():
    box = [10.0, 2.0, 0.5, 2.0, 2.0, 1.0, 0.0, 0.0, 0.0]  # 9 to 11 m ahead, 1 to 3 m to the left, up to 1 m high
    made = scene([[10.0, 1.0, 1.5], [-5.0, 0.0, 1.5], [10.0, 50.0, 1.5]], [box])
    told = told_of(picture(), made, ego(), BASE_FROM_CAMERA)
    assert told.points.tolist() == [0] and told.pixels.tolist() == [[90.0, 60.0]]
    assert told.ranges_m.tolist() == pytest.approx([10.0])
    left, top, right, bottom = told.boxes_px[0]
    assert (left, right) == pytest.approx((100.0 - 300.0 / 9.0, 100.0 - 100.0 / 11.0))
    assert (top, bottom) == pytest.approx((60.0 + 50.0 / 11.0, 60.0 + 150.0 / 9.0))
    assert told.cut.tolist() == [0.0] and told.depths_m.tolist() == pytest.approx([10.0])


def test_a_box_that_leaves_the_picture_is_cut_and_one_behind_the_camera_is_none():
    ahead, behind = [5.0, 5.0, 1.5, 0.02, 2.0, 0.5, 0.0, 0.0, 0.0], [-5.0, 0.0, 1.5, 2.0, 2.0, 1.0, 0.0, 0.0, 0.0]
    told = told_of(picture(), scene([[5.0, 4.5, 1.5]], [behind, ahead]), ego(), BASE_FROM_CAMERA)
    assert told.rows.tolist() == [1] and told.boxes_px[0, 0] == 0.0
    assert told.cut[0] == pytest.approx(0.5, abs=0.02)  # 4 to 6 m to the left, of which 5 m are seen


def test_what_is_behind_something_nearer_is_left_out():
    wall = [[5.0, y, 1.5] for y in np.arange(-0.2, 0.21, 0.02)]
    behind, beside = [20.0, 0.0, 1.5], [20.0, 10.0, 1.5]
    told = told_of(picture(), scene([*wall, behind, beside]), ego(), BASE_FROM_CAMERA)
    assert told.points.tolist() == [*range(len(wall)), len(wall) + 1]


def test_a_picture_taken_later_shows_what_moved_since_and_from_where_the_vehicle_is_then():
    box = [20.0, 0.0, 1.5, 1.0, 2.0, 1.0, 0.0, 0.0, 10.0]  # goes to the left
    made = scene([[20.0, 0.0, 1.5], [20.0, -4.0, 1.5]], [box], bodies=[0, -1])
    told = told_of(picture(later_ns=100_000_000), made, ego(speed_mps=100.0), BASE_FROM_CAMERA)
    assert told.pixels.tolist() == [[90.0, 60.0], [140.0, 60.0]]  # 1 m to the left and 4 m to the right at 10 m
    assert told.boxes_px[0, [0, 2]].mean() == pytest.approx(90.0, abs=0.6) and told.shown.tolist() == [1.0]


def test_the_command_asks_of_what_the_examples_are_to_be_made(tmp_path, capsys):
    assert main(['data', 'pseudo', str(tmp_path / 'new')]) == 2
    assert '--of RECORDING' in capsys.readouterr().err
