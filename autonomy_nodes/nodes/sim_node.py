"""Sim node: a drive in a simulated world, with every topic of a vehicle. It is the clock of the stack."""

from dataclasses import dataclass, field, replace

from autonomy_nodes.common.sensing import ControlMode, Gear, Steering, Transforms
from autonomy_nodes.common.status import Level
from autonomy_nodes.common.types import SECOND_NS, Articulation, Command, Goal
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.messages import driving, images, motion, roads, topics
from autonomy_nodes.messages.clouds import write_cloud
from autonomy_nodes.messages.objects import write_tracked
from autonomy_nodes.messages.trajectory import read_trajectory
from autonomy_nodes.messages.words import read_heartbeat
from autonomy_nodes.nodes.pacing import Pace, Ready
from autonomy_nodes.nodes.port import Port, Stage
from autonomy_nodes.sim.air import WeatherSettings
from autonomy_nodes.sim.driver import Driver
from autonomy_nodes.sim.export import road_map_of
from autonomy_nodes.sim.scenes import chosen, made
from autonomy_nodes.sim.simulation import RUNNING, Reading, Simulation, SimulationSettings

START_NS = 100 * SECOND_NS  # simulated time begins here, so that nothing is at 0
GOAL_PERIOD = 100  # steps
TOLD_PERIOD = 5
OUTPUTS = (
    topics.CLOCK, topics.TF_STATIC, topics.GOAL, topics.IMU, topics.GNSS_POSE, topics.VELOCITY, topics.STEERING,
    topics.CONTROL_MODE, topics.GEAR, topics.TRUTH, topics.TRUTH_EGO, topics.TRAFFIC_LIGHTS, topics.ARTICULATION,
)  # fmt: skip


@dataclass(frozen=True)
class SimConfig:
    """What is driven, and how patiently.

    scenario: 'FAMILY' or 'FAMILY-SEED', which goes before family and seed. start_m: how far along the route the vehicle
    stands at first. goal_m: how far along it the goal lies; 0: at its end. rate: simulated seconds a second.
    wait_for_stack_s: how long time may stand still for a stack that cannot follow; 0: it never waits.
    wait_for: nodes that must have given a sign of life before the first step; longest_wait_s: at most so long.
    end_after_s: of simulated time, from the outcome to the end. by_wire: the node drive_by_wire stands between the
    stack and the vehicle: only what it lets through is obeyed, and it, not the simulator, tells who drives.
    """

    scenario: str = ''
    family: str = 'road'
    seed: int = 0
    weather: WeatherSettings = field(default_factory=WeatherSettings)
    start_m: float = 0.0
    goal_m: float = 0.0
    rate: float = 1.0
    wait_for_stack_s: float = 10.0
    wait_for: tuple[str, ...] = ()
    longest_wait_s: float = 60.0
    end_after_s: float = 1.0
    by_wire: bool = False
    vehicle: Vehicle = field(default_factory=Vehicle)
    simulation: SimulationSettings = field(default_factory=SimulationSettings)

    def __post_init__(self) -> None:
        if not self.rate > 0.0:
            raise ValueError(f'rate={self.rate} must be above 0')
        if not min(self.start_m, self.goal_m) >= 0.0:
            raise ValueError(f'start_m={self.start_m} and goal_m={self.goal_m} must not be negative')
        chosen(self.scenario, self.family, self.seed)


