"""`autonomy evaluate camera` and `fusion` on a small simulated drive with pictures, by networks that hardly learned."""

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip('torch', reason='training needs torch')
import torch  # noqa: E402

from autonomy_nodes.common.settings import SettingsError  # noqa: E402
from autonomy_nodes.evaluation.measures import camera, fusion  # noqa: E402
from autonomy_nodes.evaluation.measures.precision import Judged  # noqa: E402
from autonomy_nodes.evaluation.measures.task import Task  # noqa: E402
from autonomy_nodes.perception.network import PRESETS, Network  # noqa: E402
from autonomy_nodes.training import train_camera, train_fusion  # noqa: E402
from autonomy_nodes.training.camera.export import export_fusion  # noqa: E402
from autonomy_nodes.training.export import export  # noqa: E402
from autonomy_nodes.training.holdout import write_holdout  # noqa: E402
from autonomy_nodes.training.scenes import Choice  # noqa: E402

POOL = train_camera.PRESETS['ci'].pool


@pytest.fixture(scope='module')
def drives(tmp_path_factory):
    place = tmp_path_factory.mktemp('made') / 'made'
    write_holdout(place, Choice(5, 2, 1, camera='front'), 1, lambda *told: None)
    return place


def lidar_model(place):
    """Return a folder with a network that never learned."""
    torch.manual_seed(3)
    weights = Network(PRESETS['ci']).state_dict()
    state = {
        'settings': {'network': 'ci', 'held_out': 1, 'batch': 1}, 'network': weights, 'averaged': weights, 'step': 1,
        'spent_s': 1.0, 'seed': 1, 'first': 0, 'notes': {}, 'quality': {},
    }  # fmt: skip
    torch.save(state, place / 'checkpoint.pt')
    export(place / 'checkpoint.pt', place / 'lidar', 'lidar')
    return place / 'lidar'


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    """Return a folder with both networks, which hardly learned."""
    place = tmp_path_factory.mktemp('model')
    seen = train_camera.train(train_camera.PRESETS['ci'], 1.0, place / 'camera', seed=5, steps=2)
    settings = train_fusion.TrainSettings(steps=1, batch=1, workers=0, held_out=1, pool=POOL)
    checkpoint = train_fusion.train(settings, lidar_model(place), seen, place / 'fusion', 7, notes={'command': 'here'})
    export_fusion(checkpoint, place / 'both', 'both')
    return place / 'both'


def test_fusion_tells_every_sweep_twice_and_leaves_what_was_said(drives, model, tmp_path, monkeypatch):
    hear, heard = fusion._Hearing.__call__, []
    monkeypatch.setattr(fusion._Hearing, '__call__', lambda *asked: heard.append(hear(*asked)) or heard[-1])
    result = fusion.evaluate(Task(drives, tmp_path, model=str(model)))
    figures = result.figures
    assert figures['n_frames'] == 2
    for trouble in fusion.SUFFERED:
        for region in ('', 'shown.'):
            one, two = (figures[f'{trouble}.{who}.{region}miou'] for who in (fusion.ALONE, fusion.BOTH))
            assert figures[f'{trouble}.{region}miou.gain'] == pytest.approx(two - one)
            low, high = (figures[f'{trouble}.{region}miou.gain.{side}'] for side in ('low95', 'high95'))
            assert low <= high
    stored = [np.load(path) for path in sorted(tmp_path.glob('*.npz'))]
    assert len(stored) == 2
    assert len(heard) == 2 * len(fusion.SUFFERED) and all(np.abs(one).max() > 0.0 for one in heard)


def test_fusion_without_a_model_names_the_remedy(drives, tmp_path):
    with pytest.raises(SettingsError, match='--model'):
        fusion.evaluate(Task(drives, tmp_path))


def told(right, miou):
    """Return an answer about one vehicle that was found or not, and cells of which a share was right."""
    hit = np.array([right])
    judged = Judged(np.array([0.9]), hit, 1, np.array([0]), np.where(hit, 0, -1))
    counts = {f'iou.{name}': (miou, 100) for name in ('paved', 'loose', 'low_vegetation')}
    return fusion.Told(judged, counts | {f'called_free.{name}': (0, 1) for name in ('paved', 'loose')})


def test_gain_is_what_pictures_add_and_its_interval_is_over_drives():
    keys = [f'{trouble}.{who}.{region}' for trouble in fusion.SUFFERED for who in (fusion.ALONE, fusion.BOTH)
            for region in ('', 'shown.')]  # fmt: skip
    answers = [{key: told(fusion.BOTH in key, 60 if fusion.BOTH in key else 50) for key in keys} for _ in range(6)]
    figures = fusion.compared(answers, ['a', 'a', 'b', 'b', 'c', 'c'], seed=0)
    assert figures['clean.vehicle.ap.gain'] == pytest.approx(100.0)
    assert figures['clean.vehicle.ap.gain.low95'] == pytest.approx(100.0)
    assert figures['clean.miou.gain'] == pytest.approx(10.0)
    mixed = [{key: told(True, 50 + (n > 1) * 10 * (fusion.BOTH in key)) for key in keys} for n in range(6)]
    figures = fusion.compared(mixed, ['a', 'a', 'b', 'b', 'c', 'c'], seed=0)
    assert figures['clean.miou.gain.low95'] < figures['clean.miou.gain'] < figures['clean.miou.gain.high95'] + 1e-9
    assert figures['clean.miou.gain.low95'] >= 0.0


def test_cameras_alone_are_measured_against_the_sweep_and_what_the_simulator_knows(drives, model, tmp_path):
    task = Task(drives, tmp_path, model=str(model), options={'beside': 'none'})
    figures = camera.evaluate(task).figures
    assert figures['n_frames'] == 2 and figures['n_known_cells'] > 100
    assert figures['height_mae_m'] >= 0.0 and 0.0 <= figures['flat.free_iou'] <= 1.0
    assert json.dumps(figures) and 'known.miou' in figures
    assert len(list(tmp_path.glob('*.npz'))) == 2


def test_who_says_that_all_is_free_and_flat_is_worth_what_the_baseline_is(drives, model, tmp_path):
    looking = camera.Looking(model, None, 'onnx')
    _, moment = camera.moments_of(drives)[0]
    shots, xyz, sensor_m, _ = camera.taken(moment)
    said = camera._channel(looking).perceive(0, shots)
    outputs = dict(said.outputs) | {'blocked': np.full_like(said.outputs['blocked'], -9.0)}
    outputs['ground'] = np.zeros_like(said.outputs['ground'])
    flat = replace(said, outputs=outputs, ground_m=np.zeros_like(said.ground_m))
    figures = camera.scores(flat, camera.truth_of(xyz, sensor_m))
    assert figures['free_iou'] == pytest.approx(figures['flat.free_iou'])
    assert figures['height_mae_m'] == pytest.approx(figures['flat.height_mae_m'])
