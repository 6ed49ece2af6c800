"""A network's products in INT8, written into its ONNX file: what enters them and their weights, rounded and back.

Symmetric, weights a channel each, biases in float32: the one form that every engine from TensorRT 8 on reads. The
largest value of what enters is chosen so that clipping and rounding together cost least (Nagel et al. 2021, section
3.2: mean squared error), since activations of sparse sweeps have long tails: by the largest value met, most of the
255 steps would serve a few cells.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from autonomy_nodes.training.drift import Drift, drift_of
from autonomy_nodes.training.feeds import Feed

STEPS, BINS, TRIED = 127, 4096, 128
_LEAST = 1e-8  # of a scale: a channel of zeros has one as well


def thresholds(model: onnx.ModelProto, names: Sequence[str], feeds: Sequence[Feed]) -> dict[str, float]:
    """Return the largest absolute value that is kept of each tensor, over all feeds."""
    session = _telling(model, names)
    highest = dict.fromkeys(names, 0.0)
    for feed in feeds:
        for name, value in zip(names, session.run(list(names), feed)):
            highest[name] = max(highest[name], float(np.abs(value).max()))
    counts = {name: np.zeros(BINS) for name in names}
    for feed in feeds:
        for name, value in zip(names, session.run(list(names), feed)):
            counts[name] += np.histogram(np.abs(value), BINS, (0.0, max(highest[name], _LEAST)))[0]
    return {name: best_threshold(counts[name], max(highest[name], _LEAST)) for name in names}


def best_threshold(counts: np.ndarray, highest: float) -> float:
    """Return where values are best clipped before they are rounded to STEPS, by the squares of what is lost.

    counts: (BINS,) of absolute values from 0 to `highest`. What lies in the first bin is mostly 0 and loses nothing.
    """
    width = highest / len(counts)
    middles = (np.arange(len(counts)) + 0.5) * width
    tried = highest * np.arange(1, TRIED + 1) / TRIED
    step = tried[:, None] / STEPS
    off = middles - np.minimum(np.round(middles / step), STEPS) * step  # (TRIED, BINS)
    lost = (off**2 + width**2 / 12.0)[:, 1:] @ counts[1:]
    return float(tried[np.argmin(lost)])


def entering(model: onnx.ModelProto, products: Sequence[str]) -> list[str]:
    """Return the names of the tensors that enter the products of these names, each once."""
    return list(dict.fromkeys(node.input[0] for node in model.graph.node if node.name in products))


def costs(
    model: onnx.ModelProto, products: Sequence[str], kept: Mapping[str, float], feeds: Sequence[Feed]
) -> dict[str, float]:
    """Return by how much each product, rounded alone, moves the output that it moves most (relative L2)."""
    outputs = [one.name for one in model.graph.output]

    def answers(some: onnx.ModelProto) -> list[dict[str, np.ndarray]]:
        session = _telling(some, ())
        return [dict(zip(outputs, session.run(outputs, feed))) for feed in feeds]

    reference, found = answers(model), {}
    for name in products:
        drifts: dict[str, Drift] = {}
        for one, other in zip(reference, answers(rounded(model, (name,), kept))):
            drifts = drift_of(one, other, drifts)
        found[name] = max(drift.relative_l2 for drift in drifts.values())
    return found


def rounded(model: onnx.ModelProto, products: Sequence[str], kept: Mapping[str, float]) -> onnx.ModelProto:
    """Return the model with the products of these names in INT8. kept: as `thresholds` gives it."""
    told = onnx.ModelProto()
    told.CopyFrom(model)
    graph = told.graph
    weights = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    done: set[str] = set()
    for node in graph.node:
        if node.name in products:
            value, weight = node.input[0], node.input[1]
            if value not in done:
                nodes += _pair(graph, value, np.array(kept[value] / STEPS), None)
            if weight not in done:
                nodes += _pair(graph, weight, *_of_channels(node, weights[weight]))
            done |= {value, weight}
            node.input[0], node.input[1] = f'{value}_rounded', f'{weight}_rounded'
        nodes.append(node)
    ordered = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(ordered)
    return told


def _of_channels(node: onnx.NodeProto, weight: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the scale of each channel that comes out, and the axis of the weights on which they lie."""
    transposed = any(one.name == 'transB' and one.i for one in node.attribute)
    axis = {'Conv': 0, 'ConvTranspose': 1, 'Gemm': 0 if transposed else 1}.get(node.op_type, weight.ndim - 1)
    others = tuple(k for k in range(weight.ndim) if k != axis)
    return np.maximum(np.abs(weight).max(axis=others) / STEPS, _LEAST), axis


def _pair(graph: onnx.GraphProto, name: str, scales: np.ndarray, axis: int | None) -> list[onnx.NodeProto]:
    """Add numbers to a graph and return the two nodes that round a tensor and turn it into float32 again."""
    scale, zero, small = (f'{name}_{what}' for what in ('scale', 'zero', 'int8'))
    graph.initializer.append(numpy_helper.from_array(np.maximum(scales, _LEAST).astype(np.float32), scale))
    graph.initializer.append(numpy_helper.from_array(np.zeros(scales.shape, np.int8), zero))
    more: dict[str, Any] = {} if axis is None else {'axis': axis}
    return [
        helper.make_node('QuantizeLinear', [name, scale, zero], [small], name=f'{name}_q', **more),
        helper.make_node('DequantizeLinear', [small, scale, zero], [f'{name}_rounded'], name=f'{name}_dq', **more),
    ]


def _telling(model: onnx.ModelProto, names: Sequence[str]) -> onnxruntime.InferenceSession:
    """Return a session of a model that gives tensors of its inside as well."""
    told = onnx.ModelProto()
    told.CopyFrom(model)
    outputs = {one.name for one in told.graph.output}
    told.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names if name not in outputs)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.use_deterministic_compute = 1, True
    return onnxruntime.InferenceSession(told.SerializeToString(), options, providers=['CPUExecutionProvider'])
