"""The CPU serves in place of TensorRT, aloud; and what `autonomy engine` and the nodes say."""

import json
import re
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from tensorrt_samples import answer_of, built_backend, cpu_of, inputs_of, made_machine, order_of, write_model

from autonomy_nodes.commands.main import main
from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.common.status import Level
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.replay import _settled
from autonomy_nodes.inference import opening
from autonomy_nodes.inference.backend import Standing, standing_of
from autonomy_nodes.inference.manifest import folder_of, read_manifest
from autonomy_nodes.inference.nvidia import session
from autonomy_nodes.inference.nvidia.building import Building
from autonomy_nodes.inference.parity import Trial, golden, parity
from autonomy_nodes.inference.settings import EngineSettings
from autonomy_nodes.inference.standby import StandbyBackend
from autonomy_nodes.nodes.engines import say_engine
from autonomy_nodes.perception.perceiver import PerceptionConfig

NETWORK = 'none'


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / 'tiny')


def said(backend):
    words = []
    say_engine(SimpleNamespace(say=lambda *told, **values: words.append((*told, values))), backend, {})
    return words[0]


def standby(model, make, stop=lambda: None):
    return StandbyBackend(cpu_of(model), 'tensorrt', Trial(model, read_manifest(model)), make, stop)


def test_the_cpu_serves_until_the_engine_is_built_and_says_so(model, tmp_path):
    made, gate = made_machine(), threading.Event()
    engine = built_backend(made, model, tmp_path / 'cache')
    runs = []
    engine.run = lambda inputs, run=engine.run: runs.append(inputs['rows'][0, 0]) or run(inputs)
    backend = standby(model, lambda: gate.wait(30.0) and engine)
    for first in range(5):
        assert backend.run(inputs_of(float(first)))['answer'].tolist() == answer_of(first)
    text = 'the CPU serves until the tensorrt engine is built'
    assert said(backend) == (Level.WARN, text, {'engine': 'onnx'}) and runs == []
    gate.set()
    assert backend.ready(30.0)
    assert runs[1:] == [2.0, 3.0, 4.0]  # after the golden input, the last three that came
    assert said(backend) == (Level.OK, '', {'engine': 'tensorrt'}) and backend.name == 'tensorrt'
    assert backend.run(inputs_of(9.0))['answer'].tolist() == answer_of(9.0) and runs[-1] == 9.0


@pytest.mark.parametrize('fault, match', [
    ('zeros', r'for there is no tensorrt engine: it does not agree with the CPU: answer is off by 1'),
    ('nan', r'for there is no tensorrt engine: .*gives no numbers'),
])  # fmt: skip
def test_an_engine_that_does_not_agree_never_serves(model, tmp_path, fault, match):
    made = made_machine()
    engine = built_backend(made, model, tmp_path / 'cache')
    made.trt.faults.add(fault)
    backend = standby(model, lambda: engine)
    assert backend.ready(30.0) and engine.lost == 'it was closed'
    level, text, values = said(backend)
    assert (level, values) == (Level.WARN, {'engine': 'onnx'})
    assert re.search(match, text)
    assert backend.run(inputs_of())['answer'].tolist() == answer_of()


def test_an_engine_that_agrees_on_the_golden_input_and_not_on_real_ones_never_serves(model, tmp_path):
    gate, engine = threading.Event(), built_backend(made_machine(), model, tmp_path / 'cache')
    run, known = engine.run, golden(cpu_of(model).manifest)['rows']

    def odd(inputs):
        answer = run(inputs)
        return answer if (inputs['rows'] == known).all() else {'answer': answer['answer'] + 1.0}

    engine.run = odd
    backend = standby(model, lambda: gate.wait(30.0) and engine)
    backend.run(inputs_of())
    gate.set()
    assert backend.ready(30.0) and 'does not agree' in backend.standing.text


def test_an_engine_that_cannot_be_built_is_told_with_the_reason(model):
    def make():
        raise SettingsError('building it ended with 2: no memory')

    backend = standby(model, make)
    assert backend.ready(30.0)
    text = 'the CPU serves for there is no tensorrt engine: building it ended with 2: no memory'
    assert said(backend) == (Level.WARN, text, {'engine': 'onnx'})


def serving(made, model, tmp_path):
    engine = built_backend(made, model, tmp_path / 'cache', deadline_s=0.02)
    backend = standby(model, lambda: engine)
    assert backend.ready(30.0) and backend.name == 'tensorrt'
    return backend


