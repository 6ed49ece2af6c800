"""Recordings for tests: a few seconds of a simulated drive, as a vehicle would record them."""

from autonomy_nodes.common.settings import check_settings
from autonomy_nodes.evaluation.lockstep import Lockstep
from autonomy_nodes.messages.bags import BagWriter
from autonomy_nodes.nodes.launcher import resolved, settings_files
from autonomy_nodes.nodes.processes import TABLE, make

QUICK = {'sim.simulation.lidar.beams': '16', 'sim.simulation.lidar.columns': 900, 'sim.simulation.camera.width': 160,
         'sim.simulation.camera.height': 100}  # fmt: skip


class Recorder:
    """A sink that writes what the vehicle gives to a bag."""

    def __init__(self, bag):
        self.bag = bag

    def message(self, topic, now_ns, data):
        if topic.given_by in ('vehicle', 'people'):
            self.bag.write(topic.name, topic.type, now_ns, data, latched=topic.qos == 'latched')

    def status(self, status):
        """Not recorded."""


def record(path, seconds, family='road', seed=0, **more):
    """Record the sensors of a vehicle that rolls to a stop in a world of the simulator."""
    started = {'sim.wait_for_stack_s': 0.0, 'sim.simulation.start_standing': False}
    started |= {'sim.family': family, 'sim.seed': seed}
    sim = make('sim')
    files = settings_files(resolved({}))
    configs = check_settings(files, {'sim': sim.config_type}, TABLE, {**QUICK, **started, **more})
    with BagWriter(path) as bag:
        player = Lockstep([sim], configs, Recorder(bag))
        player.start(sim.start_ns)
        player.run_to(sim.start_ns + round(seconds * 1e9))
        player.close()
    return path
