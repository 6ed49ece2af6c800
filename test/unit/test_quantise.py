"""Networks in INT8 and FP16: which layers stay float32, the same bytes each time, and every engine reads them alike."""

import json

import numpy as np
import pytest

for _name in ('torch', 'onnx'):
    pytest.importorskip(_name, reason=f'rounding needs {_name}')
import onnx  # noqa: E402
from onnx import TensorProto, helper  # noqa: E402

from autonomy_nodes.common.settings import SettingsError  # noqa: E402
from autonomy_nodes.common.types import DataError  # noqa: E402
from autonomy_nodes.inference.manifest import ONNX, WEIGHTS, digest, read_manifest  # noqa: E402
from autonomy_nodes.inference.onnx_backend import OnnxBackend  # noqa: E402
from autonomy_nodes.inference.opening import opened  # noqa: E402
from autonomy_nodes.perception.learned import NETWORK  # noqa: E402
from autonomy_nodes.training import train_perception  # noqa: E402
from autonomy_nodes.training.augmentation import augmented  # noqa: E402
from autonomy_nodes.training.export import export  # noqa: E402
from autonomy_nodes.training.layers import layers_of  # noqa: E402
from autonomy_nodes.training.operations import at_opset_17, gate, refused  # noqa: E402
from autonomy_nodes.training.places import examples  # noqa: E402
from autonomy_nodes.training.quantise import QuantiseSettings, quantise  # noqa: E402

MODELS = ('lidar_small', 'traffic_small')
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
    """The same in both precisions."""
    out = tmp_path_factory.mktemp('small')
    for precision in ('int8', 'fp16'):
        quantise(plain, out / precision, QuantiseSettings(precision, count=2, judged=1), None, {'command': 'here'})
    return out


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
    told = read_manifest(plain)
    one, two = (OnnxBackend(folder, read_manifest(folder)).run(feed(told)) for folder in (small / precision, plain))
    assert least < distance(one, two) < most


@pytest.mark.parametrize('precision', ['int8', 'fp16'])
def test_openvino_reads_them_as_onnx_runtime_does(small, precision):
    pytest.importorskip('openvino', reason='the engine is not installed')
    folder = small / precision
    given = feed(read_manifest(folder))
    one, two = (opened(folder, NETWORK, engine).run(given) for engine in ('openvino', 'onnx'))
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
    quantise(plain, tmp_path / 'again', FEW, None, {'command': 'here'})
    assert digest(tmp_path / 'again' / ONNX) == digest(small / 'int8' / ONNX)


def test_the_card_tells_what_was_done(plain, small):
    told = read_manifest(small / 'int8').card['precision']
    assert told['name'] == 'int8' and told['command'] == 'here' and told['of'] == 'plain'
    assert told['calibration']['feeds'] == 2 and len(told['calibration']['sha256']) == 64
    assert 0.0 < told['drift']['heat']['relative_l2'] < 0.3 and told['kept_float32']
    assert digest(small / 'int8' / WEIGHTS) == digest(plain / WEIGHTS)
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


def test_a_rounded_model_is_not_rounded_again_nor_over_itself(plain, small, tmp_path):
    with pytest.raises(SettingsError, match='is int8 already'):
        quantise(small / 'int8', tmp_path / 'twice', FEW, None, {})
    with pytest.raises(SettingsError, match='give another --out'):
        quantise(plain, plain, FEW, None, {})
    with pytest.raises(DataError, match='autonomy data'):
        quantise(plain, tmp_path / 'none', FEW, tmp_path, {})


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
    before, after = (opened(folder, NETWORK, 'torch').run(given) for folder in (plain, small / 'int8'))
    for name in before:
        np.testing.assert_array_equal(before[name], after[name])
