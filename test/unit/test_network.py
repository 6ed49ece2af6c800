"""The network: its size, what comes out of it, what it does with what is not given."""

import pytest

torch = pytest.importorskip('torch')

from autonomy_nodes.perception.bev import CELLS, OUTPUTS  # noqa: E402
from autonomy_nodes.perception.network import PRESETS, Network, NetworkSettings, empty, flops  # noqa: E402


@pytest.fixture(scope='module')
def network():
    torch.manual_seed(0)
    return Network(PRESETS['ci']).eval()


def noise(batch=1):
    torch.manual_seed(1)
    inputs = {name: torch.randn_like(value) for name, value in empty(batch).items()}
    return inputs | {'given': torch.zeros(batch, 2, 1, 1)}


def test_the_small_one_runs_on_a_cpu_and_the_larger_one_on_an_accelerator():
    sizes = {name: sum(p.numel() for p in Network(preset).parameters()) for name, preset in PRESETS.items()}
    work = {name: flops(Network(preset)) / 1e9 for name, preset in PRESETS.items()}
    assert flops(Network(PRESETS['small']), far=True) / 1e9 < 5.0 and sizes['small'] < 500_000
    assert work['orin'] < 50.0 and 3e6 < sizes['orin'] < 6e6
    assert work['ci'] < 0.6


def test_operations_are_counted_as_two_a_product():
    settings = NetworkSettings((1, 1, 1), (0, 0, 0), 1)
    fine, middle, coarse = (CELLS[0] * CELLS[1] // 4**level for level in range(3))
    near = 4 * 16 + 9 * (1 + 3 + 1)  # fold of 2 x 2 cells, then points, prior and range
    heads = 9 * 2 + 9 + 19 + 4 * 16 + 9 * 2 + 1 + 19  # neck; 19 channels a head; the ground's fold and slim layer
    products = fine * (near + heads) + middle * (9 + (1 + 23) + 2 + 1) + coarse * (9 + 1)
    assert flops(Network(settings)) == 2 * products


def test_every_output_has_the_shape_that_is_told(network):
    with torch.no_grad():
        found = network(**noise(2))
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        name: (2, channels, *cells) for name, (channels, cells) in OUTPUTS.items()
    }


def test_camera_and_map_that_are_not_given_add_nothing(network):
    inputs = noise()
    others = inputs | {'camera': inputs['camera'] + 5.0, 'map': -inputs['map']}
    with torch.no_grad():
        one, two, given = network(**inputs), network(**others), network(**others | {'given': torch.ones(1, 2, 1, 1)})
    assert all(torch.equal(one[name], two[name]) for name in OUTPUTS)
    assert not torch.allclose(one['terrain'], given['terrain'])


def test_an_untrained_network_believes_in_objects_nowhere(network):
    with torch.no_grad():
        assert torch.sigmoid(network(**empty(1))['heat']).max() < 0.1


def test_nonsense_sizes_are_refused():
    with pytest.raises(ValueError, match='widths'):
        NetworkSettings((0, 1, 1))
