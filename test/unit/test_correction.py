"""What the network mends of the ground: points and heights, worked out by hand; unknown heights stay unknown."""

from dataclasses import replace

import numpy as np
import pytest
from perception_scenes import STEP_NS, ego
from test_semantics import said, terrain

from autonomy_nodes.perception.correction import CorrectionSettings, ground_points, heights
from autonomy_nodes.perception.ground import GROUND, OBSTACLE, Ground

PLAIN = CorrectionSettings()


def split(*firm):
    kinds = np.where(firm, GROUND, OBSTACLE).astype(np.uint8)
    return Ground(kinds, np.zeros(len(firm), np.float32), np.array(firm, bool))


@pytest.mark.parametrize(
    'name, firm, height_m, told',
    [
        ('high_vegetation', True, 0.3, False),  # a flat plant
        ('high_vegetation', True, 0.1, True),  # the ground below it
        ('high_vegetation', False, 0.1, False),  # nothing becomes ground where things are
        ('paved', False, 0.1, True),
        ('paved', False, 0.3, False),
        ('paved', True, 0.3, True),
        ('wet', False, -0.1, True),
    ],
)
def test_a_point_is_of_the_ground_by_what_its_cell_is_and_how_high_it_lies(name, firm, height_m, told):
    xyz = np.array([[8.2, -3.0, height_m + 0.5]], np.float32)
    learned = said(name, 0.9)
    learned.prior[0], learned.outputs['ground'][0] = 0.3, 0.2  # the network's ground lies at 0.5 m
    assert ground_points(xyz, split(firm), learned, PLAIN).tolist() == [told]


def test_an_unsure_network_one_that_was_not_asked_and_a_place_beyond_its_cells_change_nothing():
    near, far = (8.2, -3.0, 1.0), (70.0, 0.0, 1.0)
    unsure, silent = said('obstacle', 0.2), said('obstacle', known=False)
    for place, learned in ((near, unsure), (near, silent), (far, said('obstacle'))):
        xyz = np.array([place], np.float32)
        assert ground_points(xyz, split(True), learned, PLAIN).tolist() == [True]


def test_heights_are_fused_by_their_variances_and_unknown_ones_stay_unknown():
    """0.04 of the terrain and 4 * 0.01 of the network: half the way from 1 m to 1.2 m, with half the variance."""
    grid, learned = terrain(), said()
    grid.layers['elevation'][:] = 1.0
    grid.layers['variance'][:] = 0.04
    grid.layers['elevation'][100, 100] = np.nan
    learned.prior[0], learned.outputs['ground'][0], learned.outputs['ground'][1] = 0.5, 0.2, np.log(0.01)
    state = replace(ego(STEP_NS), position_m=np.array([0.0, 0.0, 0.5]))
    found = heights(grid, state, learned, PLAIN)
    place = np.array([[8.2, -3.0]])
    assert found.at('elevation', place) == pytest.approx(1.1, abs=1e-5)
    assert found.at('variance', place) == pytest.approx(0.02, abs=1e-6)
    assert np.isnan(found.layers['elevation'][100, 100])
    assert (grid.layers['variance'] == np.float32(0.04)).all()


@pytest.mark.parametrize('name, value', [('sure', -1.0), ('doubt', 0.5)])
def test_nonsense_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f'correction.{name}={value}'):
        CorrectionSettings(**{name: value})
