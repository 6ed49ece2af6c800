"""The map as an input of perception: its channels, when it is not given, and that it only ever takes away."""

from dataclasses import replace

import numpy as np
import pytest
from mapping_roads import straight
from perception_scenes import SENSOR_M, ego, scan

from autonomy_nodes.common.geometry import matrix_of, quaternion_of_heading
from autonomy_nodes.common.grid import PRIOR_CONFIDENCE, Grid
from autonomy_nodes.common.types import DataError
from autonomy_nodes.mapping.pieces import cut
from autonomy_nodes.mapping.raster import Raster, RasterConfig
from autonomy_nodes.perception.bev import CELLS, MAP, MIDDLE, MIDDLE_M, ORIGIN_M, OUTPUTS, TERRAIN
from autonomy_nodes.perception.map_prior import MapPrior, MapPriorSettings, map_channels, off_lanes

STAMP_NS = 1_000_000_000


def pose(x, y, heading=0.0):
    return matrix_of(np.array([x, y, 0.0]), quaternion_of_heading(heading))


def road(x=40.0, y=1.75, heading=0.0, odom=None, sure=1.0):
    """The prior of a road along x with lanes from y = 0 to 3.5 and 3.5 to 7, both in its direction."""
    road_map, odom = straight(length_m=200.0)[0], pose(0.0, 0.0) if odom is None else odom
    grid = Raster(road_map, cut(road_map), RasterConfig()).prior(STAMP_NS, odom, pose(x, y, heading))
    return replace(grid, layers={**grid.layers, PRIOR_CONFIDENCE: np.full(grid.shape, sure, np.float32)})


def at(channels, name, x, y):
    i, j = ((np.array([x, y]) - ORIGIN_M) / MIDDLE_M).astype(int)
    return float(channels[MAP.index(name), i, j])


def test_the_map_comes_in_base_link_with_what_is_known_apart_from_what_is_drivable():
    """The vehicle stands at (40, 1.75): lanes reach from 1.75 m right to 5.25 m left of it, 6 m more are known."""
    told = map_channels(road(), np.eye(4))
    assert told.shape == (len(MAP), *MIDDLE) and told.dtype == np.float32
    assert [at(told, 'drivable', 10.0, y) for y in (0.0, 4.4, -3.6, -20.0)] == [1.0, 1.0, 0.0, 0.0]
    assert [at(told, 'known', 10.0, y) for y in (0.0, -3.6, 8.4, -20.0)] == [1.0, 1.0, 1.0, 0.0]
    assert at(told, 'boundary', 10.0, -1.75) == at(told, 'divider', 10.0, 1.75) == 1.0
    assert at(told, 'divider', 10.0, 0.2) == at(told, 'across', 10.0, 0.2) == 0.0
    assert at(told, 'along_x', 10.0, 0.2) == pytest.approx(1.0, abs=0.02)
    assert not told[:, told[0] == 0.0].any()  # of what is not known nothing is told


def test_a_cell_half_of_which_is_a_lane_is_half_drivable():
    """The right edge lies at y = -1.75 - 0.05 = -1.8 of cells from -2.4 to -1.6, whose quarters end at -2.0."""
    told = map_channels(road(y=1.8), np.eye(4))
    assert at(told, 'drivable', 10.0, -1.8) == 0.5 and at(told, 'known', 10.0, -1.8) == 1.0


def test_the_map_turns_with_the_vehicle_wherever_odom_lies():
    """Looking to the left of the road, its direction points to the right; odom lies anyhow."""
    odom = pose(120.3, -40.7, 0.6)
    told = map_channels(road(heading=np.pi / 2.0, odom=odom), odom)
    assert at(told, 'along_y', 0.2, 10.2) == pytest.approx(-1.0, abs=0.03)
    assert at(told, 'drivable', 3.4, 10.2) == 1.0 and at(told, 'drivable', 9.0, 10.2) == 0.0
    assert at(told, 'known', 9.0, 10.2) == 1.0 and at(told, 'known', 20.0, 10.2) == 0.0