@pytest.mark.parametrize('fault, match', [('hang', 'it hangs'), ('copy', 'illegal memory access')])
def test_a_gpu_that_is_lost_costs_one_answer_and_then_the_cpu_serves(model, tmp_path, fault, match):
    made = made_machine()
    backend = serving(made, model, tmp_path)
    made.cuda.faults.add(fault)
    with pytest.raises(DataError, match=match):
        backend.run(inputs_of())
    level, text, values = said(backend)
    assert (level, values) == (Level.WARN, {'engine': 'onnx'})
    assert text.startswith('the CPU serves since the tensorrt engine was lost: ') and match in text
    assert backend.run(inputs_of())['answer'].tolist() == answer_of()


def test_three_answers_in_a_row_that_fail_are_too_many_and_fewer_are_not(model, tmp_path):
    made = made_machine()
    backend = serving(made, model, tmp_path)
    for faults in ((True, True, False), (True, True, True)):
        for fails in faults:
            made.trt.faults = {'nan'} if fails else set()
            if fails:
                assert backend.name == 'tensorrt'
                with pytest.raises(DataError, match='no numbers'):
                    backend.run(inputs_of())
            else:
                backend.run(inputs_of())
    assert backend.name == 'onnx' and 'no numbers in answer' in backend.standing.text


def test_closing_ends_what_builds_and_an_engine_that_comes_after_is_closed(model, tmp_path):
    gate, engine = threading.Event(), built_backend(made_machine(), model, tmp_path / 'cache')
    backend = standby(model, lambda: gate.wait(30.0) and engine, gate.set)
    backend.close()
    assert backend.ready(30.0) and engine.lost == 'it was closed' and backend.name == 'onnx'


@pytest.fixture
def here(monkeypatch):
    """Make this machine one with TensorRT and a GPU, of fakes."""
    made = made_machine()
    monkeypatch.setitem(sys.modules, 'tensorrt', made.trt)
    made.trt.__spec__ = SimpleNamespace(name='tensorrt')
    monkeypatch.setattr('autonomy_nodes.inference.backend.find_spec', lambda name: object())
    monkeypatch.setattr('autonomy_nodes.inference.nvidia.device.opened', lambda: made.machine.device)
    return made


def test_required_tensorrt_refuses_to_start_without_an_engine_and_names_the_command(model, tmp_path, here):
    settings = EngineSettings(cache=str(tmp_path / 'cache'))
    asked = (str(model), NETWORK, 'auto', 'tensorrt', 1, settings)
    with pytest.raises(SettingsError, match=f'run: autonomy engine build tiny --cache {tmp_path}'):
        opening.wanted(*asked)
    session.built(here.machine, order_of(model, tmp_path / 'cache'))
    name, backend = opening.wanted(*asked)
    assert name == 'tensorrt' and backend.run(inputs_of())['answer'].tolist() == answer_of()
    assert standing_of(backend) == Standing('tensorrt')


def test_required_tensorrt_refuses_to_start_without_a_gpu_and_names_the_command(model, tmp_path, here, monkeypatch):
    def none():
        raise SettingsError('no CUDA device answers: cuInit failed')

    monkeypatch.setattr('autonomy_nodes.inference.nvidia.device.opened', none)
    for asked in (('auto', 'tensorrt'), ('tensorrt', 'tensorrt')):
        with pytest.raises(SettingsError, match='no CUDA device answers.*run: autonomy engine build tiny'):
            opening.wanted(str(model), NETWORK, *asked, 1)
    name, backend = opening.wanted(str(model), NETWORK, 'auto', '', 1)
    text = 'onnx serves, for TensorRT cannot: no CUDA device answers: cuInit failed'
    assert name == 'onnx' and said(backend) == (Level.OK, text, {'engine': 'onnx'})
    name, backend = opening.wanted(str(model), NETWORK, 'tensorrt', '', 1)  # asked for by name: a warning
    assert backend.ready(30.0)
    assert said(backend)[0] is Level.WARN and 'no CUDA device answers' in said(backend)[1]


def test_auto_takes_a_built_engine_where_a_device_answers(model, tmp_path, here):
    session.built(here.machine, order_of(model, tmp_path / 'cache'))
    asked = (str(model), NETWORK, 'auto', '', 1, EngineSettings(cache=str(tmp_path / 'cache')))
    _, backend = opening.wanted(*asked)
    assert backend.ready(30.0) and backend.name == 'tensorrt'
    backend.close()


def test_a_replay_never_goes_over_to_another_engine(model, tmp_path, here):
    session.built(here.machine, order_of(model, tmp_path / 'cache'))
    assert opening.settled('auto', '') == ('onnx', '')
    assert opening.settled('tensorrt', '') == ('tensorrt', 'tensorrt')
    assert opening.settled('auto', 'tensorrt') == ('auto', 'tensorrt')
    assert type(opening.opened(model, NETWORK)).__name__ == 'OnnxBackend'
    settings = _settled(PerceptionConfig(model='tiny'))
    assert (settings.backend, settings.require_backend) == ('onnx', '')
    settings = _settled(PerceptionConfig(model='tiny', backend='tensorrt'))
    assert (settings.backend, settings.require_backend) == ('tensorrt', 'tensorrt')
    engines = EngineSettings(cache=str(tmp_path / 'cache'))
    assert type(opening.opened(model, NETWORK, 'tensorrt', '', 1, engines)).__name__ == 'TensorrtBackend'


