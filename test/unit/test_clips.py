"""Clips of events: the seconds around them, in bounded memory and on a bounded disk, and nothing lost in silence."""

import errno
import json

import pytest

from autonomy_nodes.common.status import Level, Status
from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.messages.bags import Recording
from autonomy_nodes.messages.clips import MB, Clipper, ClipSettings, Occasion
from autonomy_nodes.messages.ring import OVERHEAD_BYTES, Heard, Ring
from autonomy_nodes.messages.topics import ODOMETRY, TF_STATIC
from autonomy_nodes.nodes.occasions import Occasions

STEP_NS = SECOND_NS // 10


def heard(at_s, size=100, topic=ODOMETRY):
    return Heard(topic, round(at_s * SECOND_NS), bytes([round(at_s * 10) % 256]) * size)


def clipper_of(folder, **given):
    return Clipper(ClipSettings(**{'folder': str(folder), 'before_s': 2.0, 'after_s': 1.0, **given}))


def occasion(kind='mode', at_s=0.0, outcome='MRM'):
    return Occasion(kind, round(at_s * SECOND_NS), outcome, f'{kind} became {outcome}', {'x': '1'})


def run(clipper, begin_s, end_s, occasions=None, size=100):
    """Ten messages a second, written on after each; return all words."""
    words = []
    for step in range(round(begin_s * 10), round(end_s * 10)):
        now_ns = step * STEP_NS
        clipper.take(Heard(ODOMETRY, now_ns, bytes([step % 256]) * size))
        for each in (occasions or {}).get(step, ()):
            clipper.note(each, now_ns)
        words += clipper.step(now_ns, 0.1)
    return words


def seconds_in(path):
    return [stamp_ns / SECOND_NS for _, _, stamp_ns, _ in Recording(path).messages()]


def test_the_ring_keeps_its_seconds():
    ring = Ring(1.0, 10 * MB)
    for step in range(31):
        ring.take(heard(step / 10))
    assert (ring.first, ring.end, ring.seconds) == (20, 31, 1.0)
    assert ring.bytes == 11 * (100 + OVERHEAD_BYTES) and not ring.lost


def test_the_ring_keeps_no_more_bytes_than_it_may_and_counts_what_went_early():
    ring = Ring(100.0, 4 * (100 + OVERHEAD_BYTES))
    for step in range(10):
        ring.take(heard(step))
    assert (ring.first, ring.end) == (6, 10)
    assert ring.lost == {ODOMETRY.name: 6} and ring.bytes == 4 * (100 + OVERHEAD_BYTES)


def test_messages_beyond_their_time_stay_while_they_are_needed():
    ring = Ring(1.0, 10 * MB)
    for step in range(30):
        ring.take(heard(step / 10), needed=5)
    assert ring.first == 5 and not ring.lost
    ring.take(heard(3.0), needed=None)
    assert ring.first == 20


def test_a_latched_message_is_known_after_its_time_and_once():
    ring = Ring(1.0, 10 * MB)
    ring.take(heard(0.0, topic=TF_STATIC))
    ring.take(Heard(TF_STATIC, SECOND_NS, heard(0.0, topic=TF_STATIC).data))
    for step in range(20, 40):
        ring.take(heard(step / 10))
    assert [each.receive_ns for each in ring.latched_before(3 * SECOND_NS)] == [SECOND_NS]


def test_a_clip_holds_the_seconds_around_its_event_and_why(tmp_path):
    clipper = clipper_of(tmp_path)
    clipper.take(heard(0.0, topic=TF_STATIC))
    run(clipper, 0.1, 10.0, {50: [occasion(at_s=4.0)]})
    assert sorted(path.name for path in tmp_path.iterdir()) == ['000001_mode.json', '000001_mode.mcap']
    path = tmp_path / '000001_mode.mcap'
    assert seconds_in(path) == [3.0, *(step / 10 for step in range(30, 61))]  # first of all /tf_static
    assert Recording(path).latched == {'/tf_static'}
    told = json.loads((tmp_path / '000001_mode.json').read_text())
    assert told['occasions'] == [
        {
            'kind': 'mode', 'outcome': 'MRM', 'stamp_ns': 4 * SECOND_NS, 'noted_ns': 5 * SECOND_NS,
            'text': 'mode became MRM', 'values': {'x': '1'},
        }
    ]  # fmt: skip
    assert (told['before_s'], told['after_s'], told['messages_lost'], told['cut_short']) == (2.0, 1.0, 0, '')
    assert told['messages'] == {'/tf_static': 1, ODOMETRY.name: 31} and told['bag'] == path.name


