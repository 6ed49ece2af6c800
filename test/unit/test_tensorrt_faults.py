"""Faults of engines: each is found, and told with what mends it; see F18 to F21 of the list of faults."""

import json
import multiprocessing
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
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
from autonomy_nodes.inference.nvidia import session
from autonomy_nodes.inference.nvidia.cache import default_folder, onnx_digest

COMMAND = 'autonomy engine build tiny'


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / 'tiny')


@pytest.fixture
def cache(tmp_path):
    return tmp_path / 'cache'


def refused(made, model, cache, match):
    with pytest.raises(SettingsError, match=match) as told:
        session.opened(made.machine, order_of(model, cache), cpu_of(model))
    return str(told.value)


def test_without_an_engine_the_command_that_builds_it_is_named(model, cache):
    told = refused(made_machine(), model, cache, 'there is none in')
    assert told.endswith(f'run: {COMMAND} --cache {cache}')


@pytest.mark.parametrize('other, match', [
    ({'version': '10.16.1.11'}, 'runtime is 10.3.0, here 10.16.1.11'),
    ({'name': 'Orin NX'}, 'gpu is Orin, here Orin NX'),
    ({'capability': (9, 0)}, r'capability is 8.7, here 9.0'),
    ({'sms': 8}, 'sms is 16, here 8'),
])  # fmt: skip
def test_an_engine_of_another_machine_is_not_taken(model, cache, other, match):
    session.built(made_machine().machine, order_of(model, cache))
    made = made_machine(**other)
    assert COMMAND in refused(made, model, cache, match)
    assert built_backend(made, model, cache).run(inputs_of())['answer'].tolist() == answer_of()
    assert len(list(cache.glob('*.engine'))) == 2


def test_an_engine_of_another_network_is_not_taken(model, cache, tmp_path):
    made = made_machine()
    path = session.built(made.machine, order_of(model, cache))
    retrained = write_model(tmp_path / 'again', np.ones((4, 3), np.float32))
    assert COMMAND in refused(made, retrained, cache, 'onnx is')
    fresh = session.built(made.machine, order_of(retrained, cache))
    shutil.copy(path, fresh)  # a foreign file under the right name
    refused(made, retrained, cache, 'is cut short or changed')
    shutil.copy(path.with_suffix('.json'), fresh.with_suffix('.json'))  # and with its own words
    refused(made, retrained, cache, 'onnx is')


@pytest.mark.parametrize('harm, match', [
    (lambda path: path.write_bytes(path.read_bytes()[:-9]), 'is cut short or changed'),
    (lambda path: path.write_bytes(b''), 'is cut short or changed'),
    (lambda path: path.unlink(), 'there is none'),
    (lambda path: path.with_suffix('.json').unlink(), 'what it is of cannot be read'),
    (lambda path: path.with_suffix('.json').write_text('{'), 'what it is of cannot be read'),
    (lambda path: path.with_suffix('.json').write_text('[]'), 'what it is of cannot be read'),
])  # fmt: skip
def test_a_harmed_engine_is_told_and_built_anew(model, cache, harm, match):
    made = made_machine()
    path = session.built(made.machine, order_of(model, cache))
    harm(path)
    assert COMMAND in refused(made, model, cache, match)
    assert session.built(made.machine, order_of(model, cache)) == path
    assert len([call for call in made.trt.calls if call[0] == 'build']) == 2
    session.built(made.machine, order_of(model, cache))
    assert len([call for call in made.trt.calls if call[0] == 'build']) == 2  # a whole one is not built again


def test_an_engine_that_tensorrt_does_not_take_is_told_and_never_kept(model, cache):
    made = made_machine()
    session.built(made.machine, order_of(model, cache))
    made.trt.faults.add('deserialise')
    assert COMMAND in refused(made, model, cache, 'does not take the engine: Serialization assertion failed')
    with pytest.raises(SettingsError, match='does not take the engine'):
        session.built(made.machine, order_of(model, cache))
    assert list(cache.glob('*.engine')) == []


def test_an_engine_of_the_right_name_and_the_wrong_shape_is_built_anew(model, cache, tmp_path):
    made = made_machine()
    order = order_of(model, cache)
    wide = write_model(tmp_path / 'wide', batch=2)
    plan = b'fake engine\n10.3.0\n' + (wide / 'network.onnx').read_bytes()
    order.cache.store('tiny', session.identity_of(made.machine, order), plan)
    assert COMMAND in refused(made, model, cache, r'has inputs .*\(2, 4\).*its manifest tells')
    session.built(made.machine, order)
    assert session.opened(made.machine, order, cpu_of(model)).run(inputs_of())['answer'].tolist() == answer_of()


def test_an_engine_that_answers_zeros_fails_its_self_test(model, cache):
    made = made_machine()
    session.built(made.machine, order_of(model, cache))
    faults = {'zeros': 'fails its self test: answer is off by 1.0e', 'nan': 'gives no numbers in answer'}
    for fault, match in faults.items():
        made.trt.faults = {fault}
        refused(made, model, cache, match)
    assert made.cuda.counts['freed'] == made.cuda.counts['pinned'] + made.cuda.counts['memory'] == 12


