"""Which products of a network may be rounded: its trunk; what reads coordinates and what tells them stays float32.

Rounded are convolutions and products with weights of the file. Not those that read an input of the network as it comes
(heights, places: 8 bits of 20 m are steps of 0.16 m), not the last ones before an output (boxes, heights, logits), and
those that saw nothing but zeros in calibration, as of a camera that nobody gave: their range is not known. Nor those
that read a concatenation, whose one scale OpenVINO 2026.4 takes for another (a relative error of 1.6 was measured).
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import onnx

WEIGHTED = ('Conv', 'ConvTranspose', 'Gemm', 'MatMul')
# operations through which coordinates pass as they are, and by which of their inputs; all where none is told
_CARRIES: dict[str, tuple[int, ...]] = {
    'Add': (), 'Cast': (), 'Concat': (), 'Expand': (0,), 'Gather': (0,), 'Identity': (0,), 'Mul': (), 'Reshape': (0,),
    'Slice': (0,), 'Split': (0,), 'Squeeze': (0,), 'Sub': (), 'Transpose': (0,), 'Unsqueeze': (0,), 'Where': (1, 2),
}  # fmt: skip


@dataclass(frozen=True)
class Layers:
    """Names of the nodes of a graph. rounded: products that may be INT8. kept: the other products.

    entering: all nodes from the inputs to the first products, those with them; leaving: from the last products on.
    """

    rounded: tuple[str, ...]
    kept: tuple[str, ...]
    entering: tuple[str, ...]
    leaving: tuple[str, ...]


def layers_of(model: onnx.ModelProto, silent: Collection[str] = ()) -> Layers:
    """Return which layers of a model are which. silent: inputs that were zero in all that was calibrated on."""
    graph = model.graph
    constants = {one.name for one in graph.initializer}
    products = {node.name for node in graph.node if is_weighted(node, constants)}
    entering = set(_entering(graph, constants, products))
    leaving = set(_leaving(graph, products))
    unknown, joined = set(_unknown(graph, constants, silent)), set(_joined(graph, products))
    kept = products & (entering | leaving | unknown | joined)
    order = [node.name for node in graph.node]
    parts = (products - kept, kept, entering, leaving)
    return Layers(*(tuple(name for name in order if name in part) for part in parts))


def is_weighted(node: onnx.NodeProto, constants: Collection[str]) -> bool:
    """Return whether a node multiplies by weights of the file."""
    return node.op_type in WEIGHTED and node.input[1] in constants


def _entering(graph: onnx.GraphProto, constants: Collection[str], products: Collection[str]) -> Iterator[str]:
    raw = {one.name for one in graph.input}
    for node in graph.node:
        if node.name in products:
            if node.input[0] in raw:
                yield node.name
            continue
        if node.op_type not in _CARRIES:
            continue
        by = _CARRIES[node.op_type] or range(len(node.input))
        if any(node.input[place] in raw for place in by):
            raw |= {*node.output}
            yield node.name


def _leaving(graph: onnx.GraphProto, products: Collection[str]) -> Iterator[str]:
    wanted = {one.name for one in graph.output}
    for node in reversed(graph.node):
        if wanted & {*node.output}:
            yield node.name
            if node.name not in products:
                wanted |= {*node.input}


def _joined(graph: onnx.GraphProto, products: Collection[str]) -> Iterator[str]:
    together = {name for node in graph.node if node.op_type == 'Concat' for name in node.output}
    for node in graph.node:
        if node.name in products and node.input[0] in together:
            yield node.name


def _unknown(graph: onnx.GraphProto, constants: Collection[str], silent: Collection[str]) -> Iterator[str]:
    still = {*silent}
    for node in graph.node:
        varying = [name for name in node.input if name and name not in constants]
        if varying and still.issuperset(varying):
            still |= {*node.output}
            yield node.name
