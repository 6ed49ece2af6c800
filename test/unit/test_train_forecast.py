"""Training of the prediction network: guises that change nothing of the truth, runs that repeat and go on, learning."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from test_forecast_samples import folder_of  # noqa: E402
from test_forecasting import straight_on  # noqa: E402

from autonomy_nodes.common.types import DataError  # noqa: E402
from autonomy_nodes.prediction.network import PRESETS as PRESETS_OF_NETWORKS  # noqa: E402
from autonomy_nodes.prediction.network import Network, empty  # noqa: E402
from autonomy_nodes.prediction.tensors import INPUTS  # noqa: E402
from autonomy_nodes.training.forecast_batches import GuiseSettings, batch_of, changed  # noqa: E402
from autonomy_nodes.training.forecast_samples import SamplesConfig, prepared  # noqa: E402
from autonomy_nodes.training.train_forecast import PRESETS, dense, odds_of, quality, train  # noqa: E402

PLAIN = GuiseSettings(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


@pytest.fixture(scope='module')
def moments(tmp_path_factory):
    scenes = {
        name: [straight_on(101, speed=speed, heading=heading), straight_on(101, start=(0.0, 4.0), speed=1.0 + speed)]
        for name, speed, heading in (('a', 6.0, 0.0), ('b', 9.0, 0.4))
    }
    return prepared(folder_of(tmp_path_factory.mktemp('scenes'), **scenes), [], SamplesConfig(each=10, agents=32))


def test_a_batch_has_the_shapes_of_the_network(moments):
    inputs, targets = batch_of(moments, np.array([0, 1]))
    assert {name: tuple(value.shape[1:]) for name, value in inputs.items()} == INPUTS
    assert inputs['agents_agents_relations'].abs().sum() > 0.0
    assert targets['knots'][0, 0, 1].numpy() == pytest.approx([6.0, 0.0], abs=1e-3)  # at 6 m/s, after a second
    assert targets['weight'][0].tolist()[:3] == [1.0, 1.0, 0.0]


def test_a_mirror_turns_what_lies_to_the_left_to_the_right_and_nothing_else(moments):
    plain = batch_of(moments, np.array([5]))
    for seed in range(20):
        inputs, targets = changed(batch_of(moments, np.array([5])), torch.Generator().manual_seed(seed), PLAIN)
        if not torch.equal(inputs['agents_agents_relations'], plain[0]['agents_agents_relations']):
            break
    bearing, heading = (inputs['agents_agents_relations'][..., place] for place in (2, 4))
    assert torch.equal(bearing, -plain[0]['agents_agents_relations'][..., 2]) and bearing.abs().max() > 0.1
    assert torch.equal(heading, -plain[0]['agents_agents_relations'][..., 4])
    assert torch.equal(inputs['agents_agents_relations'][..., 0], plain[0]['agents_agents_relations'][..., 0])
    assert torch.equal(targets['knots'][..., 1], -plain[1]['knots'][..., 1])
    assert torch.equal(targets['knots'][..., 0], plain[1]['knots'][..., 0])


def test_who_is_stretched_goes_as_much_faster_as_he_goes_farther(moments):
    plain = batch_of(moments, np.array([0]))
    settings = GuiseSettings(0.15, 0.0, 0.0, 0.0, 0.0, 0.0)
    inputs, targets = changed(batch_of(moments, np.array([0])), torch.Generator().manual_seed(4), settings)
    longer = float(inputs['agents_states'][0, 0, -1, 4] / plain[0]['agents_states'][0, 0, -1, 4])
    assert 0.86 <= longer <= 1.17 and abs(longer - 1.0) > 0.01
    ratio = targets['knots'][0, 0, :, 0] / plain[1]['knots'][0, 0, :, 0]
    assert ratio[:10].numpy() == pytest.approx(longer, rel=1e-4)


def test_what_is_lost_is_masked(moments):
    settings = GuiseSettings(0.0, 0.0, 0.0, 1.0, 1.0, 1.0)
    inputs, _ = changed(batch_of(moments, np.array([0])), torch.Generator().manual_seed(1), settings)
    assert inputs['agents_lanes_there'].sum() == inputs['agents_agents_there'].sum() == 0.0
    assert inputs['agents_told'][0, 0, -2:].tolist() == [1.0, 1.0]


def test_a_run_that_was_cut_ends_as_one_that_was_not(moments, tmp_path):
    settings = PRESETS['ci']
    whole = train(settings, moments, moments, 24, tmp_path / 'whole', seed=3, tell=lambda _: None)
    train_to = {'seed': 3, 'tell': lambda _: None}
    cut = _cut_after(20, settings, moments, tmp_path / 'cut', train_to)
    train(settings, moments, moments, 24, cut.parent, resume=True, **train_to)
    one, two = (torch.load(path, weights_only=True)['averaged'] for path in (whole, cut))
    assert all(torch.equal(one[name], two[name]) for name in one)


def _cut_after(step, settings, moments, out, words):
    """Stop a run of 24 steps at a checkpoint, as a machine does that goes down."""

    class CutError(RuntimeError):
        pass

    def tell(line):
        if f'step {step}' in line:
            raise CutError

    with pytest.raises(CutError):
        train(settings, moments, moments, 24, out, **{**words, 'tell': tell})
    return out / 'checkpoint.pt'


def test_it_learns(moments, tmp_path):
    settings = PRESETS['ci']
    figures = []
    for steps in (1, 150):
        path = train(settings, moments, moments, steps, tmp_path / str(steps), tell=lambda _: None)
        figures.append(torch.load(path, weights_only=True)['quality']['min_fde_m'])
    assert figures[1] < 0.6 * figures[0]


def test_nobody_goes_on_from_nothing_or_from_another_network(moments, tmp_path):
    with pytest.raises(DataError, match='leave --resume out'):
        train(PRESETS['ci'], moments, None, 1, tmp_path, resume=True)
    train(PRESETS['ci'], moments, None, 1, tmp_path, tell=lambda _: None)
    with pytest.raises(DataError, match='--preset'):
        train(PRESETS['small'], moments, None, 2, tmp_path, resume=True)


def test_sources_of_few_moments_are_drawn_more_often_than_their_share(moments):
    odds = odds_of(moments)
    assert odds.sum() == pytest.approx(1.0) and (odds > 0.0).all()
    renamed = replace(moments, scenes=['other/a', *moments.scenes[1:]])
    assert odds_of(renamed)[0] > 2.0 * odds_of(renamed)[1]


def test_between_knots_lie_straight_lines():
    knots = np.stack([np.arange(1.0, 17.0), np.zeros(16)], axis=-1)
    assert dense(knots)[:, 0] == pytest.approx(0.2 * np.arange(1, 61))


def test_of_moments_without_targets_nothing_is_told(moments):
    nobody = replace(moments, arrays={**moments.arrays, 'scored': np.zeros_like(moments.arrays['scored'])})

    class Still(torch.nn.Module):
        def forward(self, **inputs):
            return {'knots': torch.zeros(len(inputs['agents_told']), 6, 32, 16, 2)}

    assert quality(Still(), nobody) == {'n_targets': 0.0} and set(empty(1)) == set(INPUTS)


def test_a_batch_of_fewer_agents_tells_the_same_of_those_who_are_left(moments):
    rows = np.array([0, 5])
    whole, thin = batch_of(moments, rows), batch_of(moments, rows, 3, np.random.default_rng(1))
    assert thin[0]['agents_states'].shape[:2] == (2, 3) and thin[1]['weight'].shape == (2, 3)
    assert thin[0]['lanes_points'].shape[1] < INPUTS['lanes_points'][0]
    network = Network(PRESETS_OF_NETWORKS['ci']).eval()
    with torch.no_grad():
        told, told_thin = (network(**inputs)['knots'] for inputs, _ in (whole, thin))
    for scene in range(2):
        for agent in range(2):  # both learned from; the third is nobody
            mine = whole[0]['agents_states'][scene, agent]
            (at,) = np.flatnonzero([torch.equal(states, mine) for states in thin[0]['agents_states'][scene]])
            assert torch.allclose(told_thin[scene, :, at], told[scene, :, agent], atol=1e-5)
            assert torch.equal(thin[1]['knots'][scene, at], whole[1]['knots'][scene, agent])


def test_a_run_begins_with_the_weights_it_is_given(moments, tmp_path):
    first = train(PRESETS['ci'], moments, moments, 40, tmp_path / 'first', tell=lambda _: None)
    gentle = replace(PRESETS['ci'], rate=1e-9)
    then = train(gentle, moments, moments, 1, tmp_path / 'then', seed=8, tell=lambda _: None, start=first)
    one, two = (torch.load(path, weights_only=True)['quality']['min_fde_m'] for path in (first, then))
    assert two == pytest.approx(one, rel=1e-3)


def test_a_run_that_goes_on_keeps_its_rate_and_what_it_began_with(moments, tmp_path):
    quiet = {'tell': lambda _: None}
    first = train(PRESETS['ci'], moments, None, 1, tmp_path / 'first', notes={'data': 'recorded'}, **quiet)
    out = tmp_path / 'then'
    train(PRESETS['ci'], moments, None, 1, out, notes={'data': 'made'}, start=first, **quiet)
    path = train(PRESETS['ci'], moments, None, 2, out, resume=True, notes={'data': 'made'}, **quiet)
    state = torch.load(path, weights_only=True)
    assert state['notes'] == {'data': 'made', 'began_with': {'data': 'recorded'}}
    assert state['settings']['rate'] == 0.5 * PRESETS['ci'].rate
    path = train(PRESETS['ci'], moments, None, 3, out, resume=True, notes={'data': 'other'}, **quiet)
    assert torch.load(path, weights_only=True)['notes'] == {'data': 'other', 'began_with': state['notes']}


def test_cells_of_terrain_change_nothing_as_long_as_nobody_learned_from_them(moments):
    network = Network(PRESETS_OF_NETWORKS['ci']).eval()
    inputs = batch_of(moments, np.array([0]))[0]
    with torch.no_grad():
        plain = network(**inputs)['knots']
        inputs['agents_cells_there'][:] = 1.0
        inputs['cells_values'] += 0.7
        assert torch.equal(network(**inputs)['knots'], plain)
