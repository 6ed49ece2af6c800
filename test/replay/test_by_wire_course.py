"""The reference drive by wire drives a course in the simulator: engage, faults, disengage; real processes."""

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('autoware_vehicle_msgs', reason='the messages of interfaces/ are built by make')
pytest.importorskip('embreex', reason='the course is driven in the simulator, which needs the extra sim')

from autonomy_nodes.evaluation.drive import Drive, Scenario, drive_live
from autonomy_nodes.evaluation.runlog import read_log
from autonomy_nodes.nodes.launcher import resolved

pytestmark = pytest.mark.live
STEPS = (
    'engage 0', 'dead_band 3', 'delay 3', 'mend dead_band 6', 'mend delay 6', 'lost_heartbeat 6',
    'mend lost_heartbeat 13', 'disengage 15',
)  # fmt: skip
SMALL = {
    'sim.simulation.cameras': (), 'camera.cameras': (), 'perception.cameras': (), 'sim.simulation.lidar.columns': 600,
    'operator.steps': STEPS,
}  # fmt: skip


def test_a_course_is_driven_through_engage_faults_and_disengage(tmp_path):
    scenario = Scenario('road', 0, duration_s=20.0, goal_m=400.0, by_wire=True)
    log = read_log(drive_live(Drive(tmp_path, scenario, resolved({}), SMALL)))
    told = [status.values for status in log if status.node == 'operator']
    done = [step.split(', ') for step in told[-1]['steps'].split('; ')]
    assert [what for what, *_ in done] == [step.rpartition(' ')[0] for step in STEPS]
    speed = {what: float(speed_mps) for what, _, speed_mps, _ in done}
    driver = {what: mode for what, *_, mode in done}
    assert speed['engage'] < 0.1 and {values['control_mode'] for values in told[:2]} <= {'MANUAL', 'unknown'}
    assert speed['dead_band'] > 1.0 and speed['mend dead_band'] > 1.0  # with dead band and delay it drives on
    assert speed['lost_heartbeat'] > 1.0 and speed['mend lost_heartbeat'] < 0.1  # without heartbeats it stops
    assert driver['mend lost_heartbeat'] == 'AUTONOMOUS' and speed['disengage'] > 0.5  # and drives on with them
    assert (told[-1]['control_mode'], float(told[-1]['speed_mps'])) == ('MANUAL', pytest.approx(0.0, abs=0.1))
    wires = {status.text for status in log if status.node == 'drive_by_wire'}
    assert {'the driver drives', 'the stack drives', 'brakes: the heartbeat of safety is lost'} <= wires
    sim = [status for status in log if status.node == 'sim'][-1]
    assert (sim.values['outcome'], sim.values['collisions']) == ('time over', '0')
