"""The speed measure: it counts the sweeps that came through all stages, and refuses where they did not."""

import pytest
from real_data import sensors

from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures import speed
from autonomy_nodes.evaluation.measures.task import Task


@pytest.fixture
def data():
    return sensors('kitti_seq0000')


def test_every_sweep_after_the_first_ones_is_measured(data, tmp_path):
    found = speed.evaluate(Task(data, tmp_path, limit=2)).figures
    assert found['n_sweeps'] == 2 and found['n_points_mean'] > 100_000
    assert 0.0 < found['cpu_ms.p50'] <= found['cpu_ms.p95']
    assert len((tmp_path / 'timing.csv').read_text().splitlines()) == 3


def test_sweeps_that_do_not_come_through_are_no_speed(data, tmp_path, monkeypatch):
    monkeypatch.setattr(speed, 'STAGES', ('lidar', 'localization', 'tracking'))  # nobody perceives
    with pytest.raises(DataError, match='of 5 sweeps 0 came to tracks'):
        speed.evaluate(Task(data, tmp_path, limit=2))


def test_too_short_a_drive_is_refused(data, tmp_path):
    with pytest.raises(DataError, match='no drive of more than 3 sweeps'):
        speed.evaluate(Task(data.parent / 'kitti_object', tmp_path))