def test_a_prior_of_another_make_is_refused_with_the_layer_that_it_lacks():
    grid = road()
    layers = {name: layer for name, layer in grid.layers.items() if name != 'divider'}
    with pytest.raises(DataError, match='divider'):
        map_channels(replace(grid, layers=layers), np.eye(4))


def test_a_map_is_given_where_it_fits_and_else_it_is_said_why_not():
    now = ego(STAMP_NS)
    channels, why = MapPrior(MapPriorSettings()).channels(road(), now)
    assert why == '' and np.array_equal(channels, map_channels(road(), now.odom_from_base))
    for prior, settings, words in (
        (None, MapPriorSettings(), 'no map'),
        (road(), MapPriorSettings(given=False), 'not asked for'),
        (replace(road(), stamp_ns=STAMP_NS - 400_000_000), MapPriorSettings(), '0.40 s old'),
        (road(sure=0.3), MapPriorSettings(), 'not sure: 0.30'),
        (road(x=-900.0), MapPriorSettings(), 'nothing of this place'),
    ):
        none, why = MapPrior(settings).channels(prior, now)
        assert none is None and words in why
    bare = {name: layer for name, layer in road().layers.items() if name != PRIOR_CONFIDENCE}
    assert MapPrior(MapPriorSettings()).channels(replace(road(), layers=bare), now)[0] is None


def seen(kind, share=1.0, other='paved'):
    """What a network tells that calls the first `share` of the columns of the grid one kind, the others another."""
    logits = np.zeros((len(TERRAIN), *CELLS), np.float32)
    columns = round(share * CELLS[0])
    logits[TERRAIN.index(kind), :columns] = logits[TERRAIN.index(other), columns:] = 5.0
    return logits


MET = np.stack([np.zeros(CELLS), np.ones(CELLS), np.zeros(CELLS)]).astype(np.float32)  # points in every cell


def test_lanes_are_off_where_the_network_sees_plants_on_them_and_things_on_them_tell_nothing():
    """The road covers the prior from 25.6 m behind to 56 m ahead; the first half of the grid ends at 8 m."""
    channels, met = map_channels(road(), np.eye(4)), np.ones(CELLS, bool)
    assert off_lanes(channels, seen('paved'), met)[0] == 0.0 and off_lanes(channels, seen('rubble'), met)[0] == 1.0
    half, cells = off_lanes(channels, seen('low_vegetation', 0.5), met)
    assert half == pytest.approx(33.6 / 81.6, abs=0.02)
    traffic, fewer = off_lanes(channels, seen('obstacle', 0.5, 'low_vegetation'), met)
    assert traffic == 1.0 and fewer == pytest.approx(cells * 48.0 / 81.6, rel=0.02)
    assert off_lanes(channels, seen('paved'), ~met) == (0.0, 0)


def test_a_map_on_whose_lanes_plants_grow_is_no_longer_given_until_it_fits_again():
    now, decides = ego(STAMP_NS), MapPrior(MapPriorSettings(sweeps=2.0))
    assert decides.channels(road(), now)[0] is not None
    decides.compare(seen('low_vegetation'), MET)
    none, why = decides.channels(road(), now)
    assert none is None and '100 % of its lanes' in why
    decides.compare(seen('paved'), MET)  # the mean of two: one half
    assert decides.channels(road(), now)[0] is None
    decides.compare(seen('paved'), MET)  # one quarter
    assert decides.channels(road(), now)[1] == ''


def test_too_few_cells_change_no_belief_and_neither_does_a_sweep_without_a_map():
    now, decides = ego(STAMP_NS), MapPrior(MapPriorSettings(cells=10_000_000))
    for prior in (None, road()):
        decides.channels(prior, now)
        decides.compare(seen('low_vegetation'), MET)
    assert decides.channels(road(), now)[1] == ''


