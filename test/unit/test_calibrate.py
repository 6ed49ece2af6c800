import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from autonomy_nodes.commands.main import main
from autonomy_nodes.common.geometry import inverse, matrix_of_rpy, moved
from autonomy_nodes.common.sensing import PointCloud, Transforms
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.bags import BagWriter
from autonomy_nodes.messages.clouds import write_cloud
from autonomy_nodes.messages.motion import write_transforms

SENSORS = Path(os.environ.get('AUTONOMY_DATA', '/nowhere')) / 'sensors'
NUSCENES, ROOT = SENSORS / 'nuscenes_mini', Path(__file__).parents[2]
START_NS = 1_700_000_000_000_000_000
TOP = matrix_of_rpy(np.array([1.0, 0.0, 1.8]), np.zeros(3))
LEFT = matrix_of_rpy(np.array([2.0, 0.8, 1.0]), np.array([0.0, 0.1, 0.5]))


def yard(seed):
    """A road and three walls in base_link, 30 000 points."""
    random = np.random.default_rng(seed)
    side, up = random.uniform(-20, 20, (20_000, 2)), random.uniform(0, 4, 5000)
    along, none = side[:5000, 0], np.zeros(5000)
    walls = (along, none + 9, up), (along, none - 12, up), (none + 18, along, up)
    points = np.concatenate([np.column_stack([side, np.zeros(len(side))]), *(np.column_stack(wall) for wall in walls)])
    return points + random.normal(0, 0.01, points.shape)


def record(path, top=TOP, left=LEFT, count=10):
    """Two LiDARs; the mounts that are told may differ from where they sit."""
    with BagWriter(path) as bag:
        mounts = Transforms(START_NS, {('base_link', 'lidar_top'): top, ('base_link', 'lidar_left'): left})
        bag.write(topics.TF_STATIC.name, topics.TF_STATIC.type, START_NS, write_transforms(mounts), latched=True)
        for number in range(count):
            stamp_ns = START_NS + number * 100_000_000
            for seed, name, mount in ((2, 'left', LEFT), (1, 'top', TOP)):
                xyz = moved(yard(10 * number + seed), inverse(mount)).astype(np.float32)
                cloud = PointCloud(stamp_ns, f'lidar_{name}', xyz, np.ones(len(xyz), np.float32))
                topic = topics.LIDAR_RAW.named(name)
                bag.write(topic.name, topic.type, stamp_ns + 1_000_000, write_cloud(cloud))
    return path


def told(bag, out, what='check'):
    code = main(['calibrate', what, str(bag), 'vehicle:=recorded', '--json', str(out)])
    return code, {each['what']: each for each in json.loads(out.read_text())}


def test_mounts_that_fit_pass_the_check(tmp_path, capsys):
    code, found = told(record(tmp_path / 'right.mcap'), tmp_path / 'told.json')
    assert code == 0 and {each['verdict'] for each in found.values()} == {'fits'}
    assert 'left to top' in capsys.readouterr().out


def test_a_lidar_that_was_bumped_is_found_and_the_mount_that_fits_is_printed(tmp_path, capsys):
    bumped = LEFT @ matrix_of_rpy(np.array([0.05, 0.0, 0.03]), np.radians([0.5, 1.5, -1.2]))
    bag = record(tmp_path / 'bumped.mcap', left=bumped)
    code, found = told(bag, tmp_path / 'told.json')
    assert code == 1 and found['left to top']['verdict'] == 'drift' and found['top to ground']['verdict'] == 'fits'
    capsys.readouterr()
    assert told(bag, tmp_path / 'told.json', 'estimate')[0] == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.strip().startswith('left: {'))
    numbers = [float(word) for word in re.findall(r'-?\d+\.\d+', line)]
    assert numbers[:3] == pytest.approx(LEFT[:3, 3], abs=0.02)
    assert numbers[3:] == pytest.approx([0.0, 0.1, 0.5], abs=0.005)


def test_a_vehicle_seen_at_one_place_is_not_judged_by_its_ground(tmp_path):
    code, found = told(record(tmp_path / 'short.mcap', count=3), tmp_path / 'told.json')
    assert code == 0 and found['top to ground']['verdict'] == 'not sure'


@pytest.mark.skipif(not NUSCENES.is_dir(), reason='AUTONOMY_DATA/sensors/nuscenes_mini is missing')
def test_two_degrees_and_ten_centimetres_come_back_on_a_real_rig_of_six_cameras(tmp_path):
    arguments = ['--data', str(NUSCENES), '--out', str(tmp_path), '--json', str(tmp_path / 'told.json')]
    assert main(['evaluate', 'calibration', *arguments, '--set', 'inject=2,0.1', '--set', 'trials=1']) == 0
    found = json.loads((tmp_path / 'told.json').read_text())
    reported = json.loads((ROOT / 'docs/results/calibration_nuscenes_mini.json').read_text())
    for name, limit in (('calibration.camera.left_deg', 0.5), ('calibration.camera.left_m', 0.05)):
        assert found[name] < limit and found[name] == pytest.approx(reported[name], abs=0.1 * limit)
    assert found['calibration.ground.back_deg'] < 0.1 and found['calibration.ground.back_m'] < 0.01


def test_nonsense_to_inject_is_refused(tmp_path):
    arguments = ['--data', str(tmp_path), '--out', str(tmp_path / 'out'), '--set', 'inject=much']
    assert main(['evaluate', 'calibration', *arguments]) == 2
