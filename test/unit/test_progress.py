"""Bars of long work: on a terminal alone; logs get a line a part, or nothing."""

import io
import pickle
import sys

from report_sample import START_NS

from autonomy_nodes.commands.progress import Progress
from autonomy_nodes.evaluation.lockstep import Event
from autonomy_nodes.evaluation.measures.task import Result, Task, over
from autonomy_nodes.evaluation.telling import told_of, untold


class Terminal(io.StringIO):
    """A standard error that says it is a terminal."""

    def isatty(self):
        return True


def work(quiet, of=2):
    with Progress(' s', quiet=quiet) as tell:
        for done in (1, 2):
            tell(f'part {done}', done, of)


def test_a_log_gets_a_line_a_part_and_no_bar(capsys):
    work(quiet=False)
    said = capsys.readouterr()
    assert (said.out, said.err) == ('part 1\npart 2\n', '')


def test_a_quiet_one_says_nothing_in_a_log(capsys):
    work(quiet=True)
    said = capsys.readouterr()
    assert (said.out, said.err) == ('', '')


def test_a_terminal_gets_a_bar_and_no_lines(monkeypatch, capsys):
    screen = Terminal()
    monkeypatch.setattr(sys, 'stderr', screen)
    work(quiet=True)
    assert '2/2' in screen.getvalue() and '100%' in screen.getvalue()
    work(quiet=True, of=0)
    assert screen.getvalue().rstrip().split('\r')[-1].startswith('2 s ')  # no share where nobody knows of how many
    assert capsys.readouterr().out == ''


def test_each_second_of_a_recording_is_told_once():
    class Recorded:
        start_ns, end_ns = START_NS, START_NS + 3_000_000_000

    events = [Event('x', START_NS + tenths * 100_000_000, b'') for tenths in (0, 9, 10, 11, 29, 30)]
    heard = []
    assert list(told_of(events, Recorded(), lambda *told: heard.append(told))) == events
    assert heard == [('', 1, 3), ('', 2, 3), ('', 3, 3)]


def test_a_measure_tells_of_each_item_and_goes_to_other_processes_without_the_bar(tmp_path):
    heard = []
    task = Task(tmp_path, tmp_path, tell=lambda *told: heard.append(told))
    assert over(task, [('a', 1), ('b', 2)], str, Result()) == [('a', '1'), ('b', '2')]
    assert heard == [('a', 1, 2), ('b', 2, 2)]
    assert pickle.loads(pickle.dumps(task)).tell is untold