@pytest.mark.parametrize('wrong', [{'oldest_s': 0.0}, {'confidence': 0.0}, {'off': 1.5}, {'cells': 0}, {'sweeps': 0.5}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MapPriorSettings(**wrong)


@pytest.fixture(scope='module')
def taught():
    torch = pytest.importorskip('torch')
    from autonomy_nodes.perception.network import PRESETS, Network

    torch.manual_seed(4)
    network = Network(PRESETS['ci']).eval()
    network.chart.taught.fill_(1.0)
    network.knows_maps = True
    with torch.no_grad():
        network.chart.word.bias += 0.5  # else it may have nothing to say
    return network


def inputs_with(channels, given):
    import torch

    from autonomy_nodes.perception.network import empty

    inputs = empty(1)
    inputs['points'] = torch.rand(inputs['points'].shape, generator=torch.Generator().manual_seed(1))
    inputs['map'], inputs['given'][:, 1] = torch.from_numpy(channels[None]), float(given)
    return inputs


def test_without_a_map_a_network_that_knows_maps_says_what_it_said_before_to_the_bit(taught):
    import torch

    from autonomy_nodes.perception.network import PRESETS, Network, filled, learned_weights

    weights = taught.state_dict()
    before = filled(Network(PRESETS['ci']), {k: v for k, v in weights.items() if not k.startswith('chart.')}).eval()
    again = filled(Network(PRESETS['ci']), weights).eval()
    assert again.knows_maps and not before.knows_maps
    assert not any(name.startswith(('chart.', 'far.')) for name in learned_weights(before, far=False))
    assert set(learned_weights(again, far=True)) == set(weights)
    inputs = inputs_with(map_channels(road(), np.eye(4)), given=False)
    with torch.no_grad():
        old, new, given = before(**inputs), again(**inputs), again(**inputs | {'given': torch.ones(1, 2, 1, 1)})
    assert all(torch.equal(old[name], new[name]) for name in OUTPUTS)
    assert not torch.equal(old['terrain'], given['terrain'])


def test_a_map_only_takes_from_kinds_of_ground_and_only_where_it_knows_something(taught):
    import torch

    from autonomy_nodes.perception.network import JOIN

    with torch.no_grad():
        taught.get_parameter(JOIN)[:, -len(MAP) :] = 0.0  # as training leaves them
        channels = map_channels(road(), np.eye(4))
        without, given = (taught(**inputs_with(channels, given)) for given in (False, True))
    for name in OUTPUTS:
        assert name == 'terrain' or torch.equal(without[name], given[name])
    less = (without['terrain'] - given['terrain'])[0].numpy()
    assert (less >= 0.0).all() and less[:3].max() > 0.0 and not less[3:].any()
    known = np.kron(channels[0] > 0.0, np.ones((2, 2), bool))
    assert not less[:, ~known].any() and (less[:, known] > 0.0).any()


def test_perception_gives_the_map_to_a_network_that_knows_maps_alone():
    from autonomy_nodes.perception.perceiver import Perceiver, PerceptionConfig

    class Network:
        def __init__(self, knows_maps):
            self.knows_maps, self.charts = knows_maps, []

        def perceive(self, cloud, ground, rays=None, sensor_m=None, earlier=None, lap=None, hear=None, chart=None):
            self.charts.append(chart)
            raise DataError('says nothing')

    for knows_maps in (True, False):
        network = Network(knows_maps)
        perceiver = Perceiver(PerceptionConfig(), network)
        found = perceiver.perceive(perceiver.segment(scan((), stamp_ns=STAMP_NS), SENSOR_M), ego(STAMP_NS), road())
        assert (network.charts[0] is not None) == knows_maps and found.unheard == ''
    network = Network(knows_maps=True)
    perceiver = Perceiver(PerceptionConfig(), network)
    old = replace(road(), stamp_ns=0)
    found = perceiver.perceive(perceiver.segment(scan((), stamp_ns=STAMP_NS), SENSOR_M), ego(STAMP_NS), old)
    assert network.charts == [None] and 's old' in found.unheard


def test_a_grid_that_reaches_nowhere_gives_nothing():
    far = Grid(0, 'odom', 0.4, np.array([500.0, 500.0]), road().layers)
    assert not map_channels(far, np.eye(4)).any()
