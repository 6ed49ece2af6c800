"""A drive on each rung of the ladder: figures worked out by hand, and a folder from end to end with doubles."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from seen_frames import objects
from test_camera_hearing import lidar
from test_camera_rung import Above, Eyes

pytest.importorskip('embreex', reason='the simulator needs the extra sim')

from autonomy_nodes.common.settings import SettingsError  # noqa: E402
from autonomy_nodes.common.types import DataError  # noqa: E402
from autonomy_nodes.common.vehicle import Vehicle  # noqa: E402
from autonomy_nodes.evaluation.measures import ladder, ladder_rungs  # noqa: E402
from autonomy_nodes.evaluation.measures.ladder import counts_here, evaluate, known_m  # noqa: E402
from autonomy_nodes.evaluation.measures.ladder_picture import GREEN, GREY, RED, Panel, picture  # noqa: E402
from autonomy_nodes.evaluation.measures.task import Task  # noqa: E402
from autonomy_nodes.perception.bev import CELLS, middles  # noqa: E402
from autonomy_nodes.perception.camera.channel import CameraChannel  # noqa: E402
from autonomy_nodes.training.holdout import write_holdout  # noqa: E402
from autonomy_nodes.training.scenes import Choice  # noqa: E402

RUNGS = ('fused', 'learned', 'cameras', 'geometric')


def test_the_way_is_known_up_to_the_first_cell_that_is_not_free():
    """Cells of 0.4 m from -40 m on: that at 12.2 m ends at 12.4 m, so up to 12.0 m all is free."""
    free = np.ones(CELLS, bool)
    assert known_m(free) == pytest.approx(30.0)
    free[int((12.2 + 40.0) / 0.4), int((0.5 + 40.0) / 0.4)] = False
    assert known_m(free) == pytest.approx(12.0)
    beside = np.ones(CELLS, bool)
    beside[int((12.2 + 40.0) / 0.4), int((2.0 + 40.0) / 0.4)] = False
    assert known_m(beside) == pytest.approx(30.0)  # beside the way of a car
    assert known_m(np.zeros(CELLS, bool)) == 0.0


def test_what_counts_is_near_and_ahead_within_thirty_degrees():
    flat = np.array([[20.0, 5.0, 4, 2, 0], [20.0, 15.0, 4, 2, 0], [-10.0, 0.0, 4, 2, 0], [45.0, 0.0, 4, 2, 0]])
    np.testing.assert_array_equal(counts_here(flat, ''), [True, True, True, False])
    np.testing.assert_array_equal(counts_here(flat, 'ahead.'), [True, False, False, False])


def test_the_picture_shows_free_blocked_and_unknown_cells_where_they_are():
    """Ahead is up: 20 m ahead free, 20 m to the left blocked, all else not known."""
    free, places = np.full(CELLS, np.nan, np.float32), middles()
    free[np.hypot(places[..., 0] - 20.0, places[..., 1]) < 3.0] = 0.9
    free[np.hypot(places[..., 0], places[..., 1] - 20.0) < 3.0] = 0.1
    panel = Panel(('one', 'two'), free, objects((25.0, 0.9, 0.9)), None, Vehicle())
    drawn = cv2.imdecode(np.frombuffer(picture('here', np.zeros((36, 64, 3), np.uint8), [panel] * 5), np.uint8), 1)
    assert drawn.shape == (2 * 576, 3 * 568, 3)
    first = drawn[52 : 52 + 480, 568 + 44 : 568 + 44 + 480]  # 8 pixels a metre, from 15 m behind and 30 m to the left
    for (x, y), colour in (((18.5, 0.5), GREEN), ((0.5, 18.5), RED), ((-8.0, -18.0), GREY)):
        np.testing.assert_array_equal(first[round((45.0 - x) * 8.0), round((30.0 - y) * 8.0)], colour)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp('drive') / 'made'
    write_holdout(made, Choice(3, 1, 12, camera='front'), 1, lambda *_: None)
    return made


@pytest.fixture
def doubles(monkeypatch):
    """Stand in for both networks: cameras that say of all that it is level and free, a LiDAR that finds nothing."""
    monkeypatch.setattr(ladder, 'folder_of', Path)
    monkeypatch.setattr(ladder_rungs, 'opened', lambda *_: lidar())
    monkeypatch.setattr(ladder_rungs, 'eyes_opened', lambda *_: CameraChannel(Eyes(screen=False), Above()))


def test_a_drive_is_measured_on_every_rung_and_drawn(folder, doubles, tmp_path):
    result = evaluate(Task(folder, tmp_path, model='seen'))
    figures = result.figures
    for rung in RUNGS:
        assert 0.0 <= figures[f'{rung}.free_iou'] <= 1.0 and figures[f'{rung}.cpu_s'] > 0.0
        with np.load(tmp_path / f'00_{rung}.npz') as kept:
            assert kept['p_free'].shape == (1, *CELLS) and kept['known_m'].shape == (1,)
    assert figures['geometric.told'] > figures['cameras.told']  # a LiDAR looks all around
    assert figures['geometric.ahead.free_iou'] > 0.8 and figures['geometric.ground_mae_m'] < 0.1
    assert {name.partition('.')[0]: figures[name] for name in figures if name.endswith('cap_mps')} == {
        'learned': 22.0, 'geometric': 14.0, 'cameras': 5.5,
    }  # fmt: skip
    assert (tmp_path / '00.png').read_bytes() == next(iter(result.pictures.values()))()


def test_it_needs_networks_for_cameras_and_frames_with_pictures(folder, doubles, tmp_path):
    with pytest.raises(SettingsError, match='--model'):
        evaluate(Task(folder, tmp_path))
    short = tmp_path / 'short'
    write_holdout(short, Choice(3, 1, 2), 1, lambda *_: None)
    with pytest.raises(DataError, match='--camera front'):
        evaluate(Task(short, tmp_path, model='seen'))
