"""How a live run ends that did not go well: one line, exit code 1, and the report of what there is."""

from types import SimpleNamespace

import pytest

from autonomy_nodes.commands import options
from autonomy_nodes.common.status import Level, Status
from autonomy_nodes.evaluation import live
from autonomy_nodes.evaluation.live import LiveError, LiveRun, gathered_outputs, run_live
from autonomy_nodes.evaluation.runlog import OUTPUTS, read_log, read_run
from autonomy_nodes.messages.bags import BagWriter
from autonomy_nodes.messages.topics import DIAGNOSTICS
from autonomy_nodes.messages.words import write_status
from autonomy_nodes.nodes.launcher import resolved


def outputs(path, node='planning'):
    with BagWriter(path) as bag:
        bag.write(DIAGNOSTICS.name, DIAGNOSTICS.type, 5, write_status(Status(5, node, Level.OK, 'running')))


def launcher(out, codes, ended=()):
    """Return a stand-in for the launcher whose processes end so."""

    class Fake:
        def __init__(self, *given):
            self.members = []

        def start(self):
            outputs(out / OUTPUTS)

        def ended(self):
            return list(ended)

        def stop(self):
            return dict(codes)

    return Fake


def test_a_process_that_fails_is_named_with_its_log_and_the_logs_are_written(tmp_path, monkeypatch):
    codes = {'player': 0, 'perception': 1}
    monkeypatch.setattr(live, 'Launcher', launcher(tmp_path, codes, ended=[('player', 0)]))
    with pytest.raises(LiveError, match=f'^perception failed with exit code 1, see {tmp_path}/logs/perception.log$'):
        run_live(LiveRun(tmp_path, resolved({}), 'player'))
    assert [status.node for status in read_log(tmp_path)] == ['planning']
    assert read_run(tmp_path).mode == 'live'


def test_a_giver_that_does_not_end_is_named_and_the_logs_are_written(tmp_path, monkeypatch):
    monkeypatch.setattr(live, 'Launcher', launcher(tmp_path, {'player': 0}))
    monkeypatch.setattr(live, 'POLL_S', 0.0)
    with pytest.raises(LiveError, match=f'^player did not end within 0 s, see {tmp_path}/logs/player.log$'):
        run_live(LiveRun(tmp_path, resolved({}), 'player', timeout_s=0.0))
    assert len(read_log(tmp_path)) == 1


def test_what_a_recorder_wrote_after_a_restart_is_read(tmp_path):
    for number in (1, 2, 10):
        outputs(tmp_path / f'outputs-{number}.mcap', node=f'node{number}')
    assert gathered_outputs(tmp_path) == []
    assert read_log(tmp_path)[0].node == 'node10'


def test_a_run_without_a_whole_recording_says_so(tmp_path):
    assert gathered_outputs(tmp_path) == [f'nothing whole was recorded, see {tmp_path}/logs/recorder.log']


def test_a_run_that_failed_has_a_report_and_exit_code_1_and_one_line(tmp_path, monkeypatch, capsys):
    shown = []
    monkeypatch.setattr(options, 'show', lambda out: shown.append(out) or 0)

    def work():
        raise LiveError('perception failed with exit code 1, see logs/perception.log')

    assert options.finished(tmp_path, work) == 1
    assert shown == [tmp_path]
    assert capsys.readouterr().err == 'autonomy: perception failed with exit code 1, see logs/perception.log\n'


def test_a_failed_run_without_anything_to_report_ends_in_two_lines(tmp_path, capsys):
    def work():
        raise LiveError('sim failed')

    assert options.finished(tmp_path, work) == 1
    assert capsys.readouterr().err.count('\n') == 2


def test_a_run_that_went_well_is_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(options, 'show', lambda out: 0)
    assert options.finished(tmp_path, SimpleNamespace) == 0
