"""A replay in lockstep gives the same bytes each time, in whatever process, with whatever number of jobs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('embreex', reason='the recording comes from the simulator, which needs the extra sim')

from recordings import record

ROOT = Path(__file__).parents[2]
SAME = ('log.jsonl', 'outputs.mcap', 'outputs.sha256')


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    return record(tmp_path_factory.mktemp('bag') / 'drive', 2.5)


def attempt(bag, out, *more, seed='0'):
    command = [sys.executable, '-m', 'autonomy_nodes.commands.main', 'replay', str(bag), '--out', str(out), *more]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, 'PYTHONHASHSEED': seed}, capture_output=True, text=True)


def replay(bag, out, seed, *more):
    """Replay in a process of its own, whose hashes differ from those of the others."""
    done = attempt(bag, out, *more, seed=seed)
    assert done.returncode == 0, done.stderr
    return out


def test_two_replays_and_one_with_other_jobs_give_the_same_bytes(bag, tmp_path):
    runs = [
        replay(bag, tmp_path / 'one', '1', '--jobs', '1'),
        replay(bag, tmp_path / 'two', '2', '--jobs', '1'),
        replay(bag, tmp_path / 'three', '3'),
        replay(bag, tmp_path / 'four', '4', '--jobs', '4'),
    ]
    for name in SAME:
        first, *others = ((run / name).read_bytes() for run in runs)
        assert len(first) > 60
        assert all(other == first for other in others), name
    assert '"mode":"NOMINAL"' in (runs[0] / 'log.jsonl').read_text()
    assert (runs[0] / 'report.html').stat().st_size > 10_000


def test_a_setting_changes_the_bytes(bag, tmp_path):
    one = replay(bag, tmp_path / 'one', '1')
    other = replay(bag, tmp_path / 'other', '1', '--set', 'planning.weights.comfort=9.0')
    assert (one / 'outputs.sha256').read_text() != (other / 'outputs.sha256').read_text()


@pytest.mark.parametrize(
    'more, told',
    [
        (['--set', 'planning.horzon_s=3.0'], "unknown settings .'horzon_s'"),
        (['vehicle:=tank'], "vehicle 'tank' is none of"),
        (['params_file:=/none.yaml'], '/none.yaml: cannot be read'),
        (['map_path:=/none.osm'], '/none.osm'),
        (['--set', 'lidar.horzon_m=3.0', '--jobs', '3'], "unknown settings .'horzon_m'"),
        (['--jobs', '0'], 'at least 1'),
        (['--set', 'camera=3'], "is not NODE.SETTING=VALUE"),
        (['composition:=both'], 'must be one of separate, grouped, single'),
    ],
)
def test_wrong_words_end_with_the_reason_on_one_line(bag, tmp_path, more, told):
    done = attempt(bag, tmp_path / 'x', *more)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith('autonomy replay: ') and done.stderr.count('\n') == 1
    assert re.search(told, done.stderr), done.stderr


@pytest.mark.parametrize('content, told', [(None, 'no such bag'), (b'garbage', 'broken.mcap')])
def test_a_missing_or_broken_bag_is_named(tmp_path, content, told):
    path = tmp_path / 'broken.mcap'
    if content:
        path.write_bytes(content)
    done = attempt(path, tmp_path / 'x')
    assert done.returncode == 2 and told in done.stderr and 'Traceback' not in done.stderr


def test_an_earlier_run_is_not_overwritten_unasked(bag, tmp_path):
    replay(bag, tmp_path / 'one', '1')
    with pytest.raises(AssertionError, match='holds an earlier run'):
        replay(bag, tmp_path / 'one', '1')
    replay(bag, tmp_path / 'one', '1', '--force')
