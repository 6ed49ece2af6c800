"""What the live viewer costs: pairs that take turns in being first, ratios of their sums, CPU time of processes."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from autonomy_nodes.evaluation.measures import viewing
from autonomy_nodes.evaluation.measures.task import Task
from autonomy_nodes.nodes.launcher import Process


def test_pairs_take_turns_and_the_ratio_is_that_of_their_p95(tmp_path, monkeypatch):
    asked = []

    def played(bag, out, viz, rate, vehicle, task):
        asked.append((viz, rate, vehicle))
        on = viz == 'rerun'
        times_ms = np.full(20, 110.0 if on else 100.0) * (2.0 if len(asked) > 2 else 1.0)  # later it is slow
        return times_ms, {'stack': 10.1 if on else 10.0, 'viewer': 2.0 if on else 0.0}

    monkeypatch.setattr(viewing, 'drives', lambda folder: [SimpleNamespace(name='one')])
    monkeypatch.setattr(viewing, 'write_drive', lambda drive, bag: None)
    monkeypatch.setattr(viewing, '_played', played)
    monkeypatch.setattr(viewing, '_seen', lambda out: {'drawn': 40.0, 'passed_over': 2.0})
    result = viewing.evaluate(Task(tmp_path, tmp_path, limit=2, options={'rate': '0.25', 'vehicle': 'car'}))
    assert asked == [(viz, 0.25, 'car') for viz in ('none', 'rerun', 'rerun', 'none')]
    figures = result.figures
    assert figures['p95_ratio'] == figures['p95_ratio_median'] == pytest.approx(1.1)
    assert (figures['p95_ratio_low'], figures['p95_ratio_high']) == pytest.approx((1.1, 1.1))
    assert figures['cpu_ratio'] == pytest.approx(1.01) and figures['viewer_cpu_s'] == 2.0
    assert (figures['n_pairs'], figures['n_sweeps'], figures['drawn']) == (2, 40, 40.0)
    rows = (tmp_path / 'timing.csv').read_text().splitlines()
    assert rows[1] == '0,off,20,100.000,100.000,10.00,0.00' and rows[3].startswith('1,on,20,220.000')


@pytest.mark.skipif(not Path('/proc/self/stat').exists(), reason='needs Linux: /proc')
def test_the_cpu_time_of_a_process_is_what_it_computed():
    code = 'import time\nwhile time.process_time() < 0.3: pass\nprint(time.process_time(), flush=True)\ninput()'
    running = subprocess.Popen([sys.executable, '-c', code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    spent_s = float(running.stdout.readline())
    assert viewing._cpu_s(Process('x', [], None, running)) == pytest.approx(spent_s, abs=0.05)
    running.communicate('\n')
    assert viewing._cpu_s(Process('x', [], None, running)) == 0.0
