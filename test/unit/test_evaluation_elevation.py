"""Heights of the ground against rasters: what is scored, how cells of two sizes meet, what the real frames give."""


import numpy as np
import pytest
from real_data import recorded, sensors

from autonomy_nodes.common.grid import Grid
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures import peer_ground
from autonomy_nodes.evaluation.measures.elevation import Heights, drawn, evaluate, gathered, scores
from autonomy_nodes.evaluation.measures.labelled_ground import sources
from autonomy_nodes.evaluation.measures.rasters import Raster, argoverse_raster
from autonomy_nodes.evaluation.measures.task import Task


def test_errors_of_seen_and_of_filled_cells_are_told_apart():
    """Errors 0.1 and 0.3 where seen, 0.2 where filled; one cell without truth counts for nothing, one has no answer."""
    heights = Heights(
        np.array([0.1, 0.3, 0.2, 5.0, np.nan]), np.array([0.01, 0.01, 0.04, 1.0, np.nan]),
        np.array([True, True, False, True, False]),
    )  # fmt: skip
    figures = scores(heights, np.array([0.0, 0.0, 0.0, np.nan, 0.0]))
    assert figures['mae_observed'] == pytest.approx(0.2) and figures['mae_filled'] == pytest.approx(0.2)
    assert figures['n_cells'] == 4 and figures['unanswered'] == 0.25
    assert figures['within_2_sigma_observed'] == 0.5 and figures['within_2_sigma_filled'] == 1.0  # 0.3 is above 2 x 0.1


def test_a_large_cell_takes_the_mean_of_the_small_ones_that_were_seen_in_it():
    """Of the four cells in one of 1 m the two seen, at 1 and 2 m, tell 1.5; beside it two filled ones tell 4."""
    z, observed = np.full((4, 4), np.nan, np.float32), np.zeros((4, 4), np.float32)
    z[:2, :2], observed[:2, :2] = [[1.0, 9.0], [2.0, np.nan]], [[1.0, 0.5], [1.0, 0.0]]
    z[2:, :2], observed[2:, :2] = 4.0, 0.5
    grid = Grid(0, 'odom', 0.5, np.zeros(2), {'elevation': z, 'variance': 0.1 * z, 'observed': observed})
    found = gathered(grid, Raster(np.zeros, 1.0, 0.0), np.array([[0.5, 0.5], [1.5, 0.5], [0.5, 1.5]]))
    np.testing.assert_allclose(found.z, [1.5, 4.0, np.nan])
    np.testing.assert_allclose(found.variance[:2], [0.15, 0.4], rtol=1e-6)
    assert list(found.observed) == [True, False, False]


def test_a_raster_of_a_city_is_looked_up_at_the_vehicle(tmp_path):
    """The vehicle stands at (10, 20, 5) in the city and looks along y; 2 m ahead of it the ground is 2 m up."""
    (tmp_path / 'map').mkdir()
    heights = np.zeros((100, 100))
    heights[44, 20] = 7.0  # row v = 2 y, column u = 2 x: of x = 10, y = 22
    np.save(tmp_path / 'map' / 'log_ground_height_surface____CITY.npy', heights)
    (tmp_path / 'map' / 'log___img_Sim2_city.json').write_text('{"R": [1, 0, 0, 1], "t": [0, 0], "s": 2}')
    pose = np.array([[0.0, -1.0, 0.0, 10.2], [1.0, 0.0, 0.0, 20.2], [0.0, 0.0, 1.0, 5.0], [0.0, 0.0, 0.0, 1.0]])
    raster = argoverse_raster(tmp_path, pose)
    np.testing.assert_allclose(raster.at(np.array([[2.0, 0.0], [4.0, 0.0], [60.0, 0.0]])), [2.0, -5.0, np.nan])


def test_a_folder_without_a_raster_is_refused(tmp_path):
    np.savez(tmp_path / '000000.npz', xyz=np.zeros((3, 3), np.float32), intensity=np.zeros(3, np.float32))
    with pytest.raises(DataError, match='a raster of the ground to judge by is missing'):
        evaluate(Task(tmp_path, tmp_path))


@pytest.mark.parametrize('name', ['gndnet_seq00', 'argoverse2_7fab2350'])
def test_heights_of_real_ground_are_told_within_the_limits(tmp_path, name):
    folder = sensors(name)
    figures = evaluate(Task(folder, tmp_path, limit=1, peers=bool(peer_ground.version()))).figures
    assert figures['mae_observed'] < 0.12 and figures['mae_filled'] < 0.25 and figures['unanswered'] == 0.0
    assert 0.88 < figures['within_2_sigma_all'] < 0.98
    if peer_ground.version():
        assert figures['mae_observed'] < figures['peer.pypatchworkpp.mae_observed']
    frame, (_, source) = sources(folder, raster=True)[0]
    for key in ('mae_observed', 'mae_filled'):
        told = recorded(f'elevation_{name.partition("_")[0]}')[f'elevation.frame.{frame}.{key}']
        assert figures[key] == pytest.approx(told, abs=1e-3)
    stored = np.load(tmp_path / f'{frame}.npz')
    assert stored['z'].shape == stored['observed'].shape and stored['observed'].dtype == bool
    assert np.isfinite(stored['z']).all() and (stored['variance'] > 0.0).all()
    assert drawn(source, tmp_path / f'{frame}.npz').startswith(b'\x89PNG')
