"""The log of a run and the figures that are made of it."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autonomy_nodes.common.status import Level, Status
from autonomy_nodes.common.types import DataError
from autonomy_nodes.common.vehicle import Mount, Trailer, Vehicle
from autonomy_nodes.evaluation.report_numbers import (
    drops,
    faults,
    figures,
    frames_in,
    latencies,
    mode_changes,
    mode_seconds,
    summarise,
    words,
)
from autonomy_nodes.evaluation.runlog import Run, RunLog, log_line, read_log, read_run, read_timing, write_run
from autonomy_nodes.messages.topics import CLOUD, MAP_PRIOR, OBJECTS, ODOMETRY, PLANNED, PREDICTIONS, TERRAIN, TRACKS

SECOND = 1_000_000_000
TEXT = st.text(max_size=20)
STATUSES = st.builds(
    Status, st.integers(0, 2**62), TEXT, st.sampled_from(Level), TEXT, st.dictionaries(TEXT, st.integers(0, 2**62)),
    st.dictionaries(TEXT, st.integers(0, 1000)), st.dictionaries(TEXT, TEXT),
)  # fmt: skip


def status(node, at, lineage=(), values=(), dropped=(), level=Level.OK):
    return Status(at, node, level, '', dict(lineage), dict(dropped), dict(values))


def mode(at, name):
    return status('safety', at, values={'mode': name})


def test_a_line_of_the_log_has_sorted_keys_and_tells_how_old_each_input_was():
    inputs = {'b': 2 * SECOND, 'a': SECOND}
    line = log_line(Status(2 * SECOND, 'planning', Level.WARN, 'slow', inputs, {'a': 3}, {'k': 'v'}, 9.9))
    assert line == (
        '{"ages_ms":{"a":1000.0,"b":0.0},"drops":{"a":3},"inputs":{"a":1000000000,"b":2000000000},"level":"WARN",'
        '"stage":"planning","stamp_ns":2000000000,"text":"slow","values":{"k":"v"}}\n'
    )


def test_two_runs_that_differ_only_in_time_leave_the_same_log(tmp_path):
    for name, duration_ms in (('one', 1.0), ('two', 7.5)):
        with RunLog(tmp_path / name) as log:
            log.note(replace(status('lidar', 5), duration_ms=duration_ms), latency_ms=2 * duration_ms)
    assert (tmp_path / 'one/log.jsonl').read_bytes() == (tmp_path / 'two/log.jsonl').read_bytes()
    assert read_timing(tmp_path / 'two') == [('lidar', 5, 7.5, 15.0)]


def test_how_long_the_parts_of_a_step_took_stands_in_the_timing_alone(tmp_path):
    with RunLog(tmp_path) as log:
        log.note(replace(status('perception', 5), duration_ms=9.0, parts_ms={'ground': 5.1234}))
    assert json.loads((tmp_path / 'timing.jsonl').read_text())['parts_ms'] == {'ground': 5.123}
    assert 'ground' not in (tmp_path / 'log.jsonl').read_text()


@settings(deadline=None)
@given(STATUSES)
def test_the_log_gives_back_every_status_but_its_duration(tmp_path_factory, told):
    folder = tmp_path_factory.mktemp('log')
    with RunLog(folder) as log:
        log.note(replace(told, duration_ms=3.0))
    assert read_log(folder) == [told]


def test_half_a_line_at_the_end_of_a_run_that_was_cut_off_is_left_out(tmp_path):
    (tmp_path / 'log.jsonl').write_text(log_line(status('lidar', 1)) + log_line(status('lidar', 2))[:30])
    assert [each.stamp_ns for each in read_log(tmp_path)] == [1]


@pytest.mark.parametrize(
    'text, reason',
    [('{"stage":"a"}\n', 'log.jsonl:1 lacks'), ('not json\n', 'log.jsonl:1 is not JSON'), ('[1]\n', 'no.* object')],
)
def test_a_broken_log_is_refused_with_the_line(tmp_path, text, reason):
    (tmp_path / 'log.jsonl').write_text(text)
    with pytest.raises(DataError, match=reason.replace('no.* object', 'is not a JSON object')):
        read_log(tmp_path)


def test_a_folder_without_a_log_is_refused_by_name(tmp_path):
    with pytest.raises(DataError, match='log.jsonl is missing'):
        summarise(tmp_path)


def test_what_was_run_is_read_back_with_the_sizes_of_the_vehicle(tmp_path):
    body = Vehicle(trailer=Trailer(present=True), mounts={'front': Mount('cam', (1.0, 0.0, 2.0))})
    run = Run('yard', 'truck', 'autonomy drive yard', 'abc', 'live', 12.5, 100, body)
    write_run(tmp_path, run)
    assert read_run(tmp_path) == run


def test_a_run_in_an_unknown_mode_is_refused(tmp_path):
    (tmp_path / 'run.json').write_text('{"mode": "dream"}')
    with pytest.raises(DataError, match="mode='dream' must be lockstep or live"):
        read_run(tmp_path)


def test_each_mode_lasts_until_the_next_is_said_and_the_last_to_the_end():
    log = [mode(0, 'INIT'), mode(2 * SECOND, 'NOMINAL'), mode(3 * SECOND, 'NOMINAL'), mode(5 * SECOND, 'MRM')]
    spent = mode_seconds([*log, status('lidar', 9 * SECOND)])
    assert spent == {'INIT': 2.0, 'NOMINAL': 3.0, 'DEGRADED': 0.0, 'MRM': 4.0, 'EMERGENCY': 0.0}


def test_a_plan_judged_late_does_not_turn_the_time_of_modes_back():
    log = [mode(10, 'NOMINAL'), mode(15, 'NOMINAL'), mode(8, 'DEGRADED'), mode(20, 'DEGRADED')]
    assert mode_changes(log) == [(10, 'NOMINAL'), (15, 'DEGRADED')]


def test_drops_are_counted_across_a_new_start_of_the_node():
    counts = [1, 4, 0, 2]  # respawned before the third
    log = [status('lidar', at, dropped={'raw': count}) for at, count in enumerate(counts)]
    assert drops([*log, status('camera', 9, dropped={'raw': 5})]) == {'raw': 4 + 2 + 5}


def test_a_fault_counts_once_each_time_it_begins():
    told = ['F02', 'F02,F06', '', 'F02']
    log = [status('lidar', at, values={'fault': text}) for at, text in enumerate(told)]
    assert faults(log) == [(0, 'F02'), (1, 'F06'), (3, 'F02')]


def sweep(at):
    """Return the steps of one sweep, wired as in the stack."""
    return [
        status('lidar', at, {'sensing/lidar/top/pointcloud_raw': at}),
        status('localization', at, {CLOUD.name: at}),
        status('perception', at, {CLOUD.name: at, ODOMETRY.name: at, MAP_PRIOR.name: at - 1}),
        status('tracking', at, {OBJECTS.name: at}),
        status('prediction', at, {TRACKS.name: at}),
        status('map', at, {ODOMETRY.name: at}),
        status('planning', at, {PREDICTIONS.name: at, TERRAIN.name: at, ODOMETRY.name: at}),
        status('safety', at, {PLANNED.name: at}),
    ]


DURATIONS = {
    'lidar': 2, 'localization': 7, 'perception': 5, 'tracking': 1, 'prediction': 1, 'map': 90, 'planning': 4,
    'safety': 1,
}  # fmt: skip


def test_in_lockstep_a_sweep_takes_the_longest_chain_of_steps_and_the_map_is_not_on_it():
    timing = [(node, 7, float(took), None) for node, took in DURATIONS.items()]
    found = latencies(Run(), sweep(7), timing)
    assert found['latency_ms.sweep_to_trajectory.max'] == 2 + 7 + 5 + 1 + 1 + 4 + 1
    assert found['latency_ms.map.p50'] == 90


def test_a_value_of_an_earlier_sweep_does_not_lengthen_the_chain():
    log = [*sweep(7), replace(sweep(8)[-1], lineage={PLANNED.name: 8, TERRAIN.name: 7})]
    timing = [('safety', 8, 3.0, None), ('perception', 7, 50.0, None)]
    assert latencies(Run(), log, timing)['latency_ms.sweep_to_trajectory.p50'] == 3.0


def test_live_a_sweep_takes_until_safety_sent_its_trajectory():
    log = [*sweep(7), mode(9, 'NOMINAL')]
    timing = [('safety', 7, 1.0, 80.0), ('safety', 9, 1.0, 500.0), ('lidar', 7, 1.0, 20.0)]
    found = latencies(Run(mode='live'), log, timing)
    assert found['latency_ms.sweep_to_trajectory.max'] == 80.0
    assert found['latency_ms.lidar.p95'] == 20.0


def test_a_frame_came_out_only_where_safety_let_its_plan_out():
    modes = {7: 'NOMINAL', 8: 'DEGRADED', 9: 'MRM', 10: 'NOMINAL'}
    log = [replace(each, values={'mode': modes[at]}) for at in modes for each in sweep(at)]
    log.append(status('sim', 12, {PLANNED.name: 8}))  # reads plans too, and judges none
    sent_ns = [7, 7, 8, 9, 9_500]  # 9: a stop that has the stamp of a plan by chance; 9500: one at a time of its own
    found = figures(Run(), log, [], sent_ns)
    assert (found['frames.in'], found['frames.planned'], found['frames.out']) == (4, 4, 2)


def test_frames_come_from_cameras_where_there_is_no_lidar():
    assert frames_in([status('camera', at, {'image': at}) for at in range(4)] + [status('camera', 9)]) == 4


def test_the_figures_of_a_drive_are_flat_numbers(tmp_path):
    told = {'goal_reached': 'true', 'collisions': '2', 'progress_m': '81.25'}
    log = [status('sim', SECOND, values={'progress_m': '3.0'}), status('sim', 5 * SECOND, values=told)]
    with RunLog(tmp_path) as out:
        for each in log:
            out.note(each)
    write_run(tmp_path, Run(wall_s=2.0))
    found = summarise(tmp_path)
    assert json.loads((tmp_path / 'report.json').read_text()) == found
    assert (found['goal_reached'], found['collisions'], found['progress_m']) == (1, 2, 81.25)
    assert found['real_time_factor'] == 2.0
    assert all(type(value) in (int, float) for value in found.values())
    assert 'frames.out' not in found  # no bag, so nobody knows


def test_figures_for_a_person_tell_what_happened_and_no_zeros():
    found = {f'latency_ms.lidar.{share}': value for share, value in (('p50', 5.0), ('p95', 9.25), ('max', 14.0))}
    found |= {'frames.in': 39, 'drops.a': 0, 'mode_s.MRM': 0.0}
    lines = words(found)
    assert lines[0].split() == ['latency', '[ms]', 'p50', 'p95', 'max']
    assert lines[1].split() == ['lidar', '5.0', '9.2', '14.0']
    assert lines[2:] == ['frames.in  39', 'no message was dropped']
    assert words(found | {'drops.b': 2})[2:] == ['frames.in  39', 'drops.b    2']
