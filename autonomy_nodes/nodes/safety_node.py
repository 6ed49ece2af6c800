"""Safety node: owns the mode, and alone publishes the trajectory to drive."""

from autonomy_nodes.common.status import Heartbeat, Level, Mode, remedy_of
from autonomy_nodes.common.types import Trajectory
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.clouds import read_cloud
from autonomy_nodes.messages.grids import read_grid
from autonomy_nodes.messages.motion import read_control_mode, read_ego
from autonomy_nodes.messages.objects import read_tracked
from autonomy_nodes.messages.trajectory import read_trajectory, write_trajectory
from autonomy_nodes.messages.words import read_heartbeat, read_status, read_words, write_mrm_state
from autonomy_nodes.nodes.port import Join, Port, Stage
from autonomy_nodes.safety.supervisor import SafetySettings, Supervisor, Surroundings, Verdict

TICK_S = 0.05
NO_PLAN = 'look at the diagnostics of planning and of the nodes that feed it: the first that is not OK is it'
LEVELS = {Mode.NOMINAL: Level.OK, Mode.INIT: Level.OK, Mode.DEGRADED: Level.WARN}


class Safety(Stage):
    """Each plan is judged when it comes; a tick judges the silence and drives a stop on."""

    name = 'safety'
    config_type = SafetySettings

    def build(self, port: Port, config: SafetySettings) -> None:
        """Connect the supervisor."""
        self.port, self.supervisor = port, Supervisor(config)
        self.trajectory_out = port.publisher(topics.TRAJECTORY)
        self.mrm_out = port.publisher(topics.MRM_STATE)
        self.ego = port.latest(topics.ODOMETRY_PREDICTED, read_ego)
        self.obstacles = port.latest(topics.OBSTACLES, read_cloud)
        self.terrain = port.latest(topics.TERRAIN, read_grid)
        self.tracks = port.latest(topics.TRACKS, read_tracked)
        self.integrity = port.latest(topics.INTEGRITY, read_words)
        self.map_health = port.latest(topics.MAP_HEALTH, read_words)
        self.environment = port.latest(topics.ENVIRONMENT, read_words)
        self.control_mode = port.latest(topics.CONTROL_MODE, read_control_mode)
        port.each(topics.HEARTBEAT, read_heartbeat, self.beat)
        port.each(topics.DIAGNOSTICS, read_status, self.supervisor.health.told)
        port.trigger(topics.PLANNED, read_trajectory, self.consider, join=(Join(topics.CONTINGENCY, read_trajectory),))
        port.every(TICK_S, self.watch)
        port.switch('system/engage', self.supervisor.engage)

    def beat(self, heartbeat: Heartbeat) -> None:
        """Note that a node lives, by our clock: a simulator's and a sensor's may differ."""
        self.supervisor.health.beat(heartbeat.node, self.port.now_ns())

    def consider(self, plan: Trajectory, contingency: Trajectory | None) -> None:
        """Judge a plan."""
        self.carry(self.supervisor.consider(plan, contingency, self.around(), self.port.now_ns()))

    def watch(self, now_ns: int) -> None:
        """Judge the silence; between plans nothing is sent in NOMINAL, a stop is driven on in MRM."""
        verdict = self.supervisor.watch(self.around(), now_ns)
        self.mrm_out.publish(write_mrm_state(now_ns, verdict.mode, verdict.manoeuvre))
        self.carry(verdict)

    def around(self) -> Surroundings:
        """Gather what is known besides the plan."""
        words = self.integrity(), self.map_health()
        return Surroundings(
            self.ego(), self.obstacles(), self.terrain(), *words, self.tracks(), self.control_mode(),
            self.environment(),
        )  # fmt: skip

    def carry(self, verdict: Verdict) -> None:
        """Send what shall be driven, and say the mode."""
        if verdict.trajectory is not None:
            self.trajectory_out.publish(write_trajectory(verdict.trajectory))
        mode_of_vehicle = self.control_mode()
        driver = 'unknown' if mode_of_vehicle is None else mode_of_vehicle.mode
        level = LEVELS.get(verdict.mode, Level.ERROR)
        engaged = str(self.supervisor.engaged).lower()
        text = f'{verdict.mode.value}: {"; ".join(verdict.reasons)}' if verdict.reasons else verdict.mode.value
        found = {'fault': ','.join(verdict.faults)} if verdict.faults else {}
        if level is Level.ERROR:
            found['remedy'] = remedy_of(found.get('fault', ''), NO_PLAN)
        self.port.say(level, text, mode=verdict.mode.value, engaged=engaged, driver=driver, **found)
