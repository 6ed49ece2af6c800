"""A drive through a crossing with lights: the vehicle waits at red, before its line, and goes on at green."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip('embreex', reason='the simulator needs the extra sim')

from autonomy_nodes.common.lanes import Light
from autonomy_nodes.evaluation.drive import Drive, Scenario
from autonomy_nodes.evaluation.replay import Setup, lockstep
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.motion import read_ego
from autonomy_nodes.messages.words import read_decision
from autonomy_nodes.nodes import sim_node
from autonomy_nodes.nodes.launcher import resolved, settings_files
from autonomy_nodes.sim.scenes import made

SEED = 7  # straight on over a crossing with lights; ours is red until 16 s, then green for 12 s
DRIVE_S = 20.0


class Notes:
    """Notes where the vehicle truly is, and what it says of lines."""

    def __init__(self):
        self.rows, self.reasons = [], []

    def message(self, topic, now_ns, data):
        if topic is topics.TRUTH_EGO:
            ego = read_ego(data, frame='map')
            self.rows.append((ego.stamp_ns, *ego.position_m[:2], ego.speed_mps))
        elif topic is topics.DECISION:
            self.reasons.append(read_decision(data).reason)

    def status(self, status):
        pass


@pytest.fixture(scope='module')
def drive(tmp_path_factory):
    out = tmp_path_factory.mktemp('drive')
    quick = {'sim.simulation.lidar.columns': 600, 'sim.simulation.camera.rate_hz': 0.5}
    prepared = Drive(out, Scenario('junction', SEED, 60.0), resolved({}), quick).prepared()
    notes = Notes()
    more = {**prepared.settings, 'sim.wait_for_stack_s': 0.0}
    with pytest.MonkeyPatch.context() as patch:  # nobody else is there, so that only the light can stop us
        patch.setattr(sim_node, 'made', lambda *which: replace(made(*which), actors=()))
        player = lockstep(Setup(settings_files(prepared.arguments), more, extra=('sim', 'control')), notes)
    try:
        start_ns = player.stages[-1].start_ns
        player.start(start_ns)
        player.run_to(start_ns + round(DRIVE_S * 1e9))
    finally:
        player.close()
    rows = np.array(notes.rows)
    rows[:, 0] = (rows[:, 0] - start_ns) / 1e9
    return rows, notes.reasons


def ours():
    """Return our lane's light and the middle of its stop line."""
    world = made('junction', SEED)
    lanes, start = world.lanes, np.array(world.task.start[:2])
    lane = min(
        (lane for lane in lanes.lanes.values() if lane.signal),
        key=lambda lane: np.linalg.norm(lanes.centre(lane.id)[:, :2] - start, axis=1).min(),
    )
    return lanes.signals[lane.signal], lanes.borders[lane.stop_line].points[:, :2].mean(axis=0), world.task.start[2]


def test_it_waits_at_red_before_the_line_and_passes_it_at_green(drive):
    rows, reasons = drive
    light, line, heading = ours()
    ahead = (line - rows[:, 1:3]) @ np.array([np.cos(heading), np.sin(heading)]) - 3.6  # of the front bumper
    red = np.array([light.colour(time_s) == Light.RED for time_s in rows[:, 0]])
    assert red.any() and not red.all()
    assert ahead[red].min() > 0.0
    waits = red & (rows[:, 3] < 0.3) & (ahead < 4.0)
    assert waits.sum() >= 5  # of truth, ten a second: it comes to a stop just before the light changes
    assert rows[red][-1, 3] < 0.1  # and stands when it changes
    assert any('its light is red' in reason for reason in reasons)
    assert ahead[-1] < 0.0
    crossed = rows[np.argmax(ahead < 0.0), 0]
    assert light.colour(crossed) == Light.GREEN
