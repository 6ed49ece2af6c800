"""Networks in INT8 and FP16: which layers stay float32, the same bytes each time, and every engine reads them alike."""

import json
from dataclasses import replace

import numpy as np
import pytest

for _name in ('torch', 'onnx'):
    pytest.importorskip(_name, reason=f'rounding needs {_name}')
import onnx  # noqa: E402
from onnx import TensorProto, helper  # noqa: E402

from autonomy_nodes.common.settings import SettingsError  # noqa: E402
from autonomy_nodes.common.types import DataError  # noqa: E402
from autonomy_nodes.inference.decisions import RECORDED, decisions_of, recorded  # noqa: E402
from autonomy_nodes.inference.manifest import ONNX, WEIGHTS, digest, read_manifest, write_manifest  # noqa: E402
from autonomy_nodes.inference.onnx_backend import OnnxBackend  # noqa: E402
from autonomy_nodes.inference.opening import opened, wanted  # noqa: E402
from autonomy_nodes.inference.settings import EngineSettings  # noqa: E402
from autonomy_nodes.perception.learned import NETWORK  # noqa: E402
from autonomy_nodes.training import train_perception  # noqa: E402
from autonomy_nodes.training.augmentation import augmented  # noqa: E402
from autonomy_nodes.training.export import export  # noqa: E402
from autonomy_nodes.training.feeds import seeded  # noqa: E402
from autonomy_nodes.training.layers import layers_of  # noqa: E402
from autonomy_nodes.training.operations import at_opset_17, gate, refused  # noqa: E402
from autonomy_nodes.training.places import examples  # noqa: E402
from autonomy_nodes.training.quantise import JUDGED_FROM, QuantiseSettings, copied, quantise  # noqa: E402

MODELS = ('lidar_small', 'traffic_small')
INT8 = 'network.int8.onnx'
FEW = QuantiseSettings(count=2, judged=1)


@pytest.fixture(scope='module')
def plain(tmp_path_factory):
    """A small network for LiDAR, hardly trained."""
    out = tmp_path_factory.mktemp('plain')
    train_perception.train('ci', 1.0, out / 'run', examples, augmented, steps=2)
    export(out / 'run' / 'checkpoint.pt', out / 'plain', 'plain')
    return out / 'plain'


@pytest.fixture(scope='module')
def small(plain, tmp_path_factory):
    """The same with a file of each precision."""
    folder = copied(plain, tmp_path_factory.mktemp('small') / 'small')
    for precision in ('int8', 'fp16'):
        quantise(folder, QuantiseSettings(precision, count=2, judged=1), None, {'command': 'here'})
    return folder


def distance(one, two):
    return max(float(np.linalg.norm(one[name] - two[name]) / np.linalg.norm(two[name])) for name in one)


def feed(model, seed=1):
    """Return random input in the range of a manifest, no camera given."""
    rng = np.random.default_rng(seed)
    found = {name: rng.uniform(0.0, 1.0, one.shape).astype(np.float32) for name, one in model.inputs.items()}
    for name in ('camera', 'map', 'given'):
        found[name][:] = 0.0
    return found


@pytest.mark.parametrize(('precision', 'least', 'most'), [('int8', 1e-4, 0.3), ('fp16', 1e-6, 0.01)])
def test_answers_hardly_change_and_do_change(plain, small, precision, least, most):
    told = read_manifest(small)
    engines = OnnxBackend(small, told, 1, precision), OnnxBackend(plain, read_manifest(plain))
    assert [engine.name for engine in engines] == [f'onnx:{precision}', 'onnx']
    one, two = (engine.run(feed(told)) for engine in engines)
    assert least < distance(one, two) < most


@pytest.mark.parametrize('precision', ['int8', 'fp16'])
def test_openvino_reads_them_as_onnx_runtime_does(small, precision):
    pytest.importorskip('openvino', reason='the engine is not installed')
    given = feed(read_manifest(small))
    one, two = (opened(small, NETWORK, f'{engine}:{precision}').run(given) for engine in ('openvino', 'onnx'))
    assert distance(one, two) < (0.05 if precision == 'int8' else 0.01)


