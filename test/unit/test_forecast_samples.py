"""Arrays to learn forecasting from: what is fed is the scene of on board, what happened is told in each frame."""

import json

import numpy as np
import pytest
from test_forecasting import straight_on, write

from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures.forecast_windows import KINDS
from autonomy_nodes.evaluation.recorded import RecordedMap
from autonomy_nodes.messages.formats.trajectories import read_scene
from autonomy_nodes.training.forecast_samples import SamplesConfig, fed, learnable, prepared, scene_at

LANE = (np.array([[-50.0, 0.0], [300.0, 0.0]]), 1, 'lane')


def folder_of(tmp_path, **tracks):
    """A folder of scenes, each a group of its own in the fold of its place."""
    told = []
    for fold, (name, rows) in enumerate(tracks.items()):
        write(tmp_path / f'womd/{name}.npz', rows, lines=[LANE])
        told.append({'group': f'g{fold}', 'fold': fold, 'scenes': [f'womd/{name}.npz']})
    (tmp_path / 'groups.json').write_text(json.dumps(told))
    return tmp_path


def test_the_future_is_told_in_the_frame_of_each_and_masked_where_the_recording_ends(tmp_path):
    """North at 10 m/s: ahead is x; 60 steps of the future are told of a scene of 81."""
    tracks = [straight_on(81, heading=np.pi / 2.0), straight_on(81, start=(9.0, 0.0), speed=0.0)]
    found = prepared(folder_of(tmp_path, a=tracks), [0], SamplesConfig(each=40))
    assert found.arrays['t0'].tolist() == [20, 60] and found.groups == ['g0', 'g0'] and len(found) == 2
    first = {key: values[0] for key, values in found.arrays.items()}
    assert first['agent'][:3].tolist() == [0, 1, -1]
    assert first['learned'][:2].tolist() == first['scored'][:2].tolist() == [True, False]
    assert first['truth.path'][0, :60, 0] == pytest.approx(np.arange(1, 61), abs=1e-4)
    assert first['truth.path'][0, :60, 1:] == pytest.approx(np.tile([0.0, 1.0, 0.0], (60, 1)), abs=1e-4)
    assert first['truth.told'][0].tolist() == [True] * 60 + [False] * 20
    assert KINDS[first['kind'][0]] == 'straight' and (first['kind'][1:] == -1).all()
    late = {key: values[1] for key, values in found.arrays.items()}
    assert late['truth.told'][0].sum() == 20 and late['learned'][0] and not late['scored'].any()


def test_who_is_learned_from_moves_and_is_told_long_enough(tmp_path):
    short, gap, stands = straight_on(81), straight_on(81), straight_on(81, speed=0.0)
    short[40:, 6] = 0.0  # told for 19 more steps
    gap[50, 6] = 0.0  # for 29, then again
    scene = read_scene(write(tmp_path / 'a.npz', [short, gap, stands]))
    assert learnable(scene, 20, 20).tolist() == [1]
    assert learnable(scene, 20, 19).tolist() == [0, 1]


def test_a_network_is_fed_the_scene_that_runs_on_board(tmp_path):
    tracks = [straight_on(81), straight_on(81, start=(5.0, 4.0), heading=0.3, speed=6.0)]
    found = prepared(folder_of(tmp_path, a=tracks), [], SamplesConfig(agents=16))
    scene = read_scene(tmp_path / 'womd/a.npz')
    told, agents = scene_at(scene, RecordedMap(scene), 20, np.array([0, 1]), 16)
    expected, arrays = told.tensors(), fed(found, 0)
    assert arrays['agent'].tolist() == agents.tolist()
    shared = set(expected) & set(arrays)
    left_out = {name.split('.')[0] for name in set(expected) - shared}
    assert left_out == {'route', 'cells', 'agents_cells', 'ours_route'}
    for name in shared:
        np.testing.assert_array_equal(arrays[name], expected[name], err_msg=name)


def test_folds_and_groups_are_kept_apart(tmp_path):
    folder = folder_of(tmp_path, a=[straight_on(81)], b=[straight_on(81)], c=[straight_on(81)])
    assert set(prepared(folder, [1, 2], SamplesConfig()).scenes) == {'womd/b', 'womd/c'}
    assert set(prepared(folder, [1, 2], SamplesConfig(), without={'g2'}).groups) == {'g1'}
    with pytest.raises(DataError, match='no moment'):
        prepared(folder, [2], SamplesConfig(), without={'g2'})
