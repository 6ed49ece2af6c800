import json
import math
import os
from pathlib import Path

import numpy as np
import pytest

from autonomy_nodes.commands.main import main
from autonomy_nodes.common.geometry import matrix_of_rpy
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures import odometry
from autonomy_nodes.evaluation.measures.paths import Link, Way, against_links, against_way, write_tum
from autonomy_nodes.evaluation.measures.task import Task

SENSORS = Path(os.environ.get('AUTONOMY_DATA', '/nowhere')) / 'sensors'
SEQUENCE = SENSORS / 'kitti_seq0000'
TRAFFIC, ROOT = SENSORS / 'kitti_traffic78', Path(__file__).parents[2]
needs_sequence = pytest.mark.skipif(not SEQUENCE.is_dir(), reason='AUTONOMY_DATA/sensors/kitti_seq0000 is missing')


def straight(speed, count=5, turn_rad=0.0):
    poses = [matrix_of_rpy(np.array([speed * k, 0.0, 0.0]), np.array([0.0, 0.0, turn_rad * k])) for k in range(count)]
    return Way(tuple(range(count)), np.array(poses))


def room(shift):
    """A yard of two walls, a floor and a post, seen from `shift` m ahead."""
    side, up = (axis.ravel() for axis in np.meshgrid(np.arange(-15, 15, 0.2), np.arange(0, 4, 0.2)))
    along, across = (axis.ravel() for axis in np.meshgrid(np.arange(-15, 15, 0.25), np.arange(-15, 15, 0.25)))
    walls = [(side, 0 * side + 7, up), (0 * side + 14, side, up), (0 * side - 12, side, up), (along, across, 0 * along)]
    return np.concatenate([np.stack(wall, axis=1) for wall in walls]) - [shift, 0, 1.7]


@pytest.fixture
def yard(tmp_path):
    """Eight sweeps, 0.4 m of way each, as a folder of files; after the fifth a pause of a minute."""
    folder = tmp_path / 'yard'
    folder.mkdir()
    noise = np.random.default_rng(0)
    for number in range(8):
        micros = number * 100_000 + (60_000_000 if number > 4 else 0)
        xyz = room(0.4 * number) + noise.normal(0, 0.01, (len(room(0)), 3))
        np.savez(folder / f'{1_600_000_000_000_000_000 + micros * 1000}.npz', xyz=xyz.astype(np.float32))
    return folder


def test_a_way_ten_per_cent_too_long_ends_ten_per_cent_off():
    found = against_way(straight(1.1), straight(1.0))
    assert found['end_m'] == pytest.approx(0.4) and found['end_share'] == pytest.approx(0.4 / 4.4)
    assert found['longer_m'] == pytest.approx(0.4) and found['end_deg'] == pytest.approx(0.0, abs=1e-6)


def test_ways_are_laid_on_each_other_at_their_first_common_stamp():
    elsewhere = matrix_of_rpy(np.array([50.0, -20.0, 3.0]), np.array([0.0, 0.0, 2.0]))
    way = straight(1.0)
    late = Way(way.stamps_ns[1:], elsewhere @ way.poses[1:])
    assert against_way(way, late)['end_m'] == pytest.approx(0.0, abs=1e-9)
    assert against_way(way, Way((0, 99), way.poses[:2])) == {}


def test_a_turn_is_told_in_degrees():
    turned = Way((0, 1), np.array([np.eye(4), matrix_of_rpy(np.zeros(3), np.array([0, 0, math.radians(3.0)]))]))
    assert against_way(turned, straight(0.0, 2))['end_deg'] == pytest.approx(3.0)


def test_links_tell_the_error_of_their_parts_only():
    two_metres = Link(1, 3, matrix_of_rpy(np.array([2.0, 0.0, 0.0]), np.zeros(3)))
    found = against_links(straight(1.05), [two_metres, Link(1, 77, np.eye(4))])
    assert found['end_m'] == pytest.approx(0.1) and found['links'] == 1 and found['way_m'] == pytest.approx(2.1)


def test_tum_files_hold_seconds_place_and_quaternion(tmp_path):
    way = Way((1_500_000_001_000_000_005,), matrix_of_rpy(np.array([1.0, 2.0, 3.0]), np.array([0, 0, math.pi]))[None])
    write_tum(tmp_path / 'way.tum', way)
    stamp, *numbers = (tmp_path / 'way.tum').read_text().split()
    assert stamp == '1500000001.000000005'
    assert [float(n) for n in numbers] == pytest.approx([1, 2, 3, 0, 0, 1, 0], abs=1e-6)


def test_a_pause_begins_a_new_leg_and_the_way_is_found(yard, tmp_path):
    result = odometry.evaluate(Task(yard, tmp_path))
    figures = result.figures
    assert figures['n_legs'] == 2 and figures['n_sweeps'] == 8
    assert figures['driven_m'] == pytest.approx(4 * 0.4 + 2 * 0.4, abs=0.03)
    assert figures['direct.links'] == 2 and figures['direct.end_m'] < 0.03
    assert len(list(tmp_path.glob('*.ours.tum'))) == 2


def test_the_same_input_gives_the_same_bytes_whatever_the_jobs(yard, tmp_path):
    for jobs in (1, 2):
        (tmp_path / str(jobs)).mkdir()
        odometry.evaluate(Task(yard, tmp_path / str(jobs), jobs=jobs))
    names = sorted(path.name for path in (tmp_path / '1').glob('*.tum'))
    assert names and all((tmp_path / '1' / n).read_bytes() == (tmp_path / '2' / n).read_bytes() for n in names)


def test_a_broken_sweep_is_named_and_the_rest_goes_on(yard, tmp_path):
    broken = sorted(yard.iterdir())[2]
    broken.write_bytes(b'not a file of numpy')
    result = odometry.evaluate(Task(yard, tmp_path))
    assert result.figures['n_refused'] == 1 and broken.name in next(iter(result.refused.values()))
    assert result.figures['n_sweeps'] == 7


def test_single_moments_are_no_sequence(tmp_path, yard):
    for path in sorted(yard.iterdir())[1:]:
        path.unlink()
    with pytest.raises(DataError, match='no two sweeps'):
        odometry.evaluate(Task(yard, tmp_path))


@pytest.mark.skipif(not TRAFFIC.is_dir(), reason='AUTONOMY_DATA/sensors/kitti_traffic78 is missing')
def test_a_real_drive_gives_what_was_reported(tmp_path):
    reported = json.loads((ROOT / 'docs/results/odometry_kitti_traffic78.json').read_text())
    figures = odometry.evaluate(Task(TRAFFIC, tmp_path)).figures
    for name in ('driven_m', 'direct.end_m', 'direct.end_deg'):
        assert figures[name] == pytest.approx(reported[f'odometry.{name}'], rel=1e-3), name


@needs_sequence
def test_twelve_sweeps_of_a_real_drive_end_within_5_cm_of_direct_alignment(tmp_path):
    arguments = ['--data', str(SEQUENCE), '--out', str(tmp_path), '--json', str(tmp_path / 'told.json')]
    assert main(['evaluate', 'odometry', *arguments, '--limit', '12']) == 0
    told = json.loads((tmp_path / 'told.json').read_text())
    assert told['n_legs'] == 2 and told['n_sweeps'] == 24
    assert told['odometry.direct.links'] == 2 and told['odometry.direct.end_m'] < 0.05