@pytest.mark.parametrize('name', MODELS)
def test_openvino_tells_what_onnx_runtime_tells(name):
    pytest.importorskip('openvino', reason='the engine is not installed')
    from autonomy_nodes.inference.manifest import folder_of

    folder = folder_of(name)
    rng = np.random.default_rng(4)
    told = read_manifest(folder)
    given = {key: rng.uniform(0.0, 1.0, one.shape).astype(np.float32) for key, one in told.inputs.items()}
    one, two = (opened(folder, NETWORK, engine) for engine in ('openvino', 'onnx'))
    assert one.name == 'openvino'
    assert distance(one.run(given), two.run(given)) < 1e-4
    with pytest.raises(DataError, match='takes'):
        one.run({})


def test_the_same_feeds_give_the_same_bytes(plain, small, tmp_path):
    again = copied(plain, tmp_path / 'again')
    quantise(again, FEW, None, {'command': 'here'})
    for name in (INT8, RECORDED):
        assert digest(again / name) == digest(small / name)


def test_the_card_tells_what_was_done(plain, small):
    manifest = read_manifest(small)
    assert set(manifest.files) == {ONNX, WEIGHTS, INT8, 'network.fp16.onnx', RECORDED}
    assert manifest.files[INT8] == digest(small / INT8) and digest(small / WEIGHTS) == digest(plain / WEIGHTS)
    told = manifest.card['precisions']['int8']
    assert told['of'] == digest(plain / ONNX) and told['command'] == 'here' and told['kept_float32']
    assert told['calibration']['feeds'] == 2 and len(told['calibration']['sha256']) == 64
    assert 0.0 < told['cost']['drift']['heat']['relative_l2'] < 0.3
    assert [one.name for one in decisions_of(manifest, 'int8')] == list(told['cost']['decided_otherwise'])
    assert json.dumps(told)


def test_what_reads_inputs_and_what_tells_stays_float32(plain):
    model = onnx.load(plain / ONNX)
    layers = layers_of(model, silent=('camera', 'map', 'given'))
    products = {node.name: node for node in model.graph.node if node.op_type == 'Conv'}
    assert set(layers.rounded) | set(layers.kept) == set(products) and layers.rounded
    together = {name for node in model.graph.node if node.op_type == 'Concat' for name in node.output}
    inputs = {one.name for one in model.graph.input}
    for name in layers.rounded:
        assert products[name].input[0] not in inputs | together
    last = [name for name, node in products.items() if 'objects.1' in node.input[1] or 'ground.' in node.input[1]]
    assert set(last) & set(layers.kept)


def test_a_model_is_left_as_it_was_where_there_is_nothing_to_calibrate_on(plain, tmp_path):
    folder = copied(plain, tmp_path / 'none')
    before = {path.name: digest(path) for path in folder.iterdir()}
    with pytest.raises(DataError, match='autonomy data'):
        quantise(folder, FEW, tmp_path, {})
    assert {path.name: digest(path) for path in folder.iterdir()} == before


def test_a_precision_runs_only_of_the_network_that_it_was_made_of_and_by_who_can(plain, small, tmp_path):
    remedy = 'autonomy train quantise --model .* --precision int8'
    with pytest.raises(SettingsError, match=remedy):
        opened(plain, NETWORK, 'onnx:int8')
    with pytest.raises(SettingsError, match='torch runs float32 alone'):
        opened(small, NETWORK, 'torch:int8')
    with pytest.raises(SettingsError, match="precision 'int4' must be one of fp32, fp16, int8"):
        opened(small, NETWORK, 'onnx:int4')
    folder = copied(small, tmp_path / 'other')
    manifest = read_manifest(folder)
    write_manifest(folder, replace(manifest, files={**manifest.files, ONNX: manifest.files[INT8]}))
    (folder / ONNX).write_bytes((folder / INT8).read_bytes())
    with pytest.raises(SettingsError, match=f'was made of another network.onnx than lies beside it; run: {remedy}'):
        opened(folder, NETWORK, 'onnx:int8')


