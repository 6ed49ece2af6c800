"""The recorder: what it does where a recording lies already."""

from autonomy_nodes.common.status import Level
from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.evaluation.lockstep import Lockstep
from autonomy_nodes.messages.bags import Recording
from autonomy_nodes.messages.recording import unused
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
