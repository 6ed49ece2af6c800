"""The network learns, repeats, goes on where it was cut, and leaves as ONNX what it is in torch."""

import json

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from flat_examples import as_it_is, examples  # noqa: E402

from autonomy_nodes.common.types import DataError  # noqa: E402
from autonomy_nodes.training.checkpoints import CHECKPOINT, LOG  # noqa: E402
from autonomy_nodes.training.samples import HELD_OUT, Samples, SampleSettings  # noqa: E402
from autonomy_nodes.training.train_perception import PRESETS, TrainSettings, train  # noqa: E402

pytestmark = pytest.mark.usefixtures('one_thread')


def run(out, steps, **more):
    notes = {'command': 'a test'}
    return train('ci', 1.0, out, examples, as_it_is, steps=steps, tell=lambda line: None, notes=notes, **more)


def log_of(out):
    """Return {step: row}; on a busy machine there are more checkpoints than the two that end the runs."""
    rows = [json.loads(line) for line in (out / LOG).read_text().splitlines()]
    return {row['step']: row for row in rows}


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp('trained')
    run(out, 3)
    run(out, 40, resume=True)
    return out


def test_the_loss_falls(trained):
    rows = log_of(trained)
    first, last = rows[3], rows[40]
    assert last['total'] < 0.75 * first['total']
    assert {'vehicle.ap', 'vru.ap', 'ground.mae_m', 'terrain.miou'} < set(last)


def test_what_is_exported_runs_and_says_what_torch_says(trained, tmp_path):
    pytest.importorskip('onnxscript')
    from autonomy_nodes.perception.learned import opened
    from autonomy_nodes.training.export import export, largest_difference

    export(trained / CHECKPOINT, tmp_path, 'ci')
    rng = np.random.default_rng(0)
    engines = [opened(tmp_path, name) for name in ('onnx', 'torch')]
    inputs = {
        name: rng.normal(0.0, 1.0, one.shape).astype(np.float32) for name, one in engines[0].manifest.inputs.items()
    }
    assert largest_difference(*(engine.run(inputs) for engine in engines)) < 1e-4
    assert b'.py' not in (tmp_path / 'network.onnx').read_bytes()  # nothing of the files of this machine
    card = engines[0].manifest.card
    assert card['training']['steps'] == 40 and card['training']['command'] == 'a test'
    assert card['quality']['ground.mae_m'] > 0.0


def test_equal_seeds_give_equal_networks_and_others_give_others(tmp_path):
    states = [
        torch.load(run(tmp_path / name, 2, seed=seed), weights_only=True)['network']
        for name, seed in (('a', 1), ('b', 1), ('c', 9))
    ]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not all(torch.equal(states[0][name], states[2][name]) for name in states[0])


def test_a_run_goes_on_with_seeds_that_it_has_not_used(trained):
    rows = log_of(trained)
    first, last = rows[3], rows[40]
    assert last['seed'] > first['seed'] >= 1


def test_a_run_that_is_over_learns_no_more_when_it_is_gone_on_with(trained, tmp_path):
    (tmp_path / CHECKPOINT).write_bytes((trained / CHECKPOINT).read_bytes())
    paths = (trained / CHECKPOINT, run(tmp_path, 40, resume=True))
    before, after = (torch.load(path, weights_only=True) for path in paths)
    assert all(torch.equal(before['network'][name], after['network'][name]) for name in before['network'])
    assert (after['step'], after['seed']) == (40, before['seed'])


def test_nothing_to_go_on_from_is_told(tmp_path):
    with pytest.raises(DataError, match='no checkpoint'):
        run(tmp_path, 1, resume=True)


def test_samples_come_from_seeds_in_turn_each_as_often_as_told():
    told = Samples(examples, as_it_is, 5, SampleSettings(a_place=2, pool=2, uses=1.5), rank=1, ranks=2)
    stream = iter(told)
    assert [int(next(stream)['seed']) for _ in range(7)] == [6, 6, 6, 8, 8, 8, 10]  # 2 a place, 1.5 times each


def test_held_out_seeds_are_refused():
    with pytest.raises(ValueError, match='held out'):
        Samples(examples, as_it_is, HELD_OUT, SampleSettings())


def test_nonsense_settings_are_refused():
    with pytest.raises(ValueError, match='network='):
        TrainSettings('big')
    with pytest.raises(ValueError, match='batch='):
        TrainSettings(batch=0)


def test_a_strip_is_cut_out_of_all_that_lies_on_the_grid_and_of_nothing_else():
    whole = next(iter(Samples(examples, as_it_is, 5, SampleSettings(a_place=1, pool=1, uses=1.0, across=0))))
    strip = next(iter(Samples(examples, as_it_is, 5, SampleSettings(a_place=1, pool=1, uses=1.0, across=120))))
    starts = [start for start in (0, 40, 80) if torch.equal(strip['heat'], whole['heat'][..., start : start + 120])]
    assert len(starts) == 1
    assert torch.equal(strip['points'], whole['points'][..., 2 * starts[0] : 2 * starts[0] + 240])
    assert strip['reach'].shape == (1, 240, 120) and strip['terrain'].shape == (240, 120)
    assert strip['told_before'].shape == (1, 1, 1)
    assert strip['reach'][0, 100, 100 - starts[0]] < 0.01  # base_link
    with pytest.raises(ValueError, match='across'):
        SampleSettings(across=30)


def test_a_run_begins_with_the_weights_of_a_model_and_its_card_tells_so(trained, tmp_path):
    pytest.importorskip('onnxscript')
    from safetensors.torch import load_file

    from autonomy_nodes.training.export import export

    model, out = tmp_path / 'model', tmp_path / 'on'
    export(trained / CHECKPOINT, model, 'ci')
    run(out, 1, start=model, seed=5000)
    run(out, 2, start=model, resume=True)
    state = torch.load(out / CHECKPOINT, weights_only=True)
    learned = load_file(model / 'weights.safetensors')
    weights = {name: value for name, value in learned.items() if name.endswith('.weight')}
    away = max(float((state['network'][name] - value).abs().max()) for name, value in weights.items())
    assert 0.0 < away < 0.1  # where it began, and not as another network begins
    assert state['settings']['rate'] == 0.5 * PRESETS['ci'].rate
    told = export(out / CHECKPOINT, tmp_path / 'next', 'next').card['training']
    assert told['began_with']['name'] == 'ci' and told['began_with']['steps'] == 40
    assert told['data'].startswith('autonomy_nodes.training.places, seeds 5000 to 5')
    run(tmp_path / 'third', 1, start=out / CHECKPOINT, seed=9000)  # a checkpoint tells as much as a model does
    assert torch.load(tmp_path / 'third' / CHECKPOINT, weights_only=True)['notes']['began_with'] == told
    with pytest.raises(DataError, match='give its --preset'):
        train('small', 1.0, tmp_path / 'other', examples, as_it_is, steps=1, start=model)
    with pytest.raises(DataError, match='takes all else from a checkpoint'):
        run(tmp_path / 'far', 1, start=model, only='far')
