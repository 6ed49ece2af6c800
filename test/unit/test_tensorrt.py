"""TensorRT's engines on a fake TensorRT and a fake pycuda: what is set for each release, and what a run does."""

import threading

import numpy as np
import pytest
from fake_tensorrt import VERSIONS
from tensorrt_samples import (
    answer_of,
    built_backend,
    cpu_of,
    inputs_of,
    made_machine,
    order_of,
    write_model,
)

from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.common.types import DataError
from autonomy_nodes.inference.nvidia import device as devices
from autonomy_nodes.inference.nvidia import session
from autonomy_nodes.inference.nvidia.builder import BuildOptions, build_engine, flags_of
from autonomy_nodes.inference.nvidia.engine import Engine
from autonomy_nodes.inference.nvidia.tensorrt_backend import TensorrtBackend
from autonomy_nodes.inference.parity import distance, golden
from autonomy_nodes.inference.settings import EngineSettings


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / 'tiny')


@pytest.mark.parametrize('version, network, fp16', [
    ('8.6.1', ('EXPLICIT_BATCH',), ('FP16',)),
    ('10.3.0', ('EXPLICIT_BATCH', 'STRONGLY_TYPED'), ()),
    ('10.16.1.11', ('EXPLICIT_BATCH', 'STRONGLY_TYPED'), ()),
    ('11.4.0.106', ('STRONGLY_TYPED',), ()),
])  # fmt: skip
def test_each_release_is_given_the_flags_that_it_has(version, network, fp16):
    trt = made_machine(version).trt
    assert (flags_of(trt, 'fp16').network, flags_of(trt, 'fp16').on) == (network, fp16)
    assert flags_of(trt, 'int8').on == (('INT8',) if fp16 else ())
    assert (flags_of(trt, 'fp32').on, flags_of(trt, 'fp32').off) == ((), ('TF32',))


@pytest.mark.parametrize('version', VERSIONS)
def test_an_engine_of_each_release_is_built_and_answers(model, tmp_path, version):
    made = made_machine(version)
    backend = built_backend(made, model, tmp_path / 'cache', workspace_mb=7, level=2)
    assert backend.run(inputs_of())['answer'].tolist() == answer_of()
    config = dict(made.trt.calls)['build']
    assert config.set[made.trt.MemoryPoolType.WORKSPACE] == 7 << 20
    assert config.set['builder_optimization_level'] == 2 and config.flags_off == {'TF32'}
    bits = {kind.name: 1 << kind for kind in made.trt.NetworkDefinitionCreationFlag}
    assert dict(made.trt.calls)['create_network'] == sum(bits[name] for name in flags_of(made.trt, 'fp32').network)
    assert next((tmp_path / 'cache').glob('timing-8.7-*.cache')).read_bytes() == b'timed'


def test_progress_is_told_where_the_release_can(model):
    told = []
    for version in ('8.6.1', '10.3.0'):
        options = BuildOptions()
        build_engine(made_machine(version).trt, model / 'network.onnx', options, lambda *step: told.append(step))
    assert told == [('Tactics', 1, 2), ('Tactics', 2, 2)]


def test_all_that_the_parser_complains_of_is_told(tmp_path):
    (tmp_path / 'bad.onnx').write_bytes(b'none')
    with pytest.raises(SettingsError, match=r'bad.onnx: .* node 3 \(Foo\).*; node 7 \(Bar\): no such thing; export'):
        build_engine(made_machine().trt, tmp_path / 'bad.onnx', BuildOptions())


def test_a_build_without_memory_tells_what_tensorrt_told(model):
    made = made_machine()
    made.trt.faults.add('build')
    with pytest.raises(SettingsError, match='workspace_mb=5: Tactic Device request: 143MB Available: 112MB'):
        build_engine(made.trt, model / 'network.onnx', BuildOptions(workspace_mb=5))


def test_a_profile_that_falls_or_is_of_another_input_is_refused(model):
    trt, path = made_machine().trt, model / 'network.onnx'
    with pytest.raises(SettingsError, match='must not fall'):
        build_engine(trt, path, BuildOptions(profile={'rows': ((2, 4), (1, 4), (3, 4))}))
    with pytest.raises(SettingsError, match='other'):
        build_engine(trt, path, BuildOptions(profile={'other': ((1, 4), (1, 4), (1, 4))}))
    build_engine(trt, path, BuildOptions(profile={'rows': ((1, 4), (1, 4), (1, 4))}))
    assert trt.calls[-1][1].set['profile'] == {'rows': ((1, 4), (1, 4), (1, 4))}


def test_a_thousand_runs_take_no_memory_and_write_over_no_answer(model, tmp_path):
    made = made_machine()
    backend = built_backend(made, model, tmp_path)
    taken, hosts = dict(made.cuda.counts), [(id(each.host), int(each.memory)) for each in backend._held]
    first = backend.run(inputs_of(0.0))['answer']
    for step in range(1000):
        answer = backend.run(inputs_of(float(step)))['answer']
        assert answer[0, 0] == 9.0 - 5.0 * step
    assert made.cuda.counts == taken == {'pinned': 3, 'memory': 3, 'freed': 0}
    assert [(id(each.host), int(each.memory)) for each in backend._held] == hosts
    assert first.tolist() == answer_of(0.0)
    backend.close()
    assert made.cuda.counts['freed'] == 6 and all(not stack for stack in made.cuda.stacks.values())
    with pytest.raises(DataError, match='it was closed'):
        backend.run(inputs_of())