def test_a_process_that_builds_and_cannot_is_told(model, tmp_path, here):
    order = order_of(model, tmp_path / 'cache')
    building = Building(model, order.manifest, order.settings, cpu_of(model))
    # the process is a real one, and this machine's: none of the fakes is in it
    with pytest.raises(SettingsError, match='building it ended with 2: TensorRT cannot|pycuda cannot|no valid'):
        building.engine()
    session.built(here.machine, order)
    assert building.engine().run(inputs_of())['answer'].tolist() == answer_of()


def test_the_command_builds_and_tells_parity_timing_and_layers(model, tmp_path, here, capsys):
    words = ['--cache', str(tmp_path / 'cache'), '--runs', '5']
    assert main(['engine', 'build', str(model), *words]) == 0
    told = capsys.readouterr().out
    for part in ('Tactics', 'parity   against ONNX Runtime: answer is off by 0.0e+00', 'timing   p50 ', '1 FP32'):
        assert part in told
    report = json.loads(next((tmp_path / 'cache').glob('*.report.json')).read_text())
    assert report['runs'] == 5 and report['parity']['holds'] and report['p50_ms'] <= report['p99_ms']
    layers = json.loads(next((tmp_path / 'cache').glob('*.layers.json')).read_text())
    assert layers == [{'Name': 'all', 'Precision': 'FP32'}]
    assert main(['engine', 'show', *words[:2]]) == 0
    told = 'tiny fp32: TensorRT 10.3.0, CUDA 12.6.0, driver 12060, Orin (8.7, 16 SM), built in'
    assert capsys.readouterr().out.startswith(told)
    here.trt.faults.add('zeros')
    assert main(['engine', 'build', str(model), *words]) == 1
    assert 'beyond 0.001' in capsys.readouterr().out


def test_the_command_refuses_where_it_cannot_build_and_says_what_mends_it(model, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, 'tensorrt', None)
    for words, match in (
        (['build', str(model)], 'comes with JetPack, elsewhere pip install'),
        (['build'], 'name the model to build'),
        (['build', str(model), '--runs', '0'], '--runs 0'), (['build', 'no_such'], 'no_such'),
        (['build', str(model), '--workspace-mb', '0'], 'workspace_mb=0'),
    ):  # fmt: skip
        assert main(['engine', *words]) == 2
        assert match in capsys.readouterr().err
    assert main(['engine', 'show', '--cache', str(tmp_path)]) == 0
    assert 'holds no engines; autonomy engine build MODEL makes one' in capsys.readouterr().out


@pytest.mark.parametrize('name', ['lidar_small', 'traffic_small'])
def test_a_shipped_network_agrees_with_itself_on_its_golden_input(name):
    backend = cpu_of(folder_of(name))
    answer = backend.run(golden(backend.manifest))
    assert all(np.isfinite(value).all() and value.std() > 1e-3 for value in answer.values())
    assert parity(backend, backend, Trial(folder_of(name), backend.manifest)).distance == 0.0


@pytest.mark.parametrize('name', ['lidar_small', 'traffic_small'])
def test_a_node_says_aloud_that_the_cpu_serves_in_place_of_tensorrt(name, monkeypatch):
    from autonomy_nodes.nodes import perception_node, prediction_node
    from autonomy_nodes.prediction.predictor import PredictorConfig

    node, kind = (perception_node, 'Perception') if name == 'lidar_small' else (prediction_node, 'Prediction')
    config = PerceptionConfig(model=name) if name == 'lidar_small' else PredictorConfig(model=name)
    closed = []

    class Serving:
        name, standing = 'onnx', Standing('onnx', 'the CPU serves until the tensorrt engine is built', degraded=True)

        def close(self):
            closed.append(1)

    stage = getattr(node, kind)()
    monkeypatch.setattr(node, 'wanted', lambda *asked: (_ for _ in ()).throw(SettingsError(str(asked[-1]))))
    with pytest.raises(SettingsError, match='EngineSettings'):  # the settings of engines reach who opens them
        stage.build(SimpleNamespace(), config)
    stage.free()  # nothing is held yet
    stage.backend = Serving()
    assert said(stage.backend)[:2] == (Level.WARN, 'the CPU serves until the tensorrt engine is built')
    stage.free()
    assert closed == [1]
