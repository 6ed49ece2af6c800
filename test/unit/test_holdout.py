"""Simulated drives on disk: equal bytes of equal seeds, and everything that is told of them is true."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from sim_worlds import plain, world

from autonomy_nodes.commands.main import main
from autonomy_nodes.common.geometry import inverse, moved
from autonomy_nodes.common.objects import Label
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures import detection, elevation, ground, odometry
from autonomy_nodes.evaluation.measures.task import Task
from autonomy_nodes.messages.formats.catalogue import detected, drives
from autonomy_nodes.messages.formats.files import read_poses
from autonomy_nodes.messages.formats.simulated import GROUND, read_ground
from autonomy_nodes.messages.formats.simulated import drives as simulated_drives
from autonomy_nodes.sim.lidar import Met
from autonomy_nodes.sim.materials import Material, Semantic
from autonomy_nodes.sim.mesh import box
from autonomy_nodes.sim.world import Solid
from autonomy_nodes.training.holdout import write_holdout
from autonomy_nodes.training.labels import labels_of
from autonomy_nodes.training.scenes import FIRST_SEED, Choice, Scene, driven, scenes_of, world_of
from autonomy_nodes.training.surface import surface


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Two scenes of two sweeps: a road and a junction."""
    place = tmp_path_factory.mktemp('holdout') / 'made'
    write_holdout(place, Choice(5, 2, 2), 1, lambda *told: None)
    return place


def test_the_same_seed_gives_the_same_bytes_in_any_number_of_processes(folder, tmp_path, capsys):
    command = ['data', 'holdout', str(tmp_path / 'again'), '--seed', '5', '--scenes', '2', '--sweeps', '2']
    assert main([*command, '--jobs', '2']) == 0
    first, second = (json.loads((place / 'manifest.json').read_text()) for place in (folder, tmp_path / 'again'))
    assert first == second and len(first['files']) == 2 * (2 * 3 + 6)
    assert '2 of 2: junction' in capsys.readouterr().out
    assert main(command) == 2 and 'is not empty and not such' in capsys.readouterr().err


def test_more_scenes_change_none_of_the_first_and_cross_families_with_rigs():
    few, many = scenes_of(Choice(5, 4, 2)), scenes_of(Choice(5, 15, 2))
    assert many[:4] == few and scenes_of(Choice(6, 4, 2))[0].world_seed != few[0].world_seed
    assert all(scene.world_seed >= FIRST_SEED for scene in many)
    assert len({(scene.family, scene.rig) for scene in many}) == 15


def test_a_drive_begins_where_nobody_stands_and_goes_on():
    scene = Scene('00', 'rough', FIRST_SEED + 3, 'car_16', 8)
    moments = list(driven(scene, world_of(scene)))
    assert len(moments) == 8
    assert all(b.cloud.stamp_ns - a.cloud.stamp_ns == 100_000_000 for a, b in zip(moments, moments[1:]))
    assert 2.0 < np.linalg.norm(moments[-1].map_from_base[:3, 3] - moments[0].map_from_base[:3, 3]) < 12.0


def test_points_of_a_road_user_lie_in_his_box_and_are_counted(folder):
    seen = 0
    for drive in drives(folder):
        for frame in drive:
            xyz, labels, truth = frame.clouds['top']().xyz, frame.labels(), frame.truth()
            xyz = moved(xyz.astype(float), frame.base_from('lidar_top'))
            for row in np.flatnonzero(truth.points > 10).tolist():
                mine = labels.instances == int.from_bytes(truth.objects.ids[row, :4].tobytes(), 'big')
                assert mine.sum() == truth.points[row]
                heading, off = truth.objects.headings_rad[row], xyz[mine] - truth.objects.positions_m[row]
                turn = np.array([[np.cos(heading), -np.sin(heading)], [np.sin(heading), np.cos(heading)]])
                flat = np.abs(off[:, :2] @ turn) - truth.objects.dimensions_m[row, :2] / 2.0
                assert (flat.max(axis=1) < 0.12).mean() > 0.95, truth.kinds[row]
                seen += 1
    assert seen > 5


