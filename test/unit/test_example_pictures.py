"""Pictures of examples, a bar of progress, and that nobody of a plot's traffic stands in the vehicle itself."""

import math

import cv2
import numpy as np
from flat_examples import example_of

from autonomy_nodes.commands import progress
from autonomy_nodes.commands.main import main
from autonomy_nodes.perception.bev import ORIGIN_M, SIZE_M, TERRAIN
from autonomy_nodes.sim.judge import rectangle, touching
from autonomy_nodes.sim.plots.plot import Taken, Track
from autonomy_nodes.sim.plots.plots import plot
from autonomy_nodes.training.pictures import OF_BOXES, OF_TERRAIN, SCALE, drawn


def at(x, y):
    """Row and column of a place."""
    return tuple(int(v) for v in (ORIGIN_M + SIZE_M - (x, y)) * SCALE)


def test_a_picture_shows_ahead_above_and_left_left_a_box_on_both_sides_and_the_truth_of_the_cells():
    """A car 20 m ahead and 10 m to the left, 4.4 m long: its rear edge lies 17.8 m ahead. Paved cells all around."""
    example = example_of([[20.0, 10.0, 0.75, 4.4, 1.8, 1.5, 0.0, 0.0, 0.0]], [0], np.random.default_rng(0))
    picture = drawn(example)
    height, width = (round(float(size) * SCALE) for size in SIZE_M)
    assert picture.shape == (height, 2 * width + 6, 3)
    row, column = at(17.8, 10.0)
    for shift in (0, width + 6):
        near = picture[row - 2 : row + 3, shift + column - 2 : shift + column + 3].astype(int)
        assert (np.abs(near - OF_BOXES['vehicle']).sum(axis=-1) < 60).any()
    row, column = at(-20.0, -20.0)
    paved = np.array(OF_TERRAIN[TERRAIN[0]]) * 0.75
    assert np.abs(picture[row, width + 6 + column] - paved).max() <= 1.0


def test_the_command_draws_as_many_as_are_asked_for(tmp_path, capsys):
    command = ['data', 'examples', str(tmp_path / 'x'), '--count', '3', '--pictures', '2']
    assert main(command) == 0
    pictures = sorted((tmp_path / 'x/pictures').iterdir())
    assert [path.name for path in pictures] == ['0000000-0.png', '0000000-1.png']
    assert cv2.imread(str(pictures[0])).shape == (864, 1446, 3)
    told = capsys.readouterr().out
    assert '2 of them drawn' in told and 'examples, ' in told and '\r' not in told


class Terminal:
    """A terminal that notes what is written."""

    def __init__(self):
        self.text = ''

    def isatty(self):
        return True

    def write(self, text):
        self.text += text

    def flush(self):
        """Nothing waits."""


def test_a_terminal_is_shown_a_bar_with_the_time_that_is_left_and_no_lines(monkeypatch, capsys):
    terminal = Terminal()
    monkeypatch.setattr(progress.sys, 'stderr', terminal)
    with progress.Progress(' scenes') as told:
        for done in (0, 1, 2):
            told(f'scene {done}', done, 4)
    assert capsys.readouterr().out == ''
    assert '2/4' in terminal.text and 'scene 2' in terminal.text and '\r' in terminal.text and '<' in terminal.text


def test_nobody_moves_within_the_vehicle_even_where_it_stands_close_to_a_parked_car():
    """The room that the vehicle wants, 7 x 2.4 m, overlaps what is parked beside it: it has it all the same."""
    found = plot(1, 'street')
    found.tracks = [Track(-30.0, 0.0, 0.0, 60.0, (0.0, 0.0), (('person', 1.0),), 0.3, 0.3)]
    taken = Taken()
    assert taken.take(1.3, 1.9, 2.2, 0.9)
    assert not taken.copy().take(1.3, 0.0, 3.5, 1.2)
    users = found.traffic(np.random.default_rng(2), (0.0, 0.0, 0.0), taken)
    own = rectangle(1.3, 0.0, 0.0, 4.4, 1.8)
    boxes = [rectangle(u.place[0], u.place[1], u.place[2], u.size[0], u.size[1]) for u in users]
    assert len(boxes) > 5 and not any(touching(own, box) for box in boxes)
    assert any(math.hypot(*box.mean(axis=0)) < 8.0 for box in boxes)
