"""Which operations a shipped ONNX file may hold, so that every engine runs it: the gate, and opset 17 for old engines.

What the engines do with each was tried: parsers of TensorRT 8.6 to 11 refuse or, worse, misread some that are stock.
"""

from pathlib import Path

import onnx
from onnx import helper, version_converter

from autonomy_nodes.common.types import DataError

NEWEST_OPSET, TENSORRT_8_OPSET = 18, 17
MOST_TOP = 3840  # of TopK: above it no engine of TensorRT builds
_PRODUCTS = 'products of tensors: what engines are made for'
_EACH = 'one element at a time, fused with what comes before'
_MOVES = 'moves elements, in sizes that are told beforehand'
_OVER = 'over an axis that is told'
_ROUNDS = 'INT8 in the file itself, which every engine since TensorRT 8 reads'
ALLOWED = {
    **dict.fromkeys(('Conv', 'ConvTranspose', 'MatMul', 'Gemm'), _PRODUCTS),
    **dict.fromkeys(('Add', 'Sub', 'Mul', 'Div', 'Relu', 'Sigmoid', 'Tanh', 'Exp', 'Sqrt', 'Clip'), _EACH),
    **dict.fromkeys(('Cast', 'Greater', 'Where'), _EACH),
    **dict.fromkeys(
        ('Concat', 'Split', 'Slice', 'Reshape', 'Transpose', 'Squeeze', 'Unsqueeze', 'Expand', 'Gather', 'Identity'),
        _MOVES,
    ),
    'Resize': 'nearest or linear without antialias',
    'Constant': 'a number of the file',
    **dict.fromkeys(
        ('ReduceMax', 'ReduceSum', 'ReduceMean', 'Softmax', 'LayerNormalization', 'MaxPool', 'AveragePool'), _OVER
    ),
    'TopK': f'up to {MOST_TOP}',
    'GridSample': 'four axes, bilinear or nearest: since TensorRT 8.5',
    'ScatterND': 'without reduction',
    'ScatterElements': 'without reduction',
    **dict.fromkeys(('QuantizeLinear', 'DequantizeLinear'), _ROUNDS),
}  # fmt: skip
REFUSED = {
    'NonMaxSuppression': 'as many rows as it finds: belongs outside the engine',
    'NonZero': 'as many rows as it finds: belongs outside the engine',
    'Unique': 'no engine of TensorRT has it',
    'DeformConv': 'needs a plugin of TensorRT',
    'RoiAlign': 'needs a plugin of TensorRT',
}


def refused(model: onnx.ModelProto) -> list[str]:
    """Return why a model must not ship: a line for each thing that not every engine runs; empty where it may."""
    found = []
    for opset in model.opset_import:
        if opset.domain not in ('', 'ai.onnx'):
            found.append(f'operations of {opset.domain}: only those of ONNX itself')
        elif opset.version > NEWEST_OPSET:
            found.append(f'opset {opset.version}: at most {NEWEST_OPSET}')
    constants = {one.name: one for one in model.graph.initializer}
    for node in model.graph.node:
        told = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        if node.domain not in ('', 'ai.onnx') or node.op_type not in ALLOWED:
            why = REFUSED.get(node.op_type, 'nobody has tried it on every engine')
            found.append(f'{node.op_type} ({node.name}): {why}')
        elif any(isinstance(value, onnx.GraphProto) for value in told.values()):
            found.append(f'{node.op_type} ({node.name}): holds a graph of its own')
        elif node.op_type.startswith('Scatter') and told.get('reduction', b'none') != b'none':
            found.append(f'{node.op_type} ({node.name}): reduction, which TensorRT 8.6 leaves out without a word')
        elif node.op_type == 'Resize' and told.get('antialias', 0):
            found.append(f'{node.op_type} ({node.name}): antialias, which TensorRT refuses')
        elif node.op_type == 'TopK' and _top(node, constants) > MOST_TOP:
            found.append(f'{node.op_type} ({node.name}): more than {MOST_TOP}, or a number that is not in the file')
    return found


def gate(path: Path) -> None:
    """Raise DataError where a file holds what not every engine runs."""
    if lines := refused(onnx.load(path)):
        raise DataError(f'{path}: {"; ".join(lines)}')


def at_opset_17(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model as TensorRT 8.6 reads it, equal in what it gives; DataError where it has no such form.

    Split became another operation in opset 18 and has no way back: each of its parts becomes a Slice.
    """
    older = onnx.ModelProto()
    older.CopyFrom(model)
    _slice_splits(older.graph)
    try:
        older = version_converter.convert_version(older, TENSORRT_8_OPSET)
    except RuntimeError as error:
        raise DataError(f'no form in opset {TENSORRT_8_OPSET}: {error}') from error
    onnx.checker.check_model(older, full_check=True)
    return older


def _top(node: onnx.NodeProto, constants: dict[str, onnx.TensorProto]) -> int:
    stored = constants.get(node.input[1])
    return MOST_TOP + 1 if stored is None else int(onnx.numpy_helper.to_array(stored).reshape(-1)[0])


def _slice_splits(graph: onnx.GraphProto) -> None:
    constants = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
    nodes = []
    for node in graph.node:
        if node.op_type != 'Split':
            nodes.append(node)
            continue
        if len(node.input) < 2 or node.input[1] not in constants:
            raise DataError(f'Split ({node.name}): its sizes are not in the file')
        axis = next((one.i for one in node.attribute if one.name == 'axis'), 0)
        begin = 0
        for part, size in zip(node.output, constants[node.input[1]].tolist()):
            numbers = []
            for key, value in (('begin', begin), ('end', begin + size), ('axis', axis)):
                numbers.append(f'{part}_{key}')
                graph.initializer.append(helper.make_tensor(numbers[-1], onnx.TensorProto.INT64, [1], [value]))
            nodes.append(helper.make_node('Slice', [node.input[0], *numbers], [part], name=f'{part}_part'))
            begin += size
    del graph.node[:]
    graph.node.extend(nodes)
    read = {name for node in nodes for name in node.input}
    kept = [one for one in graph.initializer if one.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)
