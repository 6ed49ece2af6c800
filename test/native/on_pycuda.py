"""Run under LD_PRELOAD of libcuda.c's library: engines of fake_tensorrt.py by the real pycuda; prints what it saw."""

import ctypes
import json
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import fake_tensorrt
from tensorrt_samples import answer_of, built_backend, cpu_of, inputs_of, order_of, write_model

from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.common.types import DataError
from autonomy_nodes.inference.manifest import folder_of
from autonomy_nodes.inference.nvidia import device, session
from autonomy_nodes.inference.parity import golden

CUDA, KEPT = ctypes.CDLL(None), []
CALL = ctypes.CFUNCTYPE(None)
CUDA.fake_launch.argtypes = [ctypes.c_void_p, CALL]


def launch(handle, work):
    """Put work of Python onto a stream, where it is done as late as the rest."""
    KEPT[:] = [*KEPT[-8:], CALL(work)]
    CUDA.fake_launch(handle, KEPT[-1])


def refusal(call):
    """Return what a call is refused with."""
    try:
        call()
    except (SettingsError, DataError) as error:
        return f'{type(error).__name__}: {error}'
    return ''


def threads_agree(backend):
    """Return whether four threads get each its own answers."""
    wrong = []

    def ask(first):
        for _ in range(50):
            if backend.run(inputs_of(first))['answer'].tolist() != answer_of(first):
                wrong.append(first)

    threads = [threading.Thread(target=ask, args=(float(number),)) for number in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return not wrong


def seen(folder):
    """Return all that the test asks of."""
    model, cache = write_model(folder / 'tiny'), folder / 'cache'
    trt = fake_tensorrt.module('10.3.0', launch)
    made = SimpleNamespace(machine=session.Machine(trt, device.opened()))
    card = made.machine.device
    told = {'name': card.name, 'sms': card.sms, 'capability': card.capability}
    backend = built_backend(made, model, cache, deadline_s=0.05)
    told['answer'] = backend.run(inputs_of())['answer'].tolist() == answer_of()
    before = CUDA.fake_taken()
    told['thousand'] = all(
        backend.run(inputs_of(float(step)))['answer'].tolist() == answer_of(float(step)) for step in range(1000)
    )
    told['taken_in_thousand'] = CUDA.fake_taken() - before
    told['threads'], told['depth'] = threads_agree(backend), CUDA.fake_depth()
    for name in ('lidar_small', 'traffic_small'):
        shipped = folder_of(name)
        engine, cpu = built_backend(made, shipped, cache, deadline_s=30.0), cpu_of(shipped)
        inputs = golden(cpu.manifest)
        one, two = engine.run(inputs), cpu.run(inputs)
        told[name] = all((one[output] == two[output]).all() for output in two)
        engine.close()
    order = order_of(model, cache)
    CUDA.fake_limit(2)
    told['full'] = refusal(lambda: session.opened(made.machine, order, cpu_of(model)))
    CUDA.fake_limit(-1)
    CUDA.fake_hang(1)
    told['hang'] = refusal(lambda: backend.run(inputs_of()))
    CUDA.fake_hang(0)
    told['after'] = refusal(lambda: backend.run(inputs_of()))
    other = session.opened(made.machine, order, cpu_of(model))
    held = CUDA.fake_taken() - CUDA.fake_given()
    other.close()
    told['given_by_close'], told['end_depth'] = held - (CUDA.fake_taken() - CUDA.fake_given()), CUDA.fake_depth()
    return told


if __name__ == '__main__':
    if sys.argv[2] == 'none':
        CUDA.fake_devices(0)
        print(json.dumps({'none': refusal(device.opened)}))
    else:
        print(json.dumps(seen(Path(sys.argv[1]))))
