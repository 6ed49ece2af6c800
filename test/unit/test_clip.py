"""A moving picture of a run: as many pictures as asked for, ground that is not known dark, the rest in its place."""

import cv2
import numpy as np
import pytest
from report_sample import write_sample

from autonomy_nodes.commands.main import main
from autonomy_nodes.common.grid import KINDS
from autonomy_nodes.evaluation import clip

needs_animation = pytest.mark.skipif(
    not hasattr(cv2, 'Animation'), reason=f'OpenCV {cv2.__version__} writes no moving pictures: 4.11 and newer do'
)


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    return write_sample(tmp_path_factory.mktemp('clip'), 30)


@needs_animation
@pytest.mark.parametrize('kind', sorted(clip.HOW))
def test_a_clip_has_the_pictures_of_its_span_at_its_rate(run, tmp_path, kind, capsys):
    path = tmp_path / f'drive{kind}'
    assert main(['report', str(run), '--clip', str(path), '--from', '0.5', '--to', '2.5', '--rate', '5']) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(path)
    _, film = cv2.imreadanimation(str(path))
    assert len(film.frames) == 11 and set(film.durations.ravel().tolist()) == {200}
    assert {frame.shape[:2] for frame in film.frames} == {(clip.HIGH, clip.WIDE)}
    assert (film.frames[0] != film.frames[-1]).any()


def moment(**layers):
    ego = [1000, 2000, 0, 500]  # 10 m, 20 m, along x, 5 m/s
    now = {'t': 0, 'stamp': '0', 'mode': 'NOMINAL', 'ego': ego, **layers}
    return {'moments': [now], 'pictures': [], 'body': {'front_m': 3.0, 'rear_m': 1.0, 'width_m': 2.0}}


def at(drawn, ahead_m, left_m):
    column, row = np.rint(clip.EGO_AT + clip.SCALE * np.array([-left_m, -ahead_m])).astype(int)
    return drawn[row, column].tolist()


def test_the_cell_of_an_obstacle_lies_ahead_and_left_and_what_is_not_known_is_dark():
    cells = np.full((20, 20), KINDS.index('unknown'))
    cells[15:, 15:] = KINDS.index('obstacle')  # x from 16.5 m on, y from 26.5 m on, in odom
    ground = {'origin': [900, 1900], 'cell': 50, 'shape': [20, 20], 'cells': ''.join(map(str, cells.ravel()))}
    drawn = clip.frame(moment(terrain=ground), 0)
    assert at(drawn, 7.75, 7.75) == clip.GROUND[KINDS.index('obstacle')].tolist()
    assert at(drawn, 7.75, -5.0) == at(drawn, 3.5, 7.75) == clip.GROUND[0].tolist()


def test_the_trajectory_lies_where_it_goes():
    drawn = clip.frame(moment(drive=[1000, 2000, 500, 2000, 2000, 500, 3000, 2000, 500]), 0)
    assert at(drawn, 15.5, 0.0) == list(clip.WAY)
    assert at(drawn, 25.5, 0.0) == clip.GROUND[0].tolist()


@pytest.mark.parametrize(
    'words, told',
    [(['--clip', 'a.avi'], '.gif, .webp'), (['--clip', 'a.gif', '--from', '90', '--to', '95'], 'no moment')],
)
@needs_animation
def test_what_cannot_be_drawn_is_told(run, words, told, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(['report', str(run), *words]) == 2
    assert told in capsys.readouterr().err
