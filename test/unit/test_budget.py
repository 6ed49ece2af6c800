"""What a network costs: operations and bytes counted by hand, times by a roofline, on devices and here."""

import cv2
import numpy as np
import pytest

for _name in ('torch', 'onnx'):
    pytest.importorskip(_name, reason=f'budgets need {_name}')
import onnx  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from autonomy_nodes.common.settings import SettingsError  # noqa: E402
from autonomy_nodes.evaluation.measures.task import Task  # noqa: E402
from autonomy_nodes.training.budget.picture import roofline  # noqa: E402
from autonomy_nodes.training.budget.trial import (  # noqa: E402
    DEVICES,
    Device,
    Layer,
    evaluate,
    foretold_here,
    layers_of,
    seconds,
)

DEVICE = Device('made', flops=1e12, bytes_s=1e11, reached=0.5, moved=0.5, a_layer_s=1e-6)


def test_a_convolution_is_counted_and_what_follows_in_the_register_is_not(tmp_path):
    """8 -> 16 channels, 3 x 3, on 10 x 12 cells: 2 * 16 * 120 * 72 operations; 960 + 1152 + 1920 numbers."""
    weight = numpy_helper.from_array(np.zeros((16, 8, 3, 3), np.float32), 'trunk.0.weight')
    nodes = [
        helper.make_node('Conv', ['x', 'trunk.0.weight'], ['a'], pads=[1, 1, 1, 1]),
        helper.make_node('Relu', ['a'], ['b']), helper.make_node('Sigmoid', ['b'], ['c']),
        helper.make_node('Add', ['c', 'c'], ['y']),
    ]  # fmt: skip
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, 'g', [value('x', TensorProto.FLOAT, [1, 8, 10, 12])], [value('y', TensorProto.FLOAT, [1, 16, 10, 12])],
        [weight],
    )  # fmt: skip
    onnx.save(helper.make_model(graph), tmp_path / 'm.onnx')
    conv, each, add = layers_of(tmp_path / 'm.onnx')
    assert (conv.group, conv.kind, conv.flops, conv.numbers) == ('trunk', 'conv3', 2.0 * 16 * 120 * 72, 4032.0)
    assert (each.kind, each.flops, each.numbers) == ('each', 1920.0, 3840.0)
    assert add.flops == 1920.0  # not after a convolution: a layer of its own


def test_a_layer_takes_its_operations_or_its_bytes_whichever_is_longer():
    """1e9 operations at 5e11 a second are 2 ms; 1e8 half numbers at 5e10 bytes a second 4 ms; and a microsecond."""
    assert seconds(Layer('g', 'conv3', 1e9, 1e6), DEVICE) == pytest.approx(2.001e-3)
    assert seconds(Layer('g', 'conv3', 1e9, 1e8), DEVICE) == pytest.approx(4.001e-3)


def test_here_single_precision_and_the_measured_rates_count():
    rates = {'conv3': 1e11, 'moved': 1e10, 'a_layer': 1e-6}
    layers = [Layer('g', 'conv3', 1e9, 1e6), Layer('g', 'conv3', 1e3, 1e7)]
    assert foretold_here(layers, rates) == pytest.approx(1e-2 + 4e-3 + 2e-6)


def test_the_network_for_orin_is_quick_enough_by_its_budget(tmp_path):
    """The requirement asks for 20 Hz on an AGX Orin; and what is foretold here is what is taken, by a factor."""
    result = evaluate(Task(tmp_path, tmp_path, options={'preset': 'orin'}))
    assert result.figures['agx_orin_64.hz'] > 20.0 and 30.0 < result.figures['gflop'] < 60.0
    assert 0.3 < result.figures['here.foretold_by_measured'] < 3.0
    shares = [value for name, value in result.figures.items() if name.startswith('group.') and name.endswith('.share')]
    assert sum(shares) == pytest.approx(1.0)
    for device in DEVICES:
        picture = cv2.imread(str(tmp_path / f'roofline_{device.name}.png'))
        assert picture is not None and picture.std() > 10.0


def test_without_a_network_nothing_is_foretold(tmp_path):
    with pytest.raises(SettingsError, match='preset'):
        evaluate(Task(tmp_path, tmp_path))
    with pytest.raises(SettingsError, match='must be one of'):
        evaluate(Task(tmp_path, tmp_path, options={'preset': 'huge'}))


def test_layers_lie_on_the_roof():
    one = roofline('made', 1e12, 1e11, 0.5, 0.5, [('a', 1e9, 1e9), ('b', 1e9, 1e6)])
    two = roofline('made', 1e12, 1e11, 0.5, 0.5, [('a', 1e9, 1e9), ('b', 1e9, 1e8)])
    assert one != two and one[:8] == b'\x89PNG\r\n\x1a\n'
