"""Drives in worlds of a seed, with all that is true of them: who is where, what every point lies on.

All points of a sweep are taken at its stamp, as in data sets whose motion was taken out: points, labels, boxes and pose
are of one moment.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from autonomy_nodes.common.geometry import inverse
from autonomy_nodes.common.kinematics import tracking_curvature
from autonomy_nodes.common.objects import Label, Objects
from autonomy_nodes.common.sensing import CameraModel, PointCloud
from autonomy_nodes.common.types import SECOND_NS, Command
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.nodes.launcher import vehicle_file
from autonomy_nodes.nodes.processes import vehicle_of
from autonomy_nodes.sim import scenes as sim
from autonomy_nodes.sim.air import KINDS, WeatherSettings
from autonomy_nodes.sim.camera import CameraSettings, View
from autonomy_nodes.sim.lidar import LidarSettings, Met
from autonomy_nodes.sim.simulation import Simulation, SimulationSettings
from autonomy_nodes.sim.traffic import Path, Traffic
from autonomy_nodes.sim.world import World

RIGS = {  # name: vehicle, beams, columns of the LiDAR
    'car_64': ('car', '64', 1800),
    'truck_32': ('truck', '32', 1800),
    'offroad_32': ('offroad', '32', 1800),
    'car_16': ('car', '16', 1800),
    'offroad_64': ('offroad', '64', 1024),
}
FAMILIES = ('road', 'junction', 'rough')  # unless others are asked for
WEATHERS = ('', *KINDS[1:], 'mixed')
VISIBILITIES_M, RAINS_MMPH = (30.0, 300.0), (2.0, 40.0)  # drawn evenly in their logarithm
LIDAR = 'top'
PICTURE_PX = (640, 360)
FIRST_SEED = 1_000_000  # worlds from here on are held out: nothing is trained or tuned on them
REACH_M = 60.0  # about the way, in which the ground is told
SPEED_MPS, HASTE_MPS2 = 9.0, 1.5
FREE_M, LANE_HALF_M, HEADWAY_S = 9.0, 1.8, 1.8


@dataclass(frozen=True)
class Scene:
    """One drive to be recorded: a world by family and seed, a rig, how many sweeps, how far its truth reaches.

    camera: the mount of one that takes a picture with each sweep; empty for none.
    """

    name: str
    family: str
    world_seed: int
    rig: str
    sweeps: int
    weather: WeatherSettings = field(default_factory=WeatherSettings)
    reach_m: float = REACH_M
    camera: str = ''

    def vehicle(self) -> Vehicle:
        """Return the vehicle, of which the trailer stays at home: labels know no trailer of ours."""
        vehicle = vehicle_of('sim', [vehicle_file(RIGS[self.rig][0])])
        return replace(vehicle, trailer=replace(vehicle.trailer, present=False))

    def settings(self) -> SimulationSettings:
        """Return what is on board."""
        _, beams, columns = RIGS[self.rig]
        lidar = LidarSettings(beams=beams, columns=columns, rolling=False)
        lidar = replace(lidar, farthest_m=max(lidar.farthest_m, self.reach_m))
        return SimulationSettings(
            lidars=(LIDAR,), cameras=(self.camera,) if self.camera else (), imu_mount='', lidar=lidar,
            camera=CameraSettings(PICTURE_PX[0], PICTURE_PX[1], rate_hz=lidar.rate_hz), start_standing=False,
            duration_s=600.0,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Moment:
    """One sweep and its truth. objects: everybody, in map. map_from_base: (4, 4). view, model: of its camera."""

    cloud: PointCloud
    met: Met
    objects: Objects
    map_from_base: np.ndarray
    view: View | None = None
    model: CameraModel | None = None


@dataclass(frozen=True)
class Choice:
    """Which drives: families in turn, a weather of WEATHERS: one for all, or mixed: one after the other.

    reach_m: about the way, in which the ground is told; LiDARs reach as far. camera: the mount of one, empty for none.
    """

    seed: int
    count: int
    sweeps: int
    families: tuple[str, ...] = FAMILIES
    weather: str = ''
    reach_m: float = REACH_M
    camera: str = ''

    def __post_init__(self) -> None:
        if not REACH_M <= self.reach_m <= 250.0:
            raise ValueError(f'reach={self.reach_m} must lie between {REACH_M:.0f} and 250')
        if unknown := [name for name in self.families if name not in sim.FAMILIES]:
            raise ValueError(f'families: {", ".join(unknown)} must be of {", ".join(sim.FAMILIES)}')
        if self.weather not in WEATHERS or not self.families:
            raise ValueError(f'weather={self.weather!r} must be one of {", ".join(WEATHERS[1:])}, families some')


def scenes_of(choice: Choice) -> list[Scene]:
    """Return the scenes of a choice, with each of the families the rigs in turn. More of them change none."""
    rigs, families = list(RIGS), choice.families
    scenes = []
    for number in range(choice.count):
        drawn = int(np.random.default_rng([choice.seed, number]).integers(1 << 31))
        rig = rigs[(number + number // len(families)) % len(rigs)]
        family, weather = families[number % len(families)], _weather(choice, number)
        scenes.append(Scene(
            f'{number:02d}', family, FIRST_SEED + drawn, rig, choice.sweeps, weather, choice.reach_m, choice.camera
        ))  # fmt: skip
    return scenes


def _weather(choice: Choice, number: int) -> WeatherSettings:
    kind, rng = choice.weather, np.random.default_rng([choice.seed, number, 1])
    if kind == 'mixed':
        kind = KINDS[1:][number // len(choice.families) % 3]
    visibility_m, rain_mmph = (
        round(float(np.exp(rng.uniform(*np.log(ends)))), 1) for ends in (VISIBILITIES_M, RAINS_MMPH)
    )
    return WeatherSettings(kind, visibility_m, rain_mmph)


def world_of(scene: Scene) -> World:
    """Return the world of a scene; the drive begins at a drawn place of its route where nobody stands."""
    world = sim.made(scene.family, scene.world_seed)
    others = np.array([(stand.x_m, stand.y_m) for stand in Traffic(world).stands.values()]).reshape(-1, 2)
    route = Path(world.route)
    places = np.random.default_rng([scene.world_seed, 40]).uniform(0.0, 0.7 * route.length_m, 50)
    for s in [*places.tolist(), 0.0]:
        x, y, heading = route.at(s)
        if not len(others) or np.hypot(*(others - (x, y)).T).min() > FREE_M:
            break
    task = replace(world.task, start=(x, y, heading), start_speed_mps=5.0)
    return replace(world, task=task, weather=scene.weather.over(world.weather))


def driven(scene: Scene, world: World) -> Iterator[Moment]:
    """Drive along the route as traffic allows, a sweep after the other; ends early at the goal or where it fails."""
    vehicle = scene.vehicle()
    simulation = Simulation(world, vehicle, scene.settings())
    route, step_ns, count = Path(world.route), SECOND_NS // 50, 0
    while simulation.running and count < scene.sweeps:
        simulation.command = _command(simulation, route)
        for reading in simulation.advance(simulation.now_ns + step_ns):
            if LIDAR in reading.clouds and reading.truth is not None:
                pose = simulation.motion.map_from_base.copy()
                view = reading.views.get(scene.camera)
                model = simulation.camera_model(scene.camera, view.image.stamp_ns) if view is not None else None
                yield Moment(reading.clouds[LIDAR], reading.met[LIDAR], reading.truth, pose, view, model)
                count += 1


def _command(simulation: Simulation, route: Path) -> Command:
    """Return wheels that lead along the route, and a speed that leaves room to whoever is on it."""
    motion, limits, wheelbase_m = simulation.motion, simulation.vehicle.limits, simulation.vehicle.wheelbase_m
    away = np.hypot(*(route.points - motion.xy_m).T)
    nearest = int(np.argmin(away))
    step_m = route.length_m / max(len(route.points) - 1, 1)
    x, y, heading = route.at(nearest * step_m)
    left = np.array([-math.sin(heading), math.cos(heading)])
    error = math.remainder(motion.heading_rad - heading, 2.0 * math.pi)
    ahead = route.at((nearest + 3) * step_m)[2]
    bend = math.remainder(ahead - heading, 2.0 * math.pi) / (3.0 * step_m)
    length_m = max(0.8 * motion.speed_mps, 2.5)
    curvature = float(tracking_curvature(bend, float((motion.xy_m - (x, y)) @ left), error, length_m))
    wheel = math.atan(wheelbase_m * curvature)
    room_m = _room_m(simulation, route.points[nearest : nearest + 45])
    bent = float(route.bend_speeds[nearest : nearest + 15].min())
    speed = min(SPEED_MPS, limits.speed_mps, bent, max(room_m - 3.0, 0.0) / HEADWAY_S)
    wanted = 1.5 * (speed - motion.speed_mps)
    wanted = float(np.clip(wanted, -limits.hardest_braking_mps2, HASTE_MPS2))
    most = limits.wheel_angle_rad
    return Command(simulation.now_ns, speed, wanted, min(max(wheel, -most), most))


def _room_m(simulation: Simulation, ahead: np.ndarray) -> float:
    """Return how far ahead of the bumper the first one stands on the route; 45 m where nobody does."""
    room = 45.0
    for actor in simulation.world.actors:
        if simulation.traffic.present(actor.id) and len(ahead):
            seen = simulation.traffic.seen(actor)
            off = np.hypot(ahead[:, 0] - seen.x_m, ahead[:, 1] - seen.y_m)
            place = int(np.argmin(off))
            if off[place] < LANE_HALF_M + seen.width_m / 2.0:
                room = min(room, place - simulation.vehicle.front_m - seen.length_m / 2.0)
    return room


def near(objects: Objects, map_from_base: np.ndarray, reach_m: float) -> np.ndarray:
    """Return (N,) which objects of the map are within reach of base_link, and are told a class."""
    local = objects.positions_m @ inverse(map_from_base)[:3, :3].T + inverse(map_from_base)[:3, 3]
    return (np.hypot(local[:, 0], local[:, 1]) < reach_m) & (objects.labels != Label.UNKNOWN)