def test_settings_of_a_node_choose_the_precision_and_a_name_goes_before(small):
    int8 = EngineSettings(precision='int8')
    assert opened(small, NETWORK, 'onnx', engines=int8).name == 'onnx:int8'
    assert opened(small, NETWORK, 'auto:fp16', engines=int8).name == 'onnx:fp16'
    assert wanted(str(small), NETWORK, 'onnx', '', 1, int8)[0] == 'onnx:int8'


def test_what_is_kept_is_what_the_judges_were_but_for_half_precision(small):
    told = read_manifest(small)
    (kept,) = recorded(small, told)
    wanted = next(seeded(told, JUDGED_FROM, 1))
    assert set(kept) == set(wanted)
    for name, value in wanted.items():
        np.testing.assert_array_equal(kept[name], value.astype(np.float16).astype(np.float32))
    assert kept['points'].std() > 0.05  # a place, no noise and no emptiness


@pytest.mark.parametrize(
    'settings', [{'precision': 'int4'}, {'count': 0}, {'judged': 0}, {'dear': 0.0}, {'seed': -1}], ids=str
)
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        QuantiseSettings(**settings)


@pytest.mark.parametrize('name', MODELS)
def test_shipped_networks_pass_the_gate_and_say_the_same_at_opset_17(name, tmp_path):
    import onnxruntime

    from autonomy_nodes.inference.manifest import folder_of

    source = folder_of(name) / ONNX
    gate(source)
    older = at_opset_17(onnx.load(source))
    assert {one.version for one in older.opset_import if one.domain in ('', 'ai.onnx')} == {17}
    onnx.save(older, tmp_path / 'older.onnx')
    rng, sessions = np.random.default_rng(2), []
    for path in (source, tmp_path / 'older.onnx'):
        sessions.append(onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider']))
    given = {one.name: rng.uniform(0.0, 1.0, one.shape).astype(np.float32) for one in sessions[0].get_inputs()}
    for one, two in zip(*(session.run(None, given) for session in sessions)):
        np.testing.assert_array_equal(one, two)


def graph(node, opset=18, **constants):
    tensors = [helper.make_tensor(name, TensorProto.INT64, [1], [value]) for name, value in constants.items()]
    value = helper.make_tensor_value_info
    made = helper.make_graph(
        [node], 'g', [value('x', TensorProto.FLOAT, [1, 9000])], [value('y', TensorProto.FLOAT, None)], tensors
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid('', opset)])


@pytest.mark.parametrize(
    ('model', 'words'),
    [
        (graph(helper.make_node('NonZero', ['x'], ['y'])), 'NonZero'),
        (graph(helper.make_node('Unique', ['x'], ['y'])), 'Unique'),
        (graph(helper.make_node('Relu', ['x'], ['y']), opset=21), 'opset 21'),
        (graph(helper.make_node('ScatterND', ['x', 'i', 'x'], ['y'], reduction='add'), i=0), 'reduction'),
        (graph(helper.make_node('TopK', ['x', 'k'], ['y', 'z']), k=3841), 'TopK'),
        (graph(helper.make_node('Relu', ['x'], ['y'], domain='com.microsoft')), 'Relu'),
    ],
)
def test_what_not_every_engine_runs_is_refused(model, words):
    assert any(words in line for line in refused(model)), refused(model)


def test_what_every_engine_runs_passes():
    assert refused(graph(helper.make_node('Relu', ['x'], ['y']))) == []
    assert refused(graph(helper.make_node('TopK', ['x', 'k'], ['y', 'z']), k=3840)) == []


def test_the_reference_in_torch_keeps_the_weights_of_before(plain, small):
    given = feed(read_manifest(plain))
    before, after = (opened(folder, NETWORK, 'torch').run(given) for folder in (plain, small))
    for name in before:
        np.testing.assert_array_equal(before[name], after[name])
