"""A module like `tensorrt` of a release, whose engines run their ONNX by ONNX Runtime on the addresses they are told.

What a release has no name for, this has not either: names are in data/tensorrt_api.json, as listed by `dir` from the
released Python bindings of each. Addresses must be of the host: those of fake_cuda.py, or of native/libcuda.c.
"""

import ctypes
import json
from enum import IntEnum
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime

API = json.loads((Path(__file__).parent / 'data' / 'tensorrt_api.json').read_text())
VERSIONS = tuple(API)
ENUMS = (
    'NetworkDefinitionCreationFlag', 'BuilderFlag', 'DataType', 'MemoryPoolType', 'TensorIOMode', 'ProfilingVerbosity',
    'LayerInformationFormat',
)  # fmt: skip
MARK = b'fake engine\n'
TYPES = {'tensor(float)': ('FLOAT', np.float32), 'tensor(float16)': ('HALF', np.float16)}


def at_once(handle, work):
    """Run what is put on a stream when it is put there."""
    work()


def module(version='10.3.0', enqueue=at_once):
    """Return the module. enqueue: how work comes onto a stream. `faults`: what is to fail, names of `Faults`."""
    names = {kind: (told or '').split() for kind, told in API[version].items()}
    trt = SimpleNamespace(__version__=version, faults=set(), calls=[], enqueue=enqueue, names=names)
    for kind in ENUMS:
        setattr(trt, kind, IntEnum(kind, {name: index for index, name in enumerate(names[kind])}))
    trt.ILogger = type('ILogger', (), {'Severity': SimpleNamespace(ERROR=1, INTERNAL_ERROR=0, WARNING=2)})
    if API[version]['IProgressMonitor'] is not None:
        trt.IProgressMonitor = type('IProgressMonitor', (), {})
    trt.Builder = lambda log: Builder(trt, log)
    trt.OnnxParser = lambda network, log: Parser(trt, network)
    trt.Runtime = lambda log: Runtime(trt, log)
    return trt


class Config:
    """Takes what its release has a name for."""

    def __init__(self, trt):
        object.__setattr__(self, 'trt', trt)
        object.__setattr__(self, 'set', {})
        object.__setattr__(self, 'flags_on', set())
        object.__setattr__(self, 'flags_off', set())
        if 'builder_optimization_level' in trt.names['IBuilderConfig']:
            self.set['builder_optimization_level'] = 3
        if 'progress_monitor' in trt.names['IBuilderConfig']:
            self.set['progress_monitor'] = None

    def __setattr__(self, name, value):
        if name not in self.trt.names['IBuilderConfig']:
            raise AttributeError(name)
        self.set[name] = value

    def __getattr__(self, name):
        if name not in self.set:
            raise AttributeError(name)
        return self.set[name]

    def set_memory_pool_limit(self, pool, size):
        self.set[pool] = size

    def set_flag(self, flag):
        self.flags_on.add(flag.name)

    def clear_flag(self, flag):
        self.flags_off.add(flag.name)

    def create_timing_cache(self, data):
        return SimpleNamespace(data=bytes(data), serialize=lambda: b'timed')

    def set_timing_cache(self, cache, ignore_mismatch):
        return cache.data in (b'', b'timed')

    def add_optimization_profile(self, profile):
        self.set['profile'] = profile.shapes
        return 0


class Parser:
    """Reads what ONNX Runtime reads."""

    def __init__(self, trt, network):
        self.trt, self.network, self.errors = trt, network, []

    @property
    def num_errors(self):
        return len(self.errors)

    def get_error(self, index):
        return self.errors[index]

    def parse(self, data, path=None):
        try:
            inputs = onnxruntime.InferenceSession(data, providers=['CPUExecutionProvider']).get_inputs()
        except Exception as error:
            self.errors += [f'node 3 (Foo): {type(error).__name__}', 'node 7 (Bar): no such thing']
            return False
        self.network.onnx, self.network.num_inputs = data, len(inputs)
        self.network.get_input = lambda index: inputs[index]
        return True