def test_points_of_the_road_lie_on_the_true_ground_and_ground_is_found_by_the_measures(folder, tmp_path):
    for drive in drives(folder):
        frame, true = drive.frames[1], read_ground(folder / 'sequences' / drive.name / GROUND)
        xyz = moved(frame.clouds['top']().xyz.astype(float), frame.map_from('lidar_top'))
        road = np.isin(frame.labels().ids, (40, 60))
        off = xyz[road, 2] - true.height(xyz[road, :2])
        assert np.nanmedian(np.abs(off)) < 0.01 and np.isfinite(off).mean() > 0.7
    assert ground.evaluate(Task(folder, tmp_path)).figures['f1'] > 0.95
    assert elevation.evaluate(Task(folder, tmp_path)).figures['mae_observed'] < 0.05
    assert detection.evaluate(Task(folder, tmp_path)).figures['n_vehicle_labels'] > 0
    assert odometry.evaluate(Task(folder, tmp_path)).figures['truth.end_m'] < 0.2


def test_tools_that_know_semantickitti_alone_read_the_same(folder):
    assert detected(folder).name == 'simulated'
    for mine, other in zip(simulated_drives(folder), drives(folder, 'semantickitti')):
        assert len(mine.frames) == len(other.frames) == 2
        for a, b in zip(mine, other):
            np.testing.assert_array_equal(a.clouds['top']().xyz, b.clouds['top']().xyz)
            np.testing.assert_array_equal(a.labels().ids, b.labels().ids)
        ways = [inverse(d.frames[0].map_from('lidar_top')) @ d.frames[1].map_from('lidar_top') for d in (mine, other)]
        np.testing.assert_allclose(ways[0], ways[1], atol=1e-7)
        first = read_poses(folder / 'sequences' / mine.name / 'poses.txt')[0]
        np.testing.assert_allclose(first, np.eye(4), atol=1e-9)  # of camera 0, in its own first place


def test_a_folder_of_another_layout_or_with_a_sweep_missing_is_refused_by_name(folder, tmp_path):
    for name in ('sequences/00', 'sequences/00/velodyne'):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / 'manifest.json').write_text('{"layout": "other"}')
    with pytest.raises(DataError, match='manifest.json: tells no layout'):
        simulated_drives(tmp_path)
    (tmp_path / 'manifest.json').write_bytes((folder / 'manifest.json').read_bytes())
    for name in ('frames.json', 'rig.json'):
        (tmp_path / 'sequences/00' / name).write_bytes((folder / 'sequences/00' / name).read_bytes())
    with pytest.raises(DataError, match='lacks velodyne/000000.bin'):
        simulated_drives(tmp_path)


def test_labels_are_those_of_semantickitti():
    """Asphalt, paint, grass, a bush, a trunk, a rock in the ground and one above it, actor 2, and our own body."""
    semantics = [1, 1, 3, 3, 4, 6, 6, 11, 12]
    materials = [Material.ASPHALT, Material.PAINT_WHITE, Material.GRASS, Material.BUSH, Material.BARK, Material.ROCK]
    materials += [Material.ROCK, Material.BODY, Material.BODY]
    bodies = np.array([-1, -1, -1, -1, -1, -1, -1, 2, 0])
    met = Met(np.array(semantics, np.uint8), np.array(materials, np.uint8), bodies)
    scene = Scene('00', 'rough', FIRST_SEED, 'car_16', 1)
    (moment,) = driven(scene, world_of(scene))
    objects = moment.objects
    number = int(np.flatnonzero(objects.ids[:, 3] == 2)[0])
    assert objects.labels[number] == Label.CAR
    above = np.array([0, 0, 0, 0, 1, 0.0, 0.5, 1, 1])
    told = labels_of(met, objects, above)
    assert (told & 0xFFFF).tolist() == [40, 60, 72, 70, 71, 72, 99, 10, 1]
    assert (told >> 16).tolist() == [0, 0, 0, 0, 0, 0, 0, 2, 0]


