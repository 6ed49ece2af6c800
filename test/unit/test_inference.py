"""Engines and manifests: a network that is not the one that was told of does not run."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('onnxscript')

from flat_examples import examples  # noqa: E402

from autonomy_nodes.common.sensing import PointCloud  # noqa: E402
from autonomy_nodes.common.settings import SettingsError  # noqa: E402
from autonomy_nodes.common.types import DataError  # noqa: E402
from autonomy_nodes.inference.manifest import MANIFEST, ONNX, folder_of, read_manifest  # noqa: E402
from autonomy_nodes.perception.cells import rays  # noqa: E402
from autonomy_nodes.perception.ground import GroundConfig, GroundSplitter  # noqa: E402
from autonomy_nodes.perception.learned import Earlier, LearnedChannel, opened  # noqa: E402
from autonomy_nodes.perception.network import PRESETS, Network  # noqa: E402
from autonomy_nodes.training.export import export  # noqa: E402


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp('model')
    torch.manual_seed(0)
    state = Network(PRESETS['ci']).state_dict()
    settings = {'network': 'ci', 'batch': 2, 'held_out': 1}
    told = {'settings': settings, 'notes': {}, 'quality': {}, 'step': 1, 'seed': 1, 'spent_s': 0.0}
    torch.save({'averaged': state, **told}, folder / 'checkpoint.pt')
    export(folder / 'checkpoint.pt', folder, 'made')
    return folder


def copy_of(model, tmp_path):
    for path in model.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def seen():
    example = next(examples(3))
    xyz = np.ascontiguousarray(example.points[:, :3])
    cloud = PointCloud(5, 'base_link', xyz, example.points[:, 3])
    ground = GroundSplitter(GroundConfig(), 1.7).split(xyz)
    return cloud, ground, rays(xyz, ground.kinds, example.sensor_m), example.sensor_m


def test_a_manifest_reads_as_it_was_written(model):
    manifest = read_manifest(model)
    assert (manifest.name, manifest.network, manifest.card['training']['samples']) == ('made', 'ci', 2)
    assert manifest.inputs['points'].shape == (1, 16, 480, 400) and manifest.inputs['given'].high == 1.0


def test_a_file_that_was_changed_is_refused(model, tmp_path):
    folder = copy_of(model, tmp_path)
    data = bytearray((folder / ONNX).read_bytes())
    data[-1] ^= 1
    (folder / ONNX).write_bytes(data)
    with pytest.raises(SettingsError, match='is not the file of its manifest'):
        opened(folder, 'onnx')


@pytest.mark.parametrize('text', ['', '{}', '{"inputs": {"points": {}}, "outputs": {}}', '[1]'])
def test_a_manifest_that_is_none_is_refused(tmp_path, text):
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(SettingsError, match=MANIFEST):
        read_manifest(tmp_path)


def test_a_file_that_is_missing_or_elsewhere_is_refused(model, tmp_path):
    folder = copy_of(model, tmp_path)
    told = json.loads((folder / MANIFEST).read_text())
    for name in ('gone.onnx', '../network.onnx'):
        (folder / MANIFEST).write_text(json.dumps(told | {'files': {name: '00'}}))
        with pytest.raises(SettingsError, match='is not there'):
            read_manifest(folder)


def test_tensors_that_are_not_those_of_the_manifest_are_refused(model, tmp_path):
    folder = copy_of(model, tmp_path)
    told = json.loads((folder / MANIFEST).read_text())
    told['outputs']['heat']['shape'][1] = 6
    (folder / MANIFEST).write_text(json.dumps(told))
    with pytest.raises(SettingsError, match='its manifest tells'):
        opened(folder, 'onnx')
    engine = opened(model, 'onnx')
    engine.manifest = replace(engine.manifest, outputs={})
    with pytest.raises(SettingsError, match='perception needs'):
        LearnedChannel(engine)


def test_inputs_that_are_not_the_told_ones_are_refused(model):
    engine = opened(model, 'onnx')
    inputs = {name: np.zeros(one.shape, np.float32) for name, one in engine.manifest.inputs.items()}
    for wrong, match in (
        ({'points': inputs['points'][:, :3]}, 'points'), ({'prior': inputs['prior'].astype(float)}, 'float64'),
        ({'more': inputs['prior']}, 'more'),
    ):  # fmt: skip
        with pytest.raises(DataError, match=match):
            engine.run(inputs | wrong)


def test_a_sweep_gives_the_same_by_either_engine_and_twice(model):
    answers = [LearnedChannel(opened(model, name)).perceive(*seen()) for name in ('onnx', 'onnx', 'torch')]
    one, two, reference = (answer.cells for answer in answers)
    assert (one.ground_m == two.ground_m).all()
    assert one.ground_m == pytest.approx(reference.ground_m, abs=1e-4)
    assert one.terrain == pytest.approx(reference.terrain, abs=1e-4)
    assert answers[0].objects.stamp_ns == 5


def test_an_earlier_sweep_too_far_in_time_is_left_out(model):
    channel, (cloud, ground, passed, sensor_m) = LearnedChannel(opened(model, 'onnx')), seen()

    def heights(earlier):
        return channel.perceive(cloud, ground, passed, sensor_m, earlier).cells.ground_m

    alone = heights(None)
    assert (heights(Earlier(cloud, np.eye(4), 1.0)) == alone).all()
    assert (heights(Earlier(cloud, np.eye(4), 0.0)) == alone).all()
    assert not (heights(Earlier(cloud, np.eye(4), 0.1)) == alone).all()


def test_intensity_of_0_to_255_is_that_of_0_to_1(model):
    channel, (cloud, ground, passed, sensor_m) = LearnedChannel(opened(model, 'onnx')), seen()
    loud = replace(cloud, intensity=cloud.intensity * np.float32(255.0))
    one, two = (channel.perceive(each, ground, passed, sensor_m).cells.ground_m for each in (cloud, loud))
    assert one == pytest.approx(two, abs=1e-5)


def test_a_model_is_found_by_folder_by_file_and_else_not(model):
    assert folder_of(str(model)) == folder_of(str(model / ONNX)) == model
    with pytest.raises(SettingsError, match='no_such'):
        folder_of('no_such')
