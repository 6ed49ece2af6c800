"""The same recording live, in real processes over the real middleware, and in lockstep: the same answers."""

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('autoware_planning_msgs', reason='the messages of interfaces/ are built by make')
pytest.importorskip('embreex', reason='the recording comes from the simulator, which needs the extra sim')

import numpy as np
from recordings import record

from autonomy_nodes.commands.main import main
from autonomy_nodes.common.sensing import PointCloud, Transforms
from autonomy_nodes.common.status import Mode
from autonomy_nodes.evaluation.compare import compare
from autonomy_nodes.evaluation.live import LiveRun, run_live
from autonomy_nodes.evaluation.replay import Setup, replay, sensors_of
from autonomy_nodes.evaluation.report_numbers import summarise
from autonomy_nodes.evaluation.runlog import read_log
from autonomy_nodes.messages.bags import BagWriter
from autonomy_nodes.messages.clouds import write_cloud
from autonomy_nodes.messages.motion import write_transforms
from autonomy_nodes.messages.topics import LIDAR_RAW, TF_STATIC
from autonomy_nodes.nodes.launcher import resolved, settings_files
from autonomy_nodes.nodes.processes import TABLE

pytestmark = pytest.mark.live
SHARE = 0.95


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    return record(tmp_path_factory.mktemp('bag') / 'drive', 6.0)


def test_live_and_lockstep_give_the_same_on_nearly_all_stamps(bag, tmp_path):
    settings = {**sensors_of(bag), 'player.bag': str(bag)}
    live = run_live(LiveRun(tmp_path / 'live', resolved({}), 'player', settings, timeout_s=180.0))
    still = replay(bag, tmp_path / 'still', Setup(settings_files(resolved({}))))
    found = compare(still, live)
    told = '\n'.join(f'{one.stamp_ns}: {one.what} ({one.cause})' for one in found.differences)
    print(f'{found.equal} of {found.stamps} stamps equal\n{told}')
    assert found.stamps >= 50
    assert found.share >= SHARE, told
    assert main(['compare', str(still), str(live)]) == 0
    figures = summarise(live)
    assert figures['frames.in'] == 60 and figures['frames.out'] >= SHARE * 58
    assert figures['latency_ms.sweep_to_trajectory.p50'] > 0.0


def test_a_process_that_is_killed_is_missed_and_comes_back(bag, tmp_path):
    killed = []

    def watch(seconds, launcher):
        if seconds > 12.0 and not killed:
            killed.append(next(member for member in launcher.members if member.name == 'foresight'))
            killed[0].running.kill()

    settings = {'player.bag': str(bag), 'player.rate': 0.15, 'player.wait_for_stack_s': 0.0}
    live = run_live(LiveRun(tmp_path / 'live', resolved({}), 'player', settings, timeout_s=180.0), watch)
    assert killed[0].respawns == 1
    told = [status for status in read_log(live) if status.node == 'safety' and 'mode' in status.values]
    modes = [status.values['mode'] for status in told]
    lost = next(k for k, status in enumerate(told) if 'tracking lost' in status.text)
    assert modes[lost] in (Mode.MRM.value, Mode.EMERGENCY.value)
    assert Mode.NOMINAL.value in modes[:lost] and Mode.NOMINAL.value in modes[lost:]


def test_of_a_hundred_sweeps_of_two_megabytes_none_is_lost(tmp_path):
    random = np.random.default_rng(0)
    sweeps = 100
    with BagWriter(tmp_path / 'bag') as bag:
        mount = Transforms(0, {('base_link', 'lidar_top'): np.eye(4)})
        bag.write(TF_STATIC.name, TF_STATIC.type, 10**9, write_transforms(mount), latched=True)
        for k in range(sweeps):
            xyz = random.uniform(-60.0, 60.0, (120_000, 3)).astype(np.float32)
            ring = np.zeros(len(xyz), np.uint16)
            cloud = PointCloud(10**9 + k * 10**8, 'lidar_top', xyz, np.zeros(len(xyz), np.float32), ring)
            topic = LIDAR_RAW.named('top')
            bag.write(topic.name, topic.type, cloud.stamp_ns, write_cloud(cloud))
    others = [name for name in TABLE if name not in ('lidar', 'recorder', 'player')]
    settings = {'player.bag': str(tmp_path / 'bag'), 'player.wait_for_stack_s': 0.0}
    live = run_live(LiveRun(tmp_path / 'live', resolved({}), 'player', settings, without=others, timeout_s=120.0))
    steps = [status for status in read_log(live) if status.node == 'lidar' and status.lineage]
    assert len(steps) == sweeps
