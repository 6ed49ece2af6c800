"""A module like `pycuda.driver` on memory of the host, stricter than a GPU.

What is put on a stream is done only when somebody asks an event of it; every use without a current context is an error,
and so is a context that is left.
"""

import ctypes
import threading
from types import SimpleNamespace

import numpy as np


def driver(name='Orin', capability=(8, 7), sms=16, count=1):
    """Return the module; `counts` tells of what was taken and given back, `faults` is what is to fail."""
    cuda = SimpleNamespace(counts={'pinned': 0, 'memory': 0, 'freed': 0}, faults=set(), streams={}, stacks={})
    cuda.Error = type('Error', (Exception,), {})
    for kind in ('MemoryError', 'LogicError', 'RuntimeError', 'LaunchError'):
        setattr(cuda, kind, type(kind, (cuda.Error,), {}))
    cuda.device_attribute = SimpleNamespace(MULTIPROCESSOR_COUNT='sms')
    cuda.event_flags = SimpleNamespace(DISABLE_TIMING=2)
    cuda.get_version, cuda.get_driver_version = (lambda: (12, 6, 0)), (lambda: 12060)
    told = {'name': name, 'capability': capability, 'sms': sms, 'count': count}
    cuda.init = lambda: _raised(cuda, 'init', cuda.RuntimeError, 'cuInit failed: no CUDA-capable device is detected')
    cuda.Device = _device_kind(cuda, told)
    cuda.Context = SimpleNamespace(pop=lambda: _stack(cuda).pop())
    cuda.pagelocked_empty = lambda shape, dtype: _pinned(cuda, shape, dtype)
    cuda.mem_alloc = lambda size: Memory(cuda, size)
    cuda.Stream = lambda: Stream(cuda)
    cuda.Event = lambda flags=0: Event(cuda)
    move = ctypes.memmove
    cuda.memcpy_htod_async = lambda to, of, stream: stream.put(lambda: move(int(to), of.ctypes.data, of.nbytes))
    cuda.memcpy_dtoh_async = lambda to, of, stream: stream.put(lambda: move(to.ctypes.data, int(of), to.nbytes))
    cuda.enqueue = lambda handle, work: cuda.streams[handle].put(work)
    return cuda


def _device_kind(cuda, told):
    class Device:
        def __init__(self, ordinal):
            self.ordinal = ordinal

        @staticmethod
        def count():
            return told['count']

        def name(self):
            return told['name']

        def compute_capability(self):
            return told['capability']

        def get_attribute(self, which):
            return told[which]

        def retain_primary_context(self):
            return SimpleNamespace(push=lambda: _stack(cuda).append('primary'))

    return Device


def _stack(cuda):
    return cuda.stacks.setdefault(threading.get_ident(), [])


def _need(cuda):
    if not _stack(cuda):
        raise cuda.LogicError('context_stack: no currently active context')


def _raised(cuda, fault, kind, text):
    if fault in cuda.faults:
        raise kind(text)


def _pinned(cuda, shape, dtype):
    _need(cuda)
    _raised(cuda, 'pinned', cuda.MemoryError, 'cuMemHostAlloc failed: out of memory')
    cuda.counts['pinned'] += 1
    return np.frombuffer(Host(cuda, int(np.prod(shape)) * np.dtype(dtype).itemsize), dtype).reshape(shape).view(Pinned)


class Host(bytearray):
    """Page-locked memory."""

    def __new__(cls, cuda, size):
        return super().__new__(cls, size)

    def __init__(self, cuda, size):
        super().__init__(size)
        self.cuda = cuda


class Pinned(np.ndarray):
    """An array of page-locked memory, whose base can be freed as that of pycuda can."""

    @property
    def base(self):
        array = super().base
        while isinstance(array, np.ndarray):
            array = np.ndarray.base.__get__(array)
        host = array.obj if isinstance(array, memoryview) else array
        return SimpleNamespace(free=lambda: _freed(host.cuda))


def _freed(cuda):
    _need(cuda)
    cuda.counts['freed'] += 1


class Memory:
    """Memory of the device."""

    def __init__(self, cuda, size):
        _need(cuda)
        _raised(cuda, 'memory', cuda.MemoryError, 'cuMemAlloc failed: out of memory')
        cuda.counts['memory'] += 1
        self.cuda, self.data = cuda, ctypes.create_string_buffer(size)

    def __int__(self):
        return ctypes.addressof(self.data)

    def free(self):
        _freed(self.cuda)


class Stream:
    """Keeps its work until it is asked for."""

    def __init__(self, cuda):
        _need(cuda)
        self.cuda, self.work, self.handle = cuda, [], id(self)
        cuda.streams[self.handle] = self

    def put(self, work):
        _need(self.cuda)
        _raised(self.cuda, 'copy', self.cuda.LaunchError, 'cuMemcpyHtoDAsync failed: an illegal memory access')
        _raised(self.cuda, 'full', self.cuda.MemoryError, 'cuMemcpyHtoDAsync failed: out of memory')
        self.work.append(work)


class Event:
    """Comes when the work before it is done, which is when it is asked; never under the fault `hang`."""

    def __init__(self, cuda):
        _need(cuda)
        self.cuda, self.stream = cuda, None

    def record(self, stream):
        _need(self.cuda)
        self.stream = stream

    def query(self):
        _need(self.cuda)
        if 'hang' in self.cuda.faults:
            return False
        while self.stream.work:
            self.stream.work.pop(0)()
        return True
