"""A drive in a world: time passes in equal steps, the vehicle obeys its command, sensors tell what they would.

Pure: the same world, vehicle, settings and commands give the same readings, whatever clock hangs on the wall.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from autonomy_nodes.common.kinematics import body_of, body_of_trailer
from autonomy_nodes.common.lanes import Light, TrafficLights
from autonomy_nodes.common.objects import Objects
from autonomy_nodes.common.sensing import CameraModel, Imu, PointCloud, WheelSpeed
from autonomy_nodes.common.types import SECOND_NS, Command, EgoState, Pose
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.sim.bodies import Cast, ego_bodies, ego_meshes, truth_of
from autonomy_nodes.sim.camera import CameraSettings, View
from autonomy_nodes.sim.dynamics import Dynamics, DynamicsSettings
from autonomy_nodes.sim.inertial import Gnss, GnssSettings, Inertial, InertialSettings, Wheels, WheelSettings
from autonomy_nodes.sim.judge import Judge, Verdict, rectangle
from autonomy_nodes.sim.lidar import LidarSettings, Met
from autonomy_nodes.sim.raycast import Rays
from autonomy_nodes.sim.rig import Camera, Lidar, Moment
from autonomy_nodes.sim.rightofway import Seen
from autonomy_nodes.sim.traffic import Traffic
from autonomy_nodes.sim.world import World

RUNNING = 'running'
REMEMBERED_S = 2.0


@dataclass(frozen=True)
class SimulationSettings:
    """What is on board and how time passes.

    lidars, cameras: names of mounts of the vehicle. imu_mount: name of the inertial unit's; without it there is none.
    step_s: of time. duration_s: after it the drive is over. off_road_s: so long may wheels be off the road.
    """

    step_s: float = 0.02
    duration_s: float = 60.0
    off_road_s: float = 1.0
    start_standing: bool = True
    lidars: tuple[str, ...] = ('top',)
    cameras: tuple[str, ...] = ('front',)
    imu_mount: str = 'imu'
    truth_rate_hz: float = 10.0
    lidar: LidarSettings = field(default_factory=LidarSettings)
    camera: CameraSettings = field(default_factory=CameraSettings)
    inertial: InertialSettings = field(default_factory=InertialSettings)
    wheels: WheelSettings = field(default_factory=WheelSettings)
    gnss: GnssSettings = field(default_factory=GnssSettings)
    dynamics: DynamicsSettings = field(default_factory=DynamicsSettings)

    def __post_init__(self) -> None:
        if not 0.001 <= self.step_s <= 0.05:
            raise ValueError(f'step_s={self.step_s} must lie between 0.001 and 0.05')
        if self.duration_s <= 0.0 or self.off_road_s < 0.0:
            raise ValueError(f'duration_s={self.duration_s} must be above 0, off_road_s={self.off_road_s} not below')


@dataclass(frozen=True, eq=False)
class Reading:
    """What the sensors tell at the end of one step; empty or None where nothing is due.

    clouds, views, met: by name of the sensor; met: what the points of the cloud lie on. truth, ego: in map.
    """

    stamp_ns: int
    clouds: dict[str, PointCloud]
    views: dict[str, View]
    imu: Imu | None
    wheels: WheelSpeed | None
    gnss: Pose | None
    truth: Objects | None
    ego: EgoState | None
    met: dict[str, Met] = field(default_factory=dict)


class Simulation:
    """One drive. `command` is what the vehicle shall do from now on."""

    def __init__(self, world: World, vehicle: Vehicle, settings: SimulationSettings, start_ns: int = 0) -> None:
        missing = [name for name in (*settings.lidars, *settings.cameras) if name not in vehicle.mounts]
        if missing:
            raise ValueError(f'vehicle.mounts lacks {", ".join(missing)}; it has {", ".join(vehicle.mounts) or "none"}')
        self.world, self.vehicle, self.settings = world, vehicle, settings
        self.now_ns = self.start_ns = start_ns
        self._step_ns = round(settings.step_s * SECOND_NS)
        self._dynamics = Dynamics(vehicle, world.ground, settings.dynamics)
        self.motion = self._dynamics.start(
            *world.task.start, 0.0 if settings.start_standing else world.task.start_speed_mps
        )
        self.traffic, self._judge = Traffic(world), Judge(world, settings.off_road_s)
        self.command = Command(start_ns, 0.0, -vehicle.limits.comfort_braking_mps2, 0.0)
        self._cast, self._meshes = Cast(world), ego_meshes(vehicle)
        rays, seed = Rays(world), world.seed
        self._lidars = {
            name: Lidar(rays, self._cast, vehicle.mounts[name], settings.lidar, (seed, 10, number))
            for number, name in enumerate(settings.lidars)
        }
        self._cameras = {
            name: Camera(rays, self._cast, vehicle.mounts[name], settings.camera, (seed, 20, number))
            for number, name in enumerate(settings.cameras)
        }
        mount = vehicle.mounts.get(settings.imu_mount)
        self._inertial = None if mount is None else Inertial(settings.inertial, mount, (seed, 30))
        self._wheels, self._gnss = Wheels(settings.wheels, (seed, 31)), Gnss(settings.gnss, (seed, 32))
        self._steps = 0
        self._moments = [self._moment()]
        self.verdict = self._judged()

    @property
    def time_s(self) -> float:
        """Seconds since the start."""
        return (self.now_ns - self.start_ns) / SECOND_NS

    def pose_at(self, stamp_ns: int) -> np.ndarray | None:
        """Return the true (4, 4) map_from_base of a moment; None where it is forgotten or not yet."""
        for before, after in pairwise(self._moments):
            if before.stamp_ns <= stamp_ns <= after.stamp_ns:
                share = (stamp_ns - before.stamp_ns) / (after.stamp_ns - before.stamp_ns)
                return before.motion.map_from_base * (1.0 - share) + after.motion.map_from_base * share
        return None

    def lights(self, ids: Mapping[int, int]) -> TrafficLights:
        """Return what the signals show now; ids: {signal: id under which it is told}."""
        signals = self.world.lanes.signals if self.world.lanes else {}
        shown = {ids[number]: Light(signal.colour(self.time_s)) for number, signal in signals.items()}
        return TrafficLights(self.now_ns, shown)

    def camera_model(self, name: str, stamp_ns: int) -> CameraModel:
        """Return the calibration of a camera."""
        return self._cameras[name].model(stamp_ns)

    @property
    def running(self) -> bool:
        """Whether the drive goes on."""
        return self.verdict.outcome == RUNNING

    def advance(self, to_ns: int) -> list[Reading]:
        """Let time pass until `to_ns`, in whole steps; return what the sensors told at each."""
        readings = []
        while self.now_ns + self._step_ns <= to_ns:
            self.traffic.advance(self.time_s, self.settings.step_s, self._seen())
            self.motion = self._dynamics.step(self.motion, self.command, self.settings.step_s)
            self.now_ns += self._step_ns
            self._steps += 1
            self._moments = [*self._moments[-round(REMEMBERED_S / self.settings.step_s) :], self._moment()]
            if self.running:
                self.verdict = self._judged()
            readings.append(self._read())
        return readings

    def _read(self) -> Reading:
        """Ask the sensors that are due."""
        settings, now, period = self.settings, self.now_ns, self._period
        imu = gnss = None
        if self._inertial is not None and self._due(settings.inertial.rate_hz):
            imu = self._inertial.sample(now, self.motion, period(settings.inertial.rate_hz) * settings.step_s)
        if self._due(settings.gnss.rate_hz):
            gnss = self._gnss.sample(now, self.time_s, self.motion)
        sweep, shot = period(settings.lidar.rate_hz), period(settings.camera.rate_hz)
        swept, views = {}, {}
        if self._due(settings.lidar.rate_hz):
            swept = {name: lidar.labelled(self._moments[-sweep - 1 :]) for name, lidar in self._lidars.items()}
        if self._steps % shot == 0:
            views = {
                name: camera.shoot(self._moments[-1], self.world.weather) for name, camera in self._cameras.items()
            }
        told = self._due(settings.truth_rate_hz)
        return Reading(
            now,
            {name: cloud for name, (cloud, _) in swept.items()},
            views,
            imu,
            self._wheels.sample(now, self.motion) if self._due(settings.wheels.rate_hz) else None,
            gnss,
            truth_of(now, self.traffic, self._cast) if told else None,
            self.motion.ego(now) if told else None,
            {name: met for name, (_, met) in swept.items()},
        )

    def _period(self, rate_hz: float) -> int:
        """Return the steps between two samples: rates are those that whole steps allow."""
        return max(1, round(1.0 / (rate_hz * self.settings.step_s)))

    def _due(self, rate_hz: float) -> bool:
        return rate_hz > 0.0 and self._steps % self._period(rate_hz) == 0

    def _moment(self) -> Moment:
        """Return where everybody is now."""
        movers = tuple((actor, self.traffic.stands[actor.id]) for actor in self.world.actors)
        bodies = ego_bodies(self.vehicle, self._dynamics, self.motion, self._meshes)
        return Moment(self.now_ns, self.motion, movers, bodies)

    def _seen(self) -> list[Seen]:
        """Return the vehicle, and its trailer, as the others see it."""
        found = []
        parts = [(body_of(self.vehicle), self.motion.xy_m, self.motion.heading_rad)]
        if self.vehicle.trailer.present:
            pose = self._dynamics.trailer_pose(self.motion)
            heading = self.motion.heading_rad + self.motion.joint_rad
            parts.append((body_of_trailer(self.vehicle.trailer), pose[:2, 3], heading))
        for body, place, heading in parts:
            x, y = place + body.middle_m * np.array([np.cos(heading), np.sin(heading)])
            half_length, half_width = body.half_m
            seen = Seen(float(x), float(y), heading, self.motion.speed_mps, 2.0 * half_length, 2.0 * half_width)
            found.append(seen)
        return found

    def _judged(self) -> Verdict:
        seen = self._seen()
        outlines = [rectangle(one.x_m, one.y_m, one.heading_rad, one.length_m, one.width_m) for one in seen]
        others = []
        for actor in self.world.actors:
            if self.traffic.present(actor.id):
                one = self.traffic.seen(actor)
                if abs(one.x_m - self.motion.xy_m[0]) + abs(one.y_m - self.motion.xy_m[1]) < 60.0:
                    outline = rectangle(one.x_m, one.y_m, one.heading_rad, one.length_m, one.width_m)
                    others.append((f'{actor.label.name.lower()} {actor.id}', outline))
        place, over = (float(self.motion.xy_m[0]), float(self.motion.xy_m[1])), self.time_s >= self.settings.duration_s
        return self._judge.judge(outlines, self._wheel_places(), others, place, self.settings.step_s, over)

    def _wheel_places(self) -> np.ndarray:
        """Return (W, 2) where the wheels touch the ground."""
        half = self.vehicle.width_m / 2.0 - 0.15
        corners = [(0.0, half), (0.0, -half), (self.vehicle.wheelbase_m, half), (self.vehicle.wheelbase_m, -half)]
        poses = [(self.motion.map_from_base, corners)]
        if self.vehicle.trailer.present:
            half = self.vehicle.trailer.width_m / 2.0 - 0.15
            poses.append((self._dynamics.trailer_pose(self.motion), [(0.0, half), (0.0, -half)]))
        return np.concatenate([np.array(places) @ pose[:2, :2].T + pose[:2, 3] for pose, places in poses])
