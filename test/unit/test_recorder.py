"""The recorder: where it writes, what it makes clips of, what it does on a full disk."""

import errno
import json

import pytest

from autonomy_nodes.common.status import Level, Status
from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.evaluation.lockstep import Event, Lockstep
from autonomy_nodes.messages.bags import Recording
from autonomy_nodes.messages.clips import ClipSettings
from autonomy_nodes.messages.recording import unused
from autonomy_nodes.messages.topics import DIAGNOSTICS, EXTERNAL_OBJECTS, IMU, TWIST
from autonomy_nodes.messages.words import write_status
from autonomy_nodes.nodes.recorder_node import Recorder, RecorderSettings


class Sink:
    """Keeps statuses."""

    def __init__(self):
        self.statuses = []

    def message(self, topic, now_ns, data):
        """Forget it."""

    def status(self, status):
        self.statuses.append(status)


def recorded(path):
    sink = Sink()
    player = Lockstep([Recorder()], {'recorder': RecorderSettings(path=str(path))}, sink)
    player.start(0)
    player.run_to(3 * SECOND_NS)
    return player, sink.statuses


def test_a_free_path_is_taken_as_asked_and_told(tmp_path):
    player, statuses = recorded(tmp_path / 'drive.mcap')
    player.close()
    assert {status.level for status in statuses} == {Level.OK}
    assert statuses[0].values['path'] == str(tmp_path / 'drive.mcap')
    assert Recording(tmp_path / 'drive.mcap')


def test_a_recorder_that_starts_again_takes_another_name_and_says_so(tmp_path):
    killed = recorded(tmp_path / 'drive.mcap')  # the bag is never finished
    left = sorted((path, path.read_bytes()) for path in tmp_path.rglob('*') if path.is_file())
    player, statuses = recorded(tmp_path / 'drive.mcap')
    player.close()
    assert statuses[0].level is Level.WARN and f'this recording is {tmp_path / "drive-1.mcap"}' in statuses[0].text
    assert Recording(tmp_path / 'drive-1.mcap')
    assert [(path, path.read_bytes()) for path, _ in left] == left and killed
    assert unused(tmp_path / 'drive.mcap') == tmp_path / 'drive-2.mcap'


def test_a_folder_that_is_finished_is_not_written_to_again(tmp_path):
    recorded(tmp_path / 'drive')[0].close()
    assert unused(tmp_path / 'drive') == tmp_path / 'drive-1'


def modes(at_s, mode):
    stamp_ns = round(at_s * SECOND_NS)
    values = {'mode': mode, 'driver': 'AUTONOMOUS', 'engaged': 'true'}
    return Event(DIAGNOSTICS.name, stamp_ns, write_status(Status(stamp_ns, 'safety', Level.OK, mode, values=values)))


def clips_of(tmp_path, **more):
    clips = ClipSettings(folder=str(tmp_path / 'clips'), before_s=1.0, after_s=0.5)
    sink = Sink()
    config = RecorderSettings(path=str(tmp_path / 'bag'), whole=False, clips=clips, **more)
    player = Lockstep([Recorder()], {'recorder': config}, sink)
    player.start(0)
    return player, sink


def test_clips_alone_are_made_of_what_safety_says_and_no_bag(tmp_path):
    player, sink = clips_of(tmp_path)
    player.play([modes(step / 10, 'NOMINAL' if step < 30 else 'MRM') for step in range(1, 60)])
    player.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ['clips']
    told = json.loads((tmp_path / 'clips' / '000001_mode.json').read_text())
    assert [each['text'] for each in told['occasions']] == ['NOMINAL -> MRM']
    assert (told['before_s'], told['after_s'], told['messages_lost']) == (1.0, 0.5, 0)
    assert told['messages'][DIAGNOSTICS.name] > 16  # the recorder's own statuses are in it too
    values = sink.statuses[-1].values
    assert (values['clips'], values['memory_lost'], values['held_up'], values['clips_removed']) == ('1', '0', '0', '0')


def test_a_button_makes_a_clip_ends_it_and_does_not_make_the_same_again_at_once(tmp_path):
    player, _ = clips_of(tmp_path)
    press = player.seats['recorder'].switches['recorder/clip']
    player.play([modes(step / 10, 'NOMINAL') for step in range(1, 30)])
    assert press(True) == (True, f'a clip is written to {tmp_path / "clips"}')
    player.play([modes(3.2, 'NOMINAL')])
    assert press(False) == (True, 'the clip ends now')
    player.play([modes(step / 10, 'NOMINAL') for step in range(33, 60)])
    assert press(True) == (False, 'the last one was asked for less than clips.quiet_s=30 s ago')
    player.close()
    told = json.loads((tmp_path / 'clips' / '000001_button.json').read_text())
    assert (told['end_ns'], told['cut_short']) == (3.2 * SECOND_NS, '')


def test_a_full_disk_ends_the_bag_aloud_and_counts_what_is_not_written(tmp_path, monkeypatch):
    sink = Sink()
    player = Lockstep([Recorder()], {'recorder': RecorderSettings(path=str(tmp_path / 'bag'))}, sink)
    player.start(0)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr('autonomy_nodes.messages.bags.BagWriter.write', full)
    player.play([modes(step / 10, 'NOMINAL') for step in range(1, 15)])
    told = sink.statuses[-1]
    assert told.level is Level.ERROR and 'No space left on device' in told.text
    assert told.values['remedy'].startswith('free the disk and start the recorder again')
    assert told.values['not_written'] == '9'  # of 0.1 to 0.9 s, told at 1 s


def heard_by(tmp_path, **given):
    player = Lockstep([Recorder()], {'recorder': RecorderSettings(path=str(tmp_path / 'bag'), **given)}, Sink())
    topics = {topic for _, topic in player.seats['recorder'].ways_in}
    player.close()
    return topics


def test_external_detectors_are_recorded_by_their_own_names_and_topics_can_be_left_out(tmp_path):
    radar = EXTERNAL_OBJECTS.named('radar').name
    heard = heard_by(tmp_path, externals=('radar',), without=(IMU.name,))
    assert radar in heard and EXTERNAL_OBJECTS.named('front').name not in heard
    assert IMU.name not in heard and TWIST.name in heard
    with pytest.raises(ValueError, match="'imu'"):
        RecorderSettings(without=('imu',))
    with pytest.raises(ValueError, match='nothing to record'):
        RecorderSettings(whole=False)


def test_raw_sweeps_and_pictures_can_be_left_out(tmp_path):
    raw = {'sensing/lidar/top/pointcloud_raw', 'sensing/camera/front/image_raw/compressed'}
    assert raw <= heard_by(tmp_path / 'a') and raw.isdisjoint(heard_by(tmp_path / 'b', raw_sensors=False))