def test_threads_that_ask_at_once_each_get_their_own_answer(model, tmp_path):
    backend, wrong = built_backend(made_machine(), model, tmp_path), []

    def ask(first):
        for _ in range(100):
            if backend.run(inputs_of(first))['answer'].tolist() != answer_of(first):
                wrong.append(first)

    threads = [threading.Thread(target=ask, args=(float(number),)) for number in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert wrong == []


def test_inputs_that_are_not_the_told_ones_are_refused(model, tmp_path):
    backend = built_backend(made_machine(), model, tmp_path)
    with pytest.raises(DataError, match='float64'):
        backend.run({name: value.astype(float) for name, value in inputs_of().items()})


def test_an_engine_of_other_tensors_is_refused(model, tmp_path):
    made = made_machine()
    manifest = order_of(model, tmp_path).manifest
    for weights, batch, match in ((np.ones((4, 3), np.float32), 2, r'\(2, 4\)'), (np.ones((4, 3), np.float32), 1, '')):
        other = write_model(tmp_path / f'other{batch}', weights, batch)
        plan = build_engine(made.trt, other / 'network.onnx', BuildOptions())
        if match:
            with pytest.raises(SettingsError, match=match):
                Engine(made.trt, plan, manifest)
        else:
            assert len(Engine(made.trt, plan, manifest).ports) == 3
    made.trt.faults.add('type')
    with pytest.raises(SettingsError, match='not of FLOAT'):
        Engine(made.trt, plan, manifest)


def test_a_dynamic_size_is_set_to_that_of_the_manifest(tmp_path):
    made = made_machine()
    folder = write_model(tmp_path / 'free', batch='batch')
    manifest = order_of(folder, tmp_path).manifest
    profile = {'rows': ((1, 4), (1, 4), (1, 4))}
    plan = build_engine(made.trt, folder / 'network.onnx', BuildOptions(profile=profile))
    engine = Engine(made.trt, plan, manifest)
    assert next(port.shape for port in engine.ports if port.name == 'rows') == (1, 4)


def test_the_layers_are_told(model, tmp_path):
    made = made_machine()
    plan = build_engine(made.trt, model / 'network.onnx', BuildOptions())
    engine = Engine(made.trt, plan, order_of(model, tmp_path).manifest)
    assert engine.layers() == [{'Name': 'all', 'Precision': 'FP32'}]


def test_a_precision_of_which_the_model_has_no_file_is_refused(model, tmp_path):
    with pytest.raises(SettingsError, match='network.fp16.onnx'):
        session.built(made_machine().machine, order_of(model, tmp_path, precision='fp16'))


@pytest.mark.parametrize('wrong', [
    {'precision': 'fp8'}, {'workspace_mb': 0}, {'level': 6}, {'deadline_s': 0.0}, {'deadline_s': float('nan')},
])  # fmt: skip
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        EngineSettings(**wrong)


def test_waiting_ends_at_the_deadline_by_the_clock_that_is_given():
    clock, naps = iter([0.0, 0.1, 0.2, 0.31]), []
    with pytest.raises(DataError, match=r'within 0.3 s: it hangs'):
        devices.wait(type('Never', (), {'query': lambda self: False})(), 0.3, lambda: next(clock), naps.append)
    assert len(naps) == 2


def test_where_no_device_answers_it_is_told():
    from fake_cuda import driver

    none = driver(count=0)
    with pytest.raises(SettingsError, match='there is no CUDA device 0'):
        devices.CudaDevice(none)
    none.faults.add('init')
    with pytest.raises(SettingsError, match='no CUDA-capable device is detected'):
        devices.CudaDevice(none)


def test_a_distance_is_the_worst_of_the_outputs():
    reference = {'a': np.array([3.0, 4.0]), 'b': np.array([0.0, 10.0])}
    found = distance({'a': np.array([3.0, 4.0]), 'b': np.array([0.0, 11.0])}, reference, 0.05)
    assert (found.output, found.holds) == ('b', False)
    assert (found.distance, found.peak) == (pytest.approx(0.1), pytest.approx(0.1))
    assert not distance({'a': np.array([3.0, np.nan]), 'b': reference['b']}, reference, 0.05).holds
    assert distance(reference, reference, 0.0).holds


def test_the_golden_input_of_a_model_is_the_same_each_time_and_within_its_bounds(model):
    manifest = cpu_of(model).manifest
    one, two = golden(manifest), golden(manifest)
    assert all((one[name] == two[name]).all() and one[name].min() >= 0.0 and one[name].max() <= 1.0 for name in one)
    assert one['rows'].std() > 0.05


def test_memory_that_is_not_there_is_told_with_a_remedy_and_the_rest_is_given_back(model, tmp_path):
    made = made_machine()
    order = order_of(model, tmp_path)
    plan = session.built(made.machine, order).read_bytes()
    with made.machine.device.current():
        engine = Engine(made.trt, plan, order.manifest)
    made.cuda.faults.add('memory')
    with pytest.raises(SettingsError, match='out of memory.*: stop what else uses the GPU'):
        TensorrtBackend(engine, made.machine.device, order.manifest)
    assert made.cuda.counts == {'pinned': 1, 'memory': 0, 'freed': 1}
