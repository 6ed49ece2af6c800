"""What a network costs on a device: operations and bytes of each group of layers, and how long that should take.

A roofline (Williams, Waterman, Patterson 2009): a layer takes as long as its operations at the rate that the device
reaches, or as its bytes at the bandwidth that it reaches, whichever is longer. How much of a data sheet's peak is
reached is assumed for devices that are not here (`Device`); on this machine both are measured in the same run by layers
of other sizes, and the network's real time is held against what is foretold from them. `--set preset=orin` in place of
`--model`: a network of perception of that size, untrained, as nothing here depends on weights.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.evaluation.measures.task import Figures, Result, Scored, Task
from autonomy_nodes.inference.manifest import ONNX, folder_of
from autonomy_nodes.perception.network import PRESETS, Network
from autonomy_nodes.training.budget.picture import roofline
from autonomy_nodes.training.export import write_onnx

CHAIN = 64  # layers of next to nothing, by which is told what it takes to start one
RUNS = 15  # of which the median counts
MATRIX = ('Conv', 'ConvTranspose', 'Gemm', 'MatMul')
WITHIN = ('Relu', 'Clip', 'BatchNormalization', 'Add')  # after a convolution: done before its answer is written
OTHER = ('moved', 'a_layer')  # of `measured_rates`: bytes a second, seconds a layer
FREE = ('Constant', 'Identity', 'Reshape', 'Split', 'Slice', 'Squeeze', 'Unsqueeze', 'Expand', 'Cast')  # hardly moved


@dataclass(frozen=True)
class Device:
    """A device by its data sheet. flops: dense, a second, in half precision; bytes_s: of its memory.

    reached, moved: shares of both that convolutions of this size are taken to reach. a_layer_s: to start a kernel.
    """

    name: str
    flops: float
    bytes_s: float
    reached: float = 0.35
    moved: float = 0.6
    a_layer_s: float = 5e-6


# Jetson AGX Orin series and Orin NX series data sheets (NVIDIA): GPU alone, dense, that is half of the sparse figures
DEVICES = (Device('agx_orin_64', 42.5e12, 204.8e9), Device('orin_nx_16', 15.0e12, 102.4e9))


@dataclass(frozen=True)
class Layer:
    """One node of a graph. group: the part of the network that it is of. kind: of RATES. numbers: read and written."""

    group: str
    kind: str
    flops: float
    numbers: float


def evaluate(task: Task) -> Result:
    """Foretell what a network takes on DEVICES, and on this machine beside what it really takes."""
    path = _file_of(task)
    layers = list(layers_of(path))
    result, rates = Result(worst_by='share', low_is_bad=False), measured_rates()
    taken_s, foretold_s = _taken(path), foretold_here(layers, rates)
    result.figures |= {
        'gflop': sum(layer.flops for layer in layers) / 1e9,
        'mbyte_half': sum(layer.numbers for layer in layers) * 2e-6,
        'here.measured_ms': 1e3 * taken_s, 'here.foretold_ms': 1e3 * foretold_s,
        'here.foretold_by_measured': foretold_s / taken_s, 'n_layers': len(layers),
    }  # fmt: skip
    result.figures |= {f'here.{kind}.gflop_s': rate / 1e9 for kind, rate in rates.items() if kind not in OTHER}
    result.figures |= {'here.gbyte_s': rates['moved'] / 1e9, 'here.a_layer_us': 1e6 * rates['a_layer']}
    for device in DEVICES:
        result.figures |= _of_device(layers, device)
    for group in dict.fromkeys(layer.group for layer in layers):
        mine = [layer for layer in layers if layer.group == group]
        share = foretold_here(mine, rates) / foretold_s
        told: Figures = {'share': share, 'gflop': sum(layer.flops for layer in mine) / 1e9}
        told |= {f'{device.name}_ms': 1e3 * sum(seconds(one, device) for one in mine) for device in DEVICES}
        result.figures |= {f'group.{group}.{name}': value for name, value in told.items()}
        result.frames.append(Scored(group, told))
    for device in DEVICES:
        points = [(layer.group, layer.flops, 2.0 * layer.numbers) for layer in layers if layer.flops > 0.0]
        draw = partial(roofline, device.name, device.flops, device.bytes_s, device.reached, device.moved, points)
        result.pictures[f'{device.name}: operations a byte (right) and a second (up)'] = draw
        (task.out / f'roofline_{device.name}.png').write_bytes(draw())
    return result


def _of_device(layers: Sequence[Layer], device: Device) -> Figures:
    total = sum(seconds(layer, device) for layer in layers)
    bound = sum(seconds(one, device) for one in layers if one.flops / device.flops / device.reached
                < 2.0 * one.numbers / device.bytes_s / device.moved)  # fmt: skip
    return {f'{device.name}.ms': 1e3 * total, f'{device.name}.hz': 1.0 / total,
            f'{device.name}.share_bound_by_memory': bound / total}  # fmt: skip


def seconds(layer: Layer, device: Device) -> float:
    """Return how long a layer should take in half precision."""
    computing = layer.flops / (device.flops * device.reached)
    return max(computing, 2.0 * layer.numbers / (device.bytes_s * device.moved)) + device.a_layer_s


def foretold_here(layers: Sequence[Layer], rates: dict[str, float]) -> float:
    """Return how long layers should take here, in single precision on one thread [s]. rates: `measured_rates`."""
    working = (max(layer.flops / rates[layer.kind], 4.0 * layer.numbers / rates['moved']) for layer in layers)
    return sum(working) + len(layers) * rates['a_layer']


def layers_of(path: Path) -> Iterator[Layer]:
    """Yield the layers of an ONNX file with told shapes, those that are done within another one left out."""
    import onnx

    model = onnx.shape_inference.infer_shapes(onnx.load(path))
    graph = model.graph
    sizes = {one.name: list(one.dims) for one in graph.initializer}
    for one in (*graph.value_info, *graph.input, *graph.output):
        sizes[one.name] = [dim.dim_value for dim in one.type.tensor_type.shape.dim]
    weights = {one.name for one in graph.initializer}
    group, convolved = 'input', set[str]()
    for node in graph.node:
        if node.op_type in WITHIN and not convolved.isdisjoint(node.input):
            convolved |= {*node.output}
            continue
        if node.op_type in FREE:
            continue
        convolved |= {*node.output} if node.op_type == 'Conv' else set()
        named = [name for name in node.input if name in weights and '.' in name]
        group = named[0].split('.')[0] if named else group
        moved = sum(float(np.prod(sizes[name])) for name in (*node.input, *node.output) if sizes.get(name))
        given = [sizes.get(name, []) for name in node.input]
        yield Layer(group, *_work(node.op_type, given, sizes[node.output[0]]), moved)


def _work(kind: str, given: list[list[int]], out: list[int]) -> tuple[str, float]:
    """Return the kind of a layer and its operations, a multiplication and an addition being two."""
    count = float(np.prod(out)) if out else 0.0
    if kind in ('LayerNormalization', 'Softmax'):
        return 'norm', count
    if kind == 'Conv':
        return 'conv1' if given[1][-1] == 1 else 'conv3', 2.0 * count * float(np.prod(given[1][1:]))
    if kind in MATRIX:
        return 'matrix', 2.0 * count * float(given[0][-1])
    return 'each', count


def measured_rates() -> dict[str, float]:
    """Return operations a second here of each kind of layer, and those of OTHER; one thread."""
    rates = {}
    for kind, size in (('conv3', 3), ('conv1', 1)):
        flops = [_conv_rate(channels, cells, size) for channels, cells in ((32, 160), (64, 96))]
        rates[kind] = float(np.mean(flops))
    rates['matrix'] = _rate(_matrix(256, 128), {'x': np.ones((1, 256, 128), np.float32)}, 2.0 * 256 * 128 * 128)
    values = {'x': np.ones((1, 16, 320, 320), np.float32)}
    taken = _median(_session(_graph('Sigmoid')), values)
    rates['each'] = values['x'].size / taken
    copied = _median(_session(_graph('Concat')), values)
    normed = {'x': np.random.default_rng(0).random((1, 192, 128), np.float32)}
    rates['norm'] = normed['x'].size / _median(_session(_normalised()), normed)
    chain = _median(_session(_chain()), {'x': np.ones((1, 16), np.float32)})
    rates['a_layer'] = chain / CHAIN
    rates['moved'] = 4.0 * 3.0 * values['x'].size / copied  # read once, written twice over
    return rates


def _conv_rate(channels: int, cells: int, size: int) -> float:
    values = {'x': np.ones((1, channels, cells, cells), np.float32)}
    return _rate(_conv(channels, cells, size), values, 2.0 * channels * channels * size * size * cells * cells)


def _rate(model: bytes, values: dict[str, np.ndarray], flops: float) -> float:
    return flops / _median(_session(model), values)


def _session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=['CPUExecutionProvider'])


def _median(session: onnxruntime.InferenceSession, values: dict[str, np.ndarray]) -> float:
    spent = []
    for _ in range(RUNS + 2):
        began = time.process_time()
        session.run(None, values)
        spent.append(time.process_time() - began)
    return float(np.median(spent[2:]))


def _taken(path: Path) -> float:
    session, rng = _session(path.read_bytes()), np.random.default_rng(0)
    return _median(session, {one.name: rng.random(one.shape, np.float32) for one in session.get_inputs()})


def _file_of(task: Task) -> Path:
    """Return the ONNX file that is asked for; one of an untrained network is written into the folder of the answers."""
    preset = task.options.get('preset', '')
    if preset and task.model == 'none':
        if preset not in PRESETS:
            raise SettingsError(f'preset={preset!r} must be one of {", ".join(PRESETS)}')
        path = task.out / f'{preset}.onnx'
        write_onnx(Network(PRESETS[preset]), path, far=True)
        return path
    if task.model == 'none':
        raise SettingsError('budget needs --model, a folder of models/, or --set preset=NAME')
    return folder_of(task.model) / ONNX


def _graph(kind: str) -> bytes:
    """Return a model of one operation on (1, 16, 320, 320)."""
    from onnx import helper

    names = ['x', 'x'] if kind == 'Concat' else ['x']
    more: dict[str, Any] = {'axis': 1} if kind == 'Concat' else {}
    return _model([helper.make_node(kind, names, ['y'], **more)], [1, 16, 320, 320], {})


def _chain() -> bytes:
    from onnx import helper

    names = ['x', *(f'a{number}' for number in range(CHAIN - 1)), 'y']
    return _model([helper.make_node('Sigmoid', [a], [b]) for a, b in zip(names, names[1:])], [1, 16], {})


def _normalised() -> bytes:
    from onnx import helper

    node = helper.make_node('LayerNormalization', ['x', 's', 'b'], ['y'])
    return _model([node], [1, 192, 128], {'s': np.ones(128, np.float32), 'b': np.zeros(128, np.float32)})


def _conv(channels: int, cells: int, size: int) -> bytes:
    from onnx import helper

    weight = np.full((channels, channels, size, size), 0.01, np.float32)
    pads = [size // 2] * 4
    nodes = [helper.make_node('Conv', ['x', 'w'], ['a'], pads=pads), helper.make_node('Relu', ['a'], ['y'])]
    return _model(nodes, [1, channels, cells, cells], {'w': weight})


def _matrix(rows: int, columns: int) -> bytes:
    from onnx import helper

    weight = np.full((columns, columns), 0.01, np.float32)
    return _model([helper.make_node('MatMul', ['x', 'w'], ['y'])], [1, rows, columns], {'w': weight})


def _model(nodes: Sequence[Any], shape: list[int], weights: dict[str, np.ndarray]) -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    given = [helper.make_tensor_value_info('x', TensorProto.FLOAT, shape)]
    told = [helper.make_tensor_value_info('y', TensorProto.FLOAT, None)]
    constants = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, 'g', given, told, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=9)
    return bytes(model.SerializeToString())