@pytest.mark.parametrize('of, fault, match', [
    ('trt', 'context', 'gives no execution context'),
    ('trt', 'address', 'cannot lie in its memory'),
    ('trt', 'shape', 'cannot be'),
    ('cuda', 'pinned', 'no page-locked memory.*out of memory.*stop what else uses the GPU'),
    ('cuda', 'memory', 'no 16 bytes of its memory left.*out of memory.*stop what else uses the GPU'),
])  # fmt: skip
def test_what_fails_at_the_start_is_told_and_leaves_nothing(model, cache, of, fault, match):
    made = made_machine()
    session.built(made.machine, order_of(model, cache))
    getattr(made, of).faults.add(fault)
    refused(made, model, cache, match)
    counts = made.cuda.counts
    assert counts['freed'] == counts['pinned'] + counts['memory']
    assert all(not stack for stack in made.cuda.stacks.values())


@pytest.mark.parametrize('of, fault, match, is_lost', [
    ('trt', 'enqueue', 'TensorRT refused to run it', False),
    ('trt', 'nan', 'gives no numbers in answer', False),
    ('cuda', 'full', 'no memory left .*stop what else uses it', False),
    ('cuda', 'copy', 'an illegal memory access', True),
    ('cuda', 'hang', 'it hangs', True),
])  # fmt: skip
def test_what_fails_in_a_run_is_no_answer_and_what_stays_is_lost(model, cache, of, fault, match, is_lost):
    made = made_machine()
    backend = built_backend(made, model, cache, deadline_s=0.02)
    getattr(made, of).faults.add(fault)
    with pytest.raises(DataError, match=match):
        backend.run(inputs_of())
    getattr(made, of).faults.clear()
    assert bool(backend.lost) == is_lost and all(not stack for stack in made.cuda.stacks.values())
    if is_lost:
        with pytest.raises(DataError, match='has lost its GPU'):
            backend.run(inputs_of())
        backend.close()  # does not wait for a GPU that never answers
        assert made.cuda.counts['freed'] == 0
        return
    for each in made.cuda.streams.values():
        each.work.clear()
    assert backend.run(inputs_of(3.0))['answer'].tolist() == answer_of(3.0)


def test_a_folder_that_cannot_be_written_is_told(model, tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(SettingsError, match='engines cannot be kept there .*give --cache'):
        session.built(made_machine().machine, order_of(model, tmp_path / 'file' / 'below'))


def build_noting(model, cache, notes, gate):
    made = made_machine()
    build = made.trt.Builder

    def noting(log):
        with Path(notes).open('a') as file:
            file.write('built\n')
        return build(log)

    made.trt.Builder = noting
    gate.wait(30.0)
    session.built(made.machine, order_of(model, cache))


def test_two_processes_that_start_at_once_build_once(model, cache, tmp_path):
    context = multiprocessing.get_context('spawn')
    gate, notes = context.Barrier(2), tmp_path / 'notes'
    both = [context.Process(target=build_noting, args=(model, cache, notes, gate)) for _ in range(2)]
    [each.start() for each in both]
    [each.join(60.0) for each in both]
    assert [each.exitcode for each in both] == [0, 0]
    assert notes.read_text() == 'built\n' and len(list(cache.glob('*.engine'))) == 1
    assert list(cache.glob('*.part')) == []


def test_who_waits_for_another_process_says_so(model, cache):
    made, waits, done = made_machine(), threading.Event(), threading.Event()
    order = order_of(model, cache)
    identity = session.identity_of(made.machine, order)

    def second():
        with order.cache.locked('tiny', identity, waits.set):
            done.set()

    thread = threading.Thread(target=second)
    with order.cache.locked('tiny', identity):
        thread.start()
        assert waits.wait(30.0) and not done.is_set()
    thread.join(30.0)
    assert done.is_set()


def test_the_key_tells_each_part_apart_and_weights_in_other_files_too(model, tmp_path):
    identity = session.identity_of(made_machine().machine, order_of(model, tmp_path))
    told = identity.told()
    assert set(told) == {'onnx', 'runtime', 'cuda', 'gpu', 'capability', 'sms', 'precision', 'flags', 'profile'}
    keys = {type(identity)(**{**told, name: 'other'}).key() for name in told}
    assert len(keys | {identity.key()}) == 10 and identity.key() == type(identity)(**told).key()
    (tmp_path / 'big.onnx').write_bytes(b'\x0a\x08location\x12\x08big.data\x18')
    (tmp_path / 'big.data').write_bytes(b'1')
    first = onnx_digest(tmp_path / 'big.onnx')
    (tmp_path / 'big.data').write_bytes(b'2')
    assert onnx_digest(tmp_path / 'big.onnx') != first


def test_engines_lie_in_the_cache_of_the_user(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    assert default_folder() == tmp_path / 'autonomy_nodes' / 'engines'
    monkeypatch.delenv('XDG_CACHE_HOME')
    monkeypatch.setenv('HOME', str(tmp_path))
    assert default_folder() == tmp_path / '.cache' / 'autonomy_nodes' / 'engines'


def test_what_is_told_of_an_engine_can_be_read(model, cache):
    path = session.built(made_machine().machine, order_of(model, cache))
    told = json.loads(path.with_suffix('.json').read_text())
    assert (told['model'], told['identity']['gpu'], told['identity']['sms']) == ('tiny', 'Orin', 16)
    assert order_of(model, cache).cache.listed()[0]['path'] == str(path)