def test_the_true_surface_knows_what_stands_on_it_and_what_hangs_too_high():
    """A block 1 m high at x 5, a beam 3 m up at x -5, a house with a footprint at y 8, flat ground else."""
    outline = np.array([[-2.0, 6], [2, 6], [2, 10], [-2, 10]])
    house = Solid(Semantic.STRUCTURE, box(4, 4, 6, Material.WALL).shifted(0, 8), outline)
    block = Solid(Semantic.RUBBLE, box(2, 2, 1, Material.ROCK).shifted(5, 0))
    beam = Solid(Semantic.STRUCTURE, box(2, 2, 1, Material.WOOD).shifted(-5, 0, 3))
    made = replace(world(), ground=plain(), solids=(house, block, beam))
    found = surface(made, np.array([-12.0, -12.0]), np.array([12.0, 12.0]))

    def at(layer, x, y):
        i, j = np.floor((np.array([x, y]) - found.origin_m) / found.resolution_m).astype(int)
        return float(layer[i, j])

    assert at(found.semantic, 5, 0) == Semantic.RUBBLE and at(found.top, 5, 0) == pytest.approx(1.0, abs=0.01)
    assert at(found.semantic, -5, 0) == Semantic.NOTHING and at(found.top, -5, 0) == 0.0
    assert at(found.semantic, 0, 8) == Semantic.STRUCTURE and at(found.semantic, 0, 3) == Semantic.NOTHING
    assert np.ptp(found.z) == pytest.approx(0.0, abs=1e-5)


def test_a_run_that_was_cut_goes_on_and_gives_the_same_bytes(folder, tmp_path):
    place, lines = tmp_path / 'cut', []
    shutil.copytree(folder, place)
    whole = json.loads((place / 'manifest.json').read_text())
    (place / 'manifest.json').write_text(json.dumps({**whole, 'files': {}, 'scenes': []}))
    (place / 'sequences/01').rename(place / 'sequences/01.part')
    write_holdout(place, Choice(5, 2, 2), 1, lambda *told: lines.append(told))
    assert (place / 'manifest.json').read_bytes() == (folder / 'manifest.json').read_bytes()
    ((line, done, of),) = lines
    assert (done, of) == (1, 1) and line.startswith('2 of 2: junction') and line.endswith('scenes a second')
    with pytest.raises(DataError, match='not such a folder that was cut short'):
        write_holdout(place, Choice(5, 2, 2), 1, lambda *told: None)


def test_weather_is_drawn_crosses_families_and_changes_no_world():
    plain, mixed = scenes_of(Choice(5, 18, 2)), scenes_of(Choice(5, 18, 2, weather='mixed'))
    assert [(a.family, a.world_seed, a.rig) for a in plain] == [(a.family, a.world_seed, a.rig) for a in mixed]
    assert {scene.weather.kind for scene in plain} == {''}
    assert {(scene.family, scene.weather.kind) for scene in mixed} == {
        (family, kind) for family in ('road', 'junction', 'rough') for kind in ('clear', 'rain', 'fog')
    }
    assert all(30.0 <= scene.weather.visibility_m <= 300.0 for scene in mixed)
    assert len({scene.weather.visibility_m for scene in mixed}) > 10
    foggy = world_of(scenes_of(Choice(5, 1, 2, weather='fog'))[0])
    assert foggy.weather.fog_visibility_m == scenes_of(Choice(5, 1, 2, weather='fog'))[0].weather.visibility_m


def test_a_folder_in_fog_tells_so_and_its_points_in_the_air_are_outliers(folder, tmp_path):
    command = ['data', 'holdout', str(tmp_path / 'fog'), '--seed', '5', '--scenes', '1', '--sweeps', '2']
    assert main([*command, '--weather', 'fog', '--families', 'road']) == 0
    told = json.loads((tmp_path / 'fog/manifest.json').read_text())
    assert told['command'].endswith('--families road --weather fog DIR')
    assert told['scenes'][0]['weather']['kind'] == 'fog'
    (drive,), clear = drives(tmp_path / 'fog'), drives(folder)[0]
    assert drive.conditions['weather'] == 'fog' and 'weather' not in clear.conditions
    labels, xyz = drive.frames[0].labels().ids, drive.frames[0].clouds['top']().xyz
    air, far = labels == 1, np.linalg.norm(xyz, axis=1) > 60.0
    assert 0.02 < air.mean() < 0.6 and far.sum() < 0.5 * (
        np.linalg.norm(clear.frames[0].clouds['top']().xyz, axis=1) > 60.0
    ).sum()


@pytest.mark.parametrize('words', [('--families', 'road,moon'), ('--weather', 'hail')])
def test_weathers_and_families_that_there_are_not_are_refused(words, tmp_path, capsys):
    try:
        code = main(['data', 'holdout', str(tmp_path / 'x'), *words])
    except SystemExit as error:
        code = error.code
    assert code == 2 and words[0].strip('-') in capsys.readouterr().err and not (tmp_path / 'x').exists()