class Builder:
    """Makes engines that are their ONNX."""

    def __init__(self, trt, log):
        self.trt, self.log = trt, log

    def create_network(self, flags):
        self.trt.calls.append(('create_network', flags))
        return SimpleNamespace(onnx=b'')

    def create_builder_config(self):
        return Config(self.trt)

    def create_optimization_profile(self):
        shapes = {}
        return SimpleNamespace(shapes=shapes, set_shape=lambda name, *of: shapes.update({name: of}))

    def build_serialized_network(self, network, config):
        self.trt.calls.append(('build', config))
        if 'build' in self.trt.faults:
            self.log.log(1, 'Tactic Device request: 143MB Available: 112MB')
            return None
        if config.set.get('progress_monitor') is not None:
            monitor = config.set['progress_monitor']
            monitor.phase_start('Tactics', None, 2)
            assert monitor.step_complete('Tactics', 0) and monitor.step_complete('Tactics', 1)
            monitor.phase_finish('Tactics')
        return bytearray(MARK + self.trt.__version__.encode() + b'\n' + network.onnx)


class Runtime:
    """Takes engines of its own release only, and whole ones."""

    def __init__(self, trt, log):
        self.trt, self.log = trt, log

    def deserialize_cuda_engine(self, plan):
        mark, version, onnx = bytes(plan).split(b'\n', 2) if plan.count(b'\n') > 1 else (b'', b'', b'')
        if 'deserialise' in self.trt.faults or (mark + b'\n', version.decode()) != (MARK, self.trt.__version__):
            self.log.log(1, 'Serialization assertion failed')
            return None
        return Engine(self.trt, onnx)


class Engine:
    """Holds a session."""

    def __init__(self, trt, onnx):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.trt = trt
        self.session = onnxruntime.InferenceSession(onnx, options, providers=['CPUExecutionProvider'])
        self.inputs = {one.name: one for one in self.session.get_inputs()}
        self.tensors = self.inputs | {one.name: one for one in self.session.get_outputs()}

    @property
    def num_io_tensors(self):
        return len(self.tensors)

    def get_tensor_name(self, index):
        return list(self.tensors)[index]

    def get_tensor_mode(self, name):
        return self.trt.TensorIOMode.INPUT if name in self.inputs else self.trt.TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name):
        return self.trt.DataType[TYPES[self.tensors[name].type][0] if 'type' not in self.trt.faults else 'INT32']

    def get_tensor_shape(self, name):
        return tuple(-1 if isinstance(size, str) else size for size in self.tensors[name].shape)

    def create_execution_context(self):
        return None if 'context' in self.trt.faults else Context(self)

    def create_engine_inspector(self):
        layers = json.dumps({'Layers': [{'Name': 'all', 'Precision': 'FP32'}]})
        return SimpleNamespace(get_engine_information=lambda form: layers)


class Context:
    """Runs the session on addresses."""

    def __init__(self, engine):
        self.engine, self.trt, self.addresses, self.shapes = engine, engine.trt, {}, {}

    def set_input_shape(self, name, shape):
        self.shapes[name] = tuple(shape)
        return 'shape' not in self.trt.faults

    def get_tensor_shape(self, name):
        return self.shapes.get(name, self.engine.get_tensor_shape(name))

    def set_tensor_address(self, name, address):
        self.addresses[name] = address
        return 'address' not in self.trt.faults

    def execute_async_v3(self, stream_handle):
        if 'enqueue' in self.trt.faults:
            return False
        self.trt.enqueue(stream_handle, self._run)
        return True

    def _array(self, name):
        dtype = np.dtype(TYPES[self.engine.tensors[name].type][1])
        shape = self.get_tensor_shape(name)
        raw = (ctypes.c_char * (int(np.prod(shape)) * dtype.itemsize)).from_address(self.addresses[name])
        return np.frombuffer(raw, dtype).reshape(shape)

    def _run(self):
        names = [one.name for one in self.engine.session.get_outputs()]
        answers = self.engine.session.run(names, {name: self._array(name) for name in self.engine.inputs})
        for name, answer in zip(names, answers):
            self._array(name)[...] = answer
            if 'nan' in self.trt.faults:
                self._array(name).flat[-1] = np.nan
            if 'zeros' in self.trt.faults:
                self._array(name)[...] = 0