def test_an_event_while_a_clip_is_written_makes_it_longer_up_to_its_end(tmp_path):
    clipper = clipper_of(tmp_path, longest_s=4.0, quiet_s=0.0)
    run(clipper, 0.0, 12.0, {step: [occasion(at_s=step / 10, outcome=str(step))] for step in (50, 58, 66)})
    told = json.loads((tmp_path / '000001_mode.json').read_text())
    assert [each['outcome'] for each in told['occasions']] == ['50', '58', '66']
    assert seconds_in(tmp_path / '000001_mode.mcap')[-1] == 7.0  # 2 s before, no more than 4 s in all
    assert clipper.made == 1


def test_an_event_like_one_of_lately_makes_no_other_clip_and_is_counted(tmp_path):
    clipper = clipper_of(tmp_path, quiet_s=30.0)
    same, other = [occasion()], [occasion(outcome='NOMINAL')]
    run(clipper, 0.0, 40.0, {50: same, 100: same, 200: other, 360: same})
    assert (clipper.made, clipper.passed_over) == (3, 1)


def test_kinds_that_are_not_asked_for_make_none(tmp_path):
    clipper = clipper_of(tmp_path, kinds=('button',))
    run(clipper, 0.0, 8.0, {30: [occasion()]})
    assert clipper.made == 0 and not list(tmp_path.iterdir())


