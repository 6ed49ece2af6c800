"""A small network with its manifest, and machines without a GPU that run engines of it."""

from types import SimpleNamespace

import fake_cuda
import fake_tensorrt
import numpy as np
import pytest

from autonomy_nodes.inference.manifest import ONNX, Manifest, Tensor, digest, read_manifest, write_manifest
from autonomy_nodes.inference.nvidia import session
from autonomy_nodes.inference.nvidia.device import CudaDevice
from autonomy_nodes.inference.onnx_backend import OnnxBackend
from autonomy_nodes.inference.settings import EngineSettings

VERSIONS = ('8.6.1', '10.3.0', '10.16.1.11', '11.4.0.106')
WEIGHTS = np.arange(12, dtype=np.float32).reshape(4, 3) - 5.0
SHIFT = 1.0


def write_model(folder, weights=WEIGHTS, batch=1, name='tiny'):
    """Write a network that gives answer = rows @ weights + shift, from `rows` (1, 4) and `shift` (1, 3)."""
    onnx = pytest.importorskip('onnx')
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    ends = [helper.make_tensor_value_info(each, kind, shape) for each, shape in (
        ('rows', (batch, 4)), ('shift', (1, 3)), ('answer', (batch, 3)))]  # fmt: skip
    nodes = [helper.make_node('MatMul', ['rows', 'weights'], ['product']),
             helper.make_node('Add', ['product', 'shift'], ['answer'])]  # fmt: skip
    graph = helper.make_graph(nodes, name, ends[:2], ends[2:], [onnx.numpy_helper.from_array(weights, 'weights')])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=9)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ONNX).write_bytes(model.SerializeToString())
    inputs = {'rows': Tensor((1, 4), -9.0, 9.0), 'shift': Tensor((1, 3), -9.0, 9.0)}
    files = {ONNX: digest(folder / ONNX)}
    write_manifest(folder, Manifest(name, 'none', inputs, {'answer': Tensor((1, 3), -99.0, 99.0)}, files))
    return folder


def inputs_of(first=1.0):
    """Return an input; its answer is in `answer_of`."""
    return {'rows': np.array([[first, 0.0, 0.0, 2.0]], np.float32), 'shift': np.full((1, 3), SHIFT, np.float32)}


def answer_of(first=1.0):
    """Return first * (-5, -4, -3) + 2 * (4, 5, 6) + 1, by hand."""
    return [[9.0 - 5.0 * first, 11.0 - 4.0 * first, 13.0 - 3.0 * first]]


def made_machine(version='10.3.0', **card):
    """Return a machine of fakes, with what they count and how they fail: `trt` and `cuda`."""
    cuda = fake_cuda.driver(**card)
    trt = fake_tensorrt.module(version, cuda.enqueue)
    return SimpleNamespace(trt=trt, cuda=cuda, machine=session.Machine(trt, CudaDevice(cuda)))


def order_of(folder, cache, **settings):
    """Return what asks for an engine of a folder's network in a folder of engines."""
    return session.Order(folder, read_manifest(folder), EngineSettings(cache=str(cache), **settings))


def cpu_of(folder):
    """Return the engine of the CPU."""
    return OnnxBackend(folder, read_manifest(folder))


def built_backend(made, folder, cache, **settings):
    """Return an engine that was built and opened."""
    order = order_of(folder, cache, **settings)
    session.built(made.machine, order)
    return session.opened(made.machine, order, cpu_of(folder))
