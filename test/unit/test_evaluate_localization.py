import json
from pathlib import Path

import numpy as np
import pytest

from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures.localization import FIRST, SIMULATED, evaluate, in_all, over_sweeps
from autonomy_nodes.evaluation.measures.proving_ground import CLOCK_AT_S, SCENARIOS, START_NS, Scenario, heard
from autonomy_nodes.evaluation.measures.task import Task

SECOND_NS = 1_000_000_000
ROOT = Path(__file__).parents[2]


def test_a_short_drive_is_followed_and_leaves_what_others_can_read(tmp_path):
    task = Task(Path(SIMULATED), tmp_path, limit=25, options={'scenario': 'normal', 'drives': '1'})
    figures = evaluate(task).figures
    assert (figures['n_drives'], figures['n_sweeps']) == (1, 25)
    assert figures['normal.odom.end_m'] < 0.2
    assert figures['normal.map.median_m'] < 0.6 and figures['normal.map.known'] > 0.9
    assert figures['normal.state.nominal'] == pytest.approx(24 / 25)
    assert len((tmp_path / 'normal_0.truth.tum').read_text().splitlines()) == 25
    assert len((tmp_path / 'normal_0.csv').read_text().splitlines()) == 26
    first = (tmp_path / 'normal_0.map.tum').read_bytes()
    evaluate(task)
    assert (tmp_path / 'normal_0.map.tum').read_bytes() == first


def test_a_localization_that_stands_still_is_seen_to_be_wrong():
    """Told 2 s of a drive with one sweep over and over: the error grows beyond what it tells."""
    steps = list(heard(Scenario(duration_s=2.0), 0))
    for step in steps:
        step.truth = steps[0].truth @ np.diag([1.0, 1.0, 1.0, 1.0])
        step.truth[0, 3] += 100.0 * (step.stamp_ns - START_NS) / SECOND_NS
    figures = in_all([over_sweeps(steps)])
    assert figures['odom.max_m'] > 50.0 and figures['odom.within_2_sigma'] < 0.6


def test_what_happens_on_the_way_is_what_the_scenario_says():
    back = [step.stamp_ns for step in heard(Scenario(duration_s=CLOCK_AT_S + 0.3, clock_s=-0.5), 0)]
    assert back[-3] - back[-4] == -4 * SECOND_NS // 10
    stop = [step.truth[:2, 3] for step in heard(Scenario(duration_s=3.0, stop_s=(0.0, 2.0)), 0)]
    assert np.linalg.norm(stop[20] - stop[0]) == 0.0 and np.linalg.norm(stop[-1] - stop[20]) > 0.1
    silent = list(heard(Scenario(duration_s=1.0, satellites=False), 0))
    assert not any(step.gnss for step in silent) and all(len(step.wheels) == 5 for step in silent)


def test_questions_that_make_no_sense_are_refused(tmp_path):
    with pytest.raises(DataError, match='--data simulated'):
        evaluate(Task(tmp_path, tmp_path))
    with pytest.raises(DataError, match='scenario=moon'):
        evaluate(Task(Path(SIMULATED), tmp_path, options={'scenario': 'moon'}))
    assert {'normal', 'tunnel', 'stop', 'missing', 'clock_forward', 'clock_back', 'multipath'} <= set(SCENARIOS)


def test_a_drawn_drive_of_what_was_reported_begins_as_it_did(tmp_path):
    told = json.loads((ROOT / 'docs/results/localization.json').read_text())
    name = str(np.random.default_rng(5).choice(told['items']))
    task = Task(Path(SIMULATED), tmp_path, limit=FIRST, only=(name,))
    again = evaluate(task).answers
    assert again[f'{name}.csv_{FIRST}'] == told['answers'][f'{name}.csv_{FIRST}']