def test_the_oldest_clips_go_first_and_that_is_told(tmp_path):
    clipper = clipper_of(tmp_path, disk_mb=1, quiet_s=0.0)
    noise = {step: [occasion(outcome=str(step))] for step in (40, 100, 160)}
    words = []
    import random

    source = random.Random(3)
    for step in range(200):
        now_ns = step * STEP_NS
        clipper.take(Heard(ODOMETRY, now_ns, source.randbytes(20_000)))  # 31 of them are 620 kB: one clip fits, not two
        for each in noise.get(step, ()):
            clipper.note(each, now_ns)
        words += clipper.step(now_ns, 0.1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['000003_mode.json', '000003_mode.mcap']
    assert (clipper.made, clipper.removed) == (3, 2) and clipper.disk_bytes() < 1 * MB
    assert [word.split(' (')[0] for word in words] == ['clip 000001_mode', 'clip 000002_mode']
    assert all(word.endswith('was removed: clips.disk_mb is reached') for word in words)


def test_a_clip_that_would_fill_the_disk_alone_is_cut_short_and_says_so(tmp_path):
    clipper = clipper_of(tmp_path, disk_mb=1, memory_mb=8)
    run(clipper, 0.0, 8.0, {40: [occasion()]}, size=100_000)
    told = json.loads((tmp_path / '000001_mode.json').read_text())
    assert told['cut_short'] == 'it alone reached clips.disk_mb=1' and told['messages'][ODOMETRY.name] == 10


def test_memory_that_is_too_small_for_a_clip_is_counted_in_it(tmp_path):
    clipper = clipper_of(tmp_path, memory_mb=1, before_s=5.0)
    run(clipper, 0.0, 10.0, {50: [occasion()]}, size=99_800)  # ten of them fill the memory: a second
    told = json.loads((tmp_path / '000001_mode.json').read_text())
    assert told['before_s'] == pytest.approx(0.9) and clipper.lost[ODOMETRY.name] > 0


def test_writing_is_spread_over_time_and_loses_nothing(tmp_path):
    clipper = clipper_of(tmp_path, write_mb_s=0.05)  # 5 kB a step, where 1.2 kB come: four messages
    clipper_words = run(clipper, 0.0, 5.1, {50: [occasion()]}, size=1000)
    assert clipper.made == 0 and not clipper_words
    run(clipper, 5.1, 9.0, size=1000)
    assert seconds_in(tmp_path / '000001_mode.mcap') == [step / 10 for step in range(30, 61)]


def test_a_full_disk_loses_the_clip_and_says_what_to_do(tmp_path, monkeypatch):
    clipper = clipper_of(tmp_path)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr('autonomy_nodes.messages.bags.BagWriter.write', full)
        words = run(clipper, 0.0, 4.0, {30: [occasion()]})
    assert clipper.failed == 1 and len(words) == 1
    assert words[0].startswith('000001_mode.mcap was lost: [Errno 28] No space left on device; free the disk below')
    run(clipper, 4.0, 12.0, {60: [occasion('button')]})
    assert clipper.made == 1 and (tmp_path / '000002_button.mcap').exists()


def test_time_that_jumps_back_ends_the_clip_and_what_was_before_is_not_in_the_next(tmp_path):
    clipper = clipper_of(tmp_path)
    run(clipper, 0.0, 5.5, {50: [occasion()]})
    run(clipper, 1.0, 6.0, {20: [occasion()]})
    first, second = (json.loads((tmp_path / f'00000{number}_mode.json').read_text()) for number in (1, 2))
    assert (first['cut_short'], first['after_s']) == ('time jumped back', 0.4)
    assert second['before_s'] == 1.0 and second['cut_short'] == ''


def test_numbers_go_on_and_what_a_crash_left_is_told(tmp_path):
    (tmp_path / '000007_mode.mcap.part').mkdir()
    clipper = clipper_of(tmp_path)
    words = run(clipper, 0.0, 9.0, {50: [occasion()]})
    assert words == ['000007_mode.mcap.part was broken off; `mcap recover` may save what is in it']
    assert (tmp_path / '000008_mode.mcap').exists()


@pytest.mark.parametrize(
    'given, told',
    [
        ({'kinds': ('mood',)}, 'mood'),
        ({'before_s': -1.0}, 'negative'),
        ({'longest_s': 1.0}, 'longest_s=1.0'),
        ({'disk_mb': 0}, 'at least 1'),
        ({'write_mb_s': 0.0}, 'above 0'),
    ],
)
def test_nonsense_is_refused(given, told):
    with pytest.raises(ValueError, match=told):
        ClipSettings(**given)


def safety(mode, driver='AUTONOMOUS'):
    return Status(1, 'safety', Level.OK, mode, values={'mode': mode, 'driver': driver})


def kinds(occasions, *statuses):
    return [(each.kind, each.outcome) for status in statuses for each in occasions.of(status)]


def test_a_change_of_mode_is_an_occasion_the_first_one_out_of_init_is_none():
    told = kinds(Occasions(), *map(safety, ('INIT', 'NOMINAL', 'NOMINAL', 'DEGRADED', 'MRM', 'NOMINAL')))
    assert told == [('mode', 'DEGRADED'), ('mode', 'MRM'), ('mode', 'NOMINAL')]


def test_a_driver_who_takes_over_is_an_occasion_silence_about_drivers_is_none():
    drivers = ('MANUAL', 'AUTONOMOUS', 'unknown', 'AUTONOMOUS', 'MANUAL', 'AUTONOMOUS')
    assert kinds(Occasions(), *(safety('NOMINAL', driver) for driver in drivers)) == [('takeover', 'MANUAL')]


def perception(rung, cap=None, alarmed=False):
    values = {'rung': rung} | ({'speed_cap_mps': cap} if cap else {}) | ({'alarmed': 'true'} if alarmed else {})
    return Status(1, 'perception', Level.OK, 'running', values=values)


def test_channels_that_begin_to_disagree_and_a_step_down_the_ladder_are_occasions():
    steps = [
        perception('fused'), perception('fused', alarmed=True), perception('fused', alarmed=True), perception('fused'),
        perception('cameras', '5.50'), perception('geometric', '14.00'), perception('fused'),
    ]  # fmt: skip
    assert kinds(Occasions(), *steps) == [('disagreement', 'alarmed'), ('uncertainty', 'perception_cameras')]


def test_a_pose_that_is_lost_is_an_occasion_each_step_down():
    states = ('INIT', 'NOMINAL', 'DEAD_RECKONING', 'DEAD_RECKONING', 'LOST', 'NOMINAL', 'LOST')
    statuses = [Status(1, 'localization', Level.OK, state, values={'state': state}) for state in states]
    assert [outcome for _, outcome in kinds(Occasions(), *statuses)] == [
        'localization_DEAD_RECKONING', 'localization_LOST', 'localization_LOST',
    ]  # fmt: skip
