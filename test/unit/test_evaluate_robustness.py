"""Troubles of sweeps do what they say, the same every time; what is stale is carried on; losses are what is lost."""

import json

import numpy as np
import pytest
from seen_frames import objects, seen

from autonomy_nodes.commands.main import main
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.evaluation.measures.robustness import carried, losses
from autonomy_nodes.evaluation.measures.troubles import TROUBLES, Struck, drawn_for, impossible

CALIB = (
    'P2: 700 0 600 0 0 700 180 0 0 0 1 0\nR0_rect: 1 0 0 0 1 0 0 0 1\nTr_velo_to_cam: 0 -1 0 0 0 0 -1 0 1 0 0 0\n'
)
SENSOR = np.array([1.0, 0.0, 2.0])


def sweep(count=4000, ring=True):
    rng = np.random.default_rng(0)
    around, up, ranges = rng.uniform(-3, 3, count), rng.uniform(-0.3, 0.1, count), rng.uniform(5.0, 70.0, count)
    away = np.column_stack([np.cos(around) * np.cos(up), np.sin(around) * np.cos(up), np.sin(up)]) * ranges[:, None]
    beams = (np.arange(count) % 32).astype(np.uint16) if ring else None
    light = rng.uniform(0.0, 1.0, count).astype(np.float32)
    return PointCloud(0, 'base_link', (SENSOR + away).astype(np.float32), light, beams)


def harmed(name, cloud=None, seed=0, **air):
    return TROUBLES[name](Struck(cloud or sweep(), SENSOR, drawn_for(f'a/{name}', seed), **air))


@pytest.mark.parametrize('name', TROUBLES)
def test_the_same_sweep_suffers_the_same_every_time_and_the_sweep_itself_is_not_touched(name):
    cloud = sweep()
    before = cloud.xyz.copy()
    one, two = harmed(name, cloud), harmed(name, cloud)
    assert one.xyz.tobytes() == two.xyz.tobytes() and one.intensity.tobytes() == two.intensity.tobytes()
    assert np.array_equal(cloud.xyz, before)


def test_half_the_beams_are_half_the_points():
    assert set(harmed('half_beams').ring.tolist()) == set(range(0, 32, 2))
    assert len(harmed('half_beams')) == 2000
    assert len(harmed('half_beams', sweep(ring=False))) == pytest.approx(2000, abs=150)


def test_a_tilt_turns_points_about_the_lidar_by_three_degrees():
    ahead = np.array([[101.0, 0.0, 2.0], [1.0, 100.0, 2.0]], np.float32)
    cloud = PointCloud(0, 'base_link', ahead, np.ones(2, np.float32))
    rolled, pitched = harmed('roll_3deg', cloud).xyz, harmed('pitch_3deg', cloud).xyz
    away = 100.0 * np.sin(np.radians(3.0))
    assert rolled[0] == pytest.approx(ahead[0], abs=1e-4) and abs(rolled[1, 2] - 2.0) == pytest.approx(away, abs=1e-3)
    assert pitched[1] == pytest.approx(ahead[1], abs=1e-4) and abs(pitched[0, 2] - 2.0) == pytest.approx(away, abs=1e-3)


def test_fog_takes_far_points_first_and_shows_others_where_nothing_is():
    cloud = sweep()
    told = harmed('fog', cloud, visibility_m=60.0)
    ranges = np.linalg.norm(told.xyz - SENSOR, axis=1)
    assert (ranges > 50.0).sum() < 0.3 * (np.linalg.norm(cloud.xyz - SENSOR, axis=1) > 50.0).sum()
    assert (ranges < 4.9).any()  # no point was so near
    assert len(harmed('fog', cloud, visibility_m=1e5)) > 0.98 * len(cloud)
    assert len(harmed('fog', cloud, visibility_m=60.0)) < len(harmed('rain', cloud)) <= len(cloud)


def test_what_cannot_be_is_none_one_torn_or_far():
    cloud = sweep()
    made = impossible(cloud)
    assert [len(made[name]()) for name in ('empty', 'one_point', 'far_away')] == [0, 1, len(cloud)]