class Sim(Stage):
    """Each tick lets a step of time pass, unless the stack has to be waited for."""

    name = 'sim'
    config_type = SimConfig
    start_ns = START_NS

    def build(self, port: Port, config: SimConfig) -> None:
        """Make the world and connect it."""
        self.port, self.config = port, config
        world = made(*chosen(config.scenario, config.family, config.seed))
        world = world.shortened(config.goal_m).begun(config.start_m)
        world = replace(world, weather=config.weather.over(world.weather))
        self.simulation = Simulation(world, config.vehicle, config.simulation, START_NS)
        self.signals = road_map_of(world)[1] if world.lanes and world.lanes.signals else {}
        self.driver = Driver(config.vehicle)
        self.pace = Pace(rate=config.rate, hold_s=config.wait_for_stack_s)
        self.until_ns, self.steps, self.ended_ns = START_NS, 0, 0
        self.sweep_ns: int | None = None
        self.ready = Ready(config.wait_for, config.longest_wait_s)
        self.control = port.latest(topics.CONTROL, driving.read_command)
        self.actuation = port.latest(topics.ACTUATION, driving.read_command)
        self.trajectory = port.latest(topics.TRAJECTORY, read_trajectory)
        self.planned = port.latest(topics.PLANNED, read_trajectory)
        self.odometry = port.latest(topics.ODOMETRY, motion.read_ego)
        self._open(port)
        port.each(topics.HEARTBEAT, read_heartbeat, self.ready.heard)
        port.activated(self.start)
        port.every(config.simulation.step_s, self.tick)

    def _open(self, port: Port) -> None:
        """Open what the vehicle and people would send."""
        settings = self.config.simulation
        self.out = {topic: port.publisher(topic) for topic in OUTPUTS}
        self.clouds_out = {name: port.publisher(topics.LIDAR_RAW.named(name)) for name in settings.lidars}
        self.images_out = {name: port.publisher(topics.IMAGE_COMPRESSED.named(name)) for name in settings.cameras}
        self.infos_out = {name: port.publisher(topics.CAMERA_INFO.named(name)) for name in settings.cameras}

    def start(self) -> None:
        """Publish what is published once."""
        mounts = self.config.vehicle.mounts.values()
        matrices = {('base_link', mount.frame): mount.base_from_sensor for mount in mounts}
        self.out[topics.TF_STATIC].publish(motion.write_transforms(Transforms(START_NS, matrices)))
        self.out[topics.CLOCK].publish(motion.write_clock(START_NS))

    def tick(self, wall_ns: int) -> int:
        """Let time pass, and send what is due."""
        simulation, step_s = self.simulation, self.config.simulation.step_s
        planned = self.planned()
        if self.ready.after(step_s):
            heard_ns = None if planned is None else planned.stamp_ns
            self.until_ns += self.pace.advance(step_s, self.sweep_ns, heard_ns)
        simulation.command = self._command()
        readings = simulation.advance(self.until_ns)
        self.out[topics.CLOCK].publish(motion.write_clock(simulation.now_ns))
        for reading in readings:
            self.steps += 1
            self.send(reading)
        if readings and (self.steps % TOLD_PERIOD == 0 or not simulation.running):
            self.tell()
        return simulation.now_ns

    def _command(self) -> Command:
        """Return what the vehicle shall do now; once the drive has ended, brake."""
        simulation = self.simulation
        if not simulation.running:
            return self.driver.braking(simulation.now_ns)
        if self.config.by_wire:
            return self.driver.wired(simulation.now_ns, self.actuation())
        return self.driver.command(simulation, self.control(), self.trajectory(), self.odometry())

    def send(self, reading: Reading) -> None:
        """Publish one step's readings; the sweep, which sets the stack to work, comes last."""
        out, now_ns = self.out, reading.stamp_ns
        if reading.wheels is not None:
            motion_now = self.simulation.motion
            out[topics.VELOCITY].publish(driving.write_velocity(reading.wheels))
            out[topics.STEERING].publish(driving.write_steering(Steering(now_ns, motion_now.wheel_angle_rad)))
            if self.config.vehicle.trailer.present:
                out[topics.ARTICULATION].publish(
                    driving.write_articulation(Articulation(now_ns, (motion_now.joint_rad,)))
                )
        if reading.imu is not None:
            out[topics.IMU].publish(motion.write_imu(reading.imu))
        if reading.gnss is not None:
            out[topics.GNSS_POSE].publish(motion.write_pose(reading.gnss))
        if self.steps % GOAL_PERIOD == 1:
            x, y, heading = self.simulation.world.task.goal
            goal = Goal(now_ns, 'map', (x, y, self.simulation.world.z(x, y)), heading)
            out[topics.GOAL].publish(motion.write_goal(goal))
        if reading.truth is not None and reading.ego is not None:
            out[topics.TRUTH].publish(write_tracked(reading.truth))
            out[topics.TRUTH_EGO].publish(motion.write_ego(reading.ego, frame='map'))
            if not self.config.by_wire:
                gear = 'REVERSE' if self.simulation.command.speed_mps < 0.0 else 'DRIVE'
                out[topics.CONTROL_MODE].publish(driving.write_control_mode(ControlMode(now_ns, 'AUTONOMOUS')))
                out[topics.GEAR].publish(driving.write_gear(Gear(now_ns, gear)))
            if self.signals:
                out[topics.TRAFFIC_LIGHTS].publish(roads.write_traffic_lights(self.simulation.lights(self.signals)))
        for name, view in reading.views.items():
            self.infos_out[name].publish(images.write_camera_info(self.simulation.camera_model(name, now_ns)))
            quality = self.config.simulation.camera.quality
            self.images_out[name].publish(images.write_compressed(view.image, quality))
        for name, cloud in reading.clouds.items():
            self.clouds_out[name].publish(write_cloud(cloud))
            self.sweep_ns = cloud.stamp_ns

    def tell(self) -> None:
        """Say how the drive stands; a while after its outcome the process ends."""
        simulation, verdict = self.simulation, self.simulation.verdict
        good = verdict.outcome in (RUNNING, 'goal reached')
        self.port.say(
            Level.OK if good else Level.WARN,
            verdict.outcome,
            outcome=verdict.outcome,
            progress_m=f'{verdict.progress_m:.1f}',
            collisions=str(len(verdict.touched)),
            goal_reached=str(verdict.outcome == 'goal reached').lower(),
            goal_m=f'{verdict.goal_m:.1f}',
            time_s=f'{simulation.time_s:.2f}',
            driven_by=self.driver.follows,
        )
        if verdict.outcome != RUNNING:
            self.ended_ns = self.ended_ns or simulation.now_ns
            if simulation.now_ns - self.ended_ns >= self.config.end_after_s * SECOND_NS:
                self.port.finish()
