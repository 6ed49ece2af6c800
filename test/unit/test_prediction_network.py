"""The prediction network and its losses: what comes out, what masks do, who learns."""

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from autonomy_nodes.prediction.network import PRESETS, Network, NetworkSettings, empty  # noqa: E402
from autonomy_nodes.prediction.tensors import AGENTS, INPUTS, KNOT_S, KNOTS, MODES, OUTPUTS, fed  # noqa: E402
from autonomy_nodes.training.forecast_losses import losses  # noqa: E402


@pytest.fixture(scope='module')
def network():
    torch.manual_seed(0)
    return Network(PRESETS['ci']).eval()


def drawn(batch=1, seed=1):
    generator = torch.Generator().manual_seed(seed)
    inputs = {name: torch.rand(value.shape, generator=generator) for name, value in empty(batch).items()}
    for name, value in inputs.items():
        if name.endswith('_index'):
            rows = AGENTS if name.startswith('agents_agents') else INPUTS['lanes_told'][0]
            inputs[name] = (value * rows).floor()
        elif name.endswith(('_there', '_told')):
            inputs[name] = (value > 0.4).float()
    inputs['agents_told'][:, :, -1] = 1.0
    return inputs


def told(network, inputs):
    with torch.no_grad():
        return network(**inputs)


def test_every_output_has_the_shape_that_is_told(network):
    found = told(network, drawn(2))
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        name: (2, *shape) for name, shape in OUTPUTS.items()
    }


def test_a_world_without_anybody_gives_numbers(network):
    assert all(torch.isfinite(value).all() for value in told(network, empty(1)).values())


def test_scenes_of_a_batch_do_not_know_of_each_other(network):
    both = drawn(2)
    alone = told(network, {name: value[1:] for name, value in both.items()})
    together = told(network, both)
    assert all(torch.allclose(alone[name][0], together[name][1], atol=1e-5) for name in OUTPUTS)


def test_what_is_masked_changes_nothing(network):
    inputs = drawn()
    others = {name: value.clone() for name, value in inputs.items()}
    for name in ('agents_lanes', 'agents_agents', 'agents_cells'):
        away = inputs[f'{name}_there'] < 0.5
        others[f'{name}_relations'][away] = 7.0
        others[f'{name}_index'][away] = 3.0
    others['agents_states'][inputs['agents_told'] < 0.5] = -9.0
    others['lanes_points'][inputs['lanes_told'] < 0.5] = -9.0
    one, two = told(network, inputs), told(network, others)
    assert all(torch.allclose(one[name], two[name], atol=1e-5) for name in OUTPUTS)
    others['agents_lanes_there'] = torch.zeros_like(inputs['agents_lanes_there'])
    assert not torch.allclose(one['knots'], told(network, others)['knots'], atol=1e-3)


def test_in_what_order_agents_come_matters_to_nobody(network):
    inputs = drawn()
    order = torch.from_numpy(np.random.default_rng(0).permutation(AGENTS))
    where = torch.argsort(order).float()
    others = {name: value[:, order] if name.startswith('agents') else value for name, value in inputs.items()}
    others['agents_agents_index'] = where[others['agents_agents_index'].long()]
    one, two = told(network, inputs), told(network, others)
    assert torch.allclose(one['knots'][:, :, order], two['knots'], atol=1e-4)
    assert torch.allclose(one['scene'], two['scene'], atol=1e-5)


def test_a_network_begins_with_constant_velocity(network):
    inputs = drawn()
    still = {name: value.clone() for name, value in inputs.items()}
    still['agents_states'][:, :, -1, 4] = 0.0
    fast = {name: value.clone() for name, value in still.items()}
    fast['agents_states'][:, :, -1, 4] = 10.0
    fast['agents_states'][:, :, -1, 11] = still['agents_states'][:, :, -1, 11] = 1.0
    gone = (told(network, fast)['knots'] - told(network, still)['knots'])[..., 0].mean(dim=(0, 1, 2))
    assert gone.numpy() == pytest.approx(10.0 * KNOT_S * np.arange(1, KNOTS + 1), rel=0.35)


def test_the_small_one_is_small():
    assert sum(value.numel() for value in Network(PRESETS['small']).parameters()) < 1_000_000


def test_nonsense_sizes_are_refused():
    with pytest.raises(ValueError, match='heads'):
        NetworkSettings(width=10, heads=4)
    with pytest.raises(ValueError, match='decoders'):
        NetworkSettings(decoders=0)


def test_what_is_fed_has_the_names_and_shapes_of_the_inputs():
    named = {name: value[0].numpy() for name, value in empty(1).items()}
    ends = ('index', 'there', 'relations', 'states', 'told', 'traits', 'points', 'values')
    scene = {name.rpartition('_')[0] + '.' + name.rpartition('_')[2]: value for name, value in named.items()}
    assert {name.rpartition('.')[2] for name in scene} == set(ends)
    assert {name: value.shape for name, value in fed(scene).items()} == {
        name: (1, *shape) for name, shape in INPUTS.items()
    }


def asked(knots):
    everywhere = torch.ones(knots.shape[:-1], dtype=torch.bool)
    return {'knots': knots, 'told': everywhere, 'weight': torch.ones(knots.shape[:2])}


def outputs(batch=1):
    torch.manual_seed(3)
    return {name: torch.randn(batch, *shape).requires_grad_() for name, shape in OUTPUTS.items()}


def test_who_is_right_has_nothing_to_learn_of_places():
    out = outputs()
    found = losses(out, asked(out['knots'][:, 2].detach()))
    assert found['own'] == found['joint'] == 0.0
    assert found['total'] > 0.0  # the others, and how likely each is


def test_only_the_nearest_future_of_an_agent_learns_where_it_goes():
    out = outputs()
    wanted = out['knots'][:, 4].detach() + 0.5
    losses(out, asked(wanted))['own'].backward()
    learned = out['knots'].grad.abs().sum(dim=(0, 2, 3, 4))
    assert learned[4] > 0.0 and learned.sum() == learned[4]


def test_what_nobody_saw_is_not_asked_for():
    out = outputs()
    targets = asked(torch.zeros(1, *OUTPUTS['knots'][1:]))
    targets['told'][..., 5:] = False
    targets['weight'][:, 7:] = 0.0
    losses(out, targets)['total'].backward()
    assert out['knots'].grad[:, :, 7:].abs().sum() == 0.0 and out['knots'].grad[..., 5:, :].abs().sum() == 0.0
    assert out['knots'].grad[:, :, :7, :5].abs().sum() > 0.0


def test_the_joint_mode_is_one_for_all():
    out = outputs()
    most = torch.arange(AGENTS)[:, None, None] < 20
    wanted = torch.where(most, out['knots'][0, 1], out['knots'][0, 3])[None].detach()
    losses(out, asked(wanted))['joint'].backward()
    learned = out['knots'].grad.abs().sum(dim=(0, 2, 3, 4))
    assert learned[1] > 0.0 and learned.sum() == learned[1] and MODES == 6