def test_what_is_stale_is_carried_on_by_the_vehicle_s_own_way():
    now_from_then = np.array([[0.0, 1, 0, -2.0], [-1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])  # turned left, ahead
    told = objects((10.0, 0.9, 1.0))
    told.pose_covariances[0] = np.diag([4.0, 1.0, 0.1])
    moved = carried(told, now_from_then)
    assert moved.positions_m[0] == pytest.approx([-2.0, -10.0, 0.8])
    assert moved.headings_rad == pytest.approx([-np.pi / 2.0])
    assert np.diag(moved.pose_covariances[0]) == pytest.approx([1.0, 4.0, 0.1])


def test_a_loss_is_what_is_lost_of_what_there_was():
    labels = [(10.0, 9), (30.0, 9)]
    both, one = objects((10.0, 0.9, 1.0), (30.0, 0.8, 1.0)), objects((10.0, 0.9, 1.0))
    frames = [{name: seen(labels, one if name == 'fog' else both) for name in TROUBLES} for _ in range(3)]
    frames[0] |= {'stale_200ms': seen(labels, objects()), 'stale_200ms.fresh': seen(labels, one)}
    told = losses(frames, seed=0)
    assert told['vehicle.ap_2m'] == 100.0 and told['fog.vehicle.ap_2m'] == 50.0
    assert told['fog.vehicle.ap_2m_loss'] == told['fog.vehicle.ap_2m_loss_high'] == 50.0
    assert told['rain.vehicle.ap_2m_loss'] == 0.0
    assert told['stale_200ms.vehicle.ap_2m_loss'] == 100.0  # of the 50 of that very frame
    assert not any(name.startswith('stale_200ms.fresh') or 'vru' in name for name in told)


def road_with_a_car():
    """Rings on a flat road 1.73 m under the sensor, and a box of points at 12 m ahead, 3 m to the left."""
    angle = np.arange(-np.pi, np.pi, 0.01)
    rings = [np.column_stack([r * np.cos(angle), r * np.sin(angle), np.full(len(angle), -1.73)])
             for r in np.arange(4.0, 40.0, 0.8)]  # fmt: skip
    x, z = (v.ravel() for v in np.meshgrid(np.arange(12.0, 16.3, 0.1), np.arange(-1.4, -0.2, 0.1)))
    y, up = (v.ravel() for v in np.meshgrid(np.arange(2.1, 3.9, 0.1), np.arange(-1.4, -0.2, 0.1)))
    sides = np.column_stack([x, np.full(len(x), 2.1), z]), np.column_stack([np.full(len(y), 12.0), y, up])
    xyz = np.vstack([*rings, *sides])
    return np.column_stack([xyz, np.full(len(xyz), 0.5)]).astype('<f4')


def test_a_made_sequence_goes_through_all_of_it_twice_alike(tmp_path):
    data = tmp_path / 'data'
    (data / 'velodyne').mkdir(parents=True)
    for number in range(3):
        road_with_a_car().tofile(data / f'velodyne/{number:06d}.bin')
    row = 'Car 0 0 0 500 150 560 220 1.5 1.8 4.3 -3.0 1.73 14.15 -1.5707963'
    (data / 'calib.txt').write_text(CALIB)
    (data / 'label_02.txt').write_text(''.join(f'{number} 5 {row}\n' for number in range(3)))
    told = []
    for run in ('one', 'two'):
        out = tmp_path / run
        words = ['evaluate', 'robustness', '--data', str(data), '--out', str(out)]
        assert main([*words, '--json', str(out / 'f.json'), '--set', 'visibility=50']) == 0
        told.append(json.loads((out / 'result.json').read_text()))
    assert told[0]['answers'] == told[1]['answers'] and told[0]['answers_sha256'] == told[1]['answers_sha256']
    assert told[0]['n_frames'] == 3 and told[0]['n_stale'] == 1 and told[0]['n_faults'] == 0
    assert told[0]['robustness.vehicle.ap_2m'] == told[0]['robustness.stale_200ms.vehicle.ap_2m'] == 100.0
    assert {path.name for path in (tmp_path / 'one').glob('geometric.*.json')} == {
        f'geometric.{name}.json' for name in (*TROUBLES, 'stale_200ms')
    }
    assert main([*words, '--set', 'visibility=thick']) == 2
