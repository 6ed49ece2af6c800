"""Parts of recordings: `autonomy clip` and `autonomy bag`."""

import json

import pytest
import samples
from message_samples import SMALL

from autonomy_nodes.commands.main import main
from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.bags import BagError, BagWriter, Recording
from autonomy_nodes.messages.cutting import cut, moment
from autonomy_nodes.messages.motion import write_ego, write_transforms

START_NS = 1_700_000_000 * SECOND_NS
EGO, STATIC = '/' + topics.ODOMETRY.name, topics.TF_STATIC.name


@pytest.fixture
def run(tmp_path):
    """What a run leaves: 20 s of odometry at 10 Hz but for a second at 5 s, mounts at its start."""
    (tmp_path / 'run').mkdir()
    with BagWriter(tmp_path / 'run' / 'outputs.mcap') as bag:
        bag.write(STATIC, topics.TF_STATIC.type, START_NS, write_transforms(SMALL['transforms'][1]), latched=True)
        for step in range(201):
            at_ns = START_NS + step * SECOND_NS // 10
            if not 50 < step < 60:
                bag.write(topics.ODOMETRY.name, topics.ODOMETRY.type, at_ns, write_ego(samples.ego(at_ns)))
    return tmp_path / 'run'


def seconds(path, topic=EGO):
    return [(stamp_ns - START_NS) / SECOND_NS for _, _, stamp_ns, _ in Recording(path).messages([topic])]


def test_a_clip_of_a_run_holds_the_seconds_around_a_moment_and_what_is_latched(run, tmp_path, capsys):
    out = tmp_path / 'why.mcap'
    words = ['--at', '10', '--before', '2', '--after', '1', '--why', 'it braked', '--out', str(out)]
    assert main(['clip', str(run), *words]) == 0
    assert seconds(out) == [step / 10 for step in range(80, 111)] and seconds(out, STATIC) == [8.0]
    told = json.loads(out.with_suffix('.json').read_text())
    assert (told['before_s'], told['after_s'], told['messages']) == (2.0, 1.0, {EGO: 31, STATIC: 1})
    assert told['occasions'][0]['text'] == 'it braked' and told['source'] == 'run'
    assert '3.0 s, 32 messages of 2 topics' in capsys.readouterr().out


def test_a_clip_ends_where_the_recording_ends_and_lies_beside_it(run):
    assert main(['clip', str(run), '--at', '19.5']) == 0
    out = run.with_name('run_clip_19.5s.mcap')
    assert seconds(out)[0] == 9.5 and seconds(out)[-1] == 20.0
    assert json.loads(out.with_suffix('.json').read_text())['after_s'] == pytest.approx(0.5)


@pytest.mark.parametrize('told, second', [(3.5, 3.5), (0.0, 0.0), (START_NS + 4.0 * SECOND_NS, 4.0)])
def test_a_moment_is_told_in_seconds_or_as_a_stamp(run, told, second):
    assert moment(Recording(run / 'outputs.mcap'), told) == START_NS + round(second * SECOND_NS)


@pytest.mark.parametrize(
    'words, told',
    [
        (['clip', '--at', '99'], '99 is not in'),
        (['clip', '--at', '3', '--before', '-1'], 'must not be negative'),
        (['clip', '--at', '3', '--out', 'folder'], 'ends with .mcap'),
        (['bag', 'cut', '--out', 'x', '--topic', 'imu'], 'has no topics imu; `autonomy bag info` lists them'),
        (['bag', 'cut', '--out', 'x', '--from', '5', '--to', '4'], '--to 4 is before --from 5'),
    ],
)
def test_nonsense_is_refused_on_one_line(run, monkeypatch, tmp_path, capsys, words, told):
    monkeypatch.chdir(tmp_path)
    place = 2 if words[0] == 'bag' else 1
    assert main([*words[:place], str(run), *words[place:]]) == 2
    assert told in capsys.readouterr().err


def test_a_cut_takes_the_topics_and_seconds_that_are_asked_for(run, tmp_path):
    words = ['bag', 'cut', str(run), '--from', '1', '--to', '2', '--topic', EGO]
    assert main([*words, '--out', str(tmp_path / 'ego')]) == 0
    assert Recording(tmp_path / 'ego').types == {EGO: topics.ODOMETRY.type}
    assert seconds(tmp_path / 'ego') == [step / 10 for step in range(10, 21)]
    assert main(['bag', 'cut', str(run), '--without', EGO, '--out', str(tmp_path / 'rest')]) == 0
    assert list(Recording(tmp_path / 'rest').types) == [STATIC]


def test_a_cut_of_nothing_leaves_nothing(run, tmp_path):
    recording = Recording(run / 'outputs.mcap')
    silent = (START_NS + 51 * SECOND_NS // 10, START_NS + 59 * SECOND_NS // 10)
    with pytest.raises(BagError, match='nothing was received in that time'):
        cut(recording, tmp_path / 'none.mcap', *silent, topics=[EGO])
    assert not (tmp_path / 'none.mcap').exists()


def test_info_tells_counts_rates_and_the_longest_silence(run, capsys):
    assert main(['bag', 'info', str(run)]) == 0
    head, _, columns, *rows = capsys.readouterr().out.splitlines()
    assert '20.0 s from 2023-11-14 22:13:20 UTC, 193 messages' in head
    assert columns.split()[:3] == ['topic', 'count', 'Hz']
    ego, static = ([row for row in rows if row.startswith(name)][0].split() for name in (EGO, STATIC))
    assert ego[1:4] == ['192', '9.6', '1.00'] and ego[-1] == topics.ODOMETRY.type
    assert static[1:4] == ['1', '0.0', '0.00'] and static[-1] == 'latched'
