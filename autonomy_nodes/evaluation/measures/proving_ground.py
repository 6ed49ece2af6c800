"""A road on which localization is tried: what its sensors tell on the way, and where the vehicle truly is.

1 km in bends between houses and trees, from a seed. With a tunnel 600 m of it lie between smooth walls under a smooth
roof: nothing there tells how far along one is, and no satellite is seen.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from autonomy_nodes.common.sensing import Imu, PointCloud, WheelSpeed
from autonomy_nodes.common.types import SECOND_NS, Command, Pose
from autonomy_nodes.common.vehicle import Mount, Vehicle
from autonomy_nodes.sim import scenery
from autonomy_nodes.sim.inertial import GnssSettings
from autonomy_nodes.sim.lidar import LidarSettings
from autonomy_nodes.sim.materials import Material, Semantic
from autonomy_nodes.sim.mesh import ribbon
from autonomy_nodes.sim.scenes import terrain
from autonomy_nodes.sim.scenes.roads import curve, offset, strip
from autonomy_nodes.sim.simulation import Reading, Simulation, SimulationSettings
from autonomy_nodes.sim.world import Solid, Task, World

LENGTH_M = 1000.0
TUNNEL_M = (200, 800)
PORTAL_M = 30  # of the tunnel, in which the LiDAR still sees what is outside
SPEED_MPS = 10.0
LOOK_AHEAD_M = 8.0
OTHERS = 5_000  # seeds of sensors' errors: those of other simulated drives are lower
START_NS = 1_000 * SECOND_NS
CAR = Vehicle(mounts={'top': Mount('lidar_top', (1.3, 0.0, 1.95)), 'imu': Mount('imu_link', (0.0, 0.0, 0.5))})


@dataclass(frozen=True)
class Scenario:
    """What happens on the way.

    tunnel: the road goes through it. stop_s: from, to. missing: sweeps that do not come, from the 200th and the 450th
    on. clock_s: by which all clocks jump after 30 s. wild: share of the satellite positions that are 3 to 20 m off, in
    bursts of 1 to 4 s, and do not say so. satellites: there are any.
    """

    duration_s: float = 60.0
    tunnel: bool = False
    stop_s: tuple[float, float] = (0.0, 0.0)
    missing: int = 0
    clock_s: float = 0.0
    wild: float = 0.0
    satellites: bool = True


SCENARIOS = {
    'normal': Scenario(95.0),
    'odometry': Scenario(95.0, satellites=False),
    'tunnel': Scenario(95.0, tunnel=True),
    'stop': Scenario(stop_s=(20.0, 40.0)),
    'missing': Scenario(missing=5),
    'clock_forward': Scenario(clock_s=0.5),
    'clock_back': Scenario(clock_s=-0.5),
    'multipath': Scenario(wild=0.15),
}
CLOCK_AT_S = 30.0
MISSING_FROM = (200, 450)


@dataclass
class Heard:
    """What came up to the end of one sweep. cloud: None where the sweep is missing.

    stamp_ns: of the sweep, by the vehicle's clock. truth: (4, 4) map_from_base at it. degenerate: nothing of what the
    LiDAR sees tells how far along the tunnel it is; None near its ends, where that may be so or not.
    """

    stamp_ns: int
    truth: np.ndarray
    cloud: PointCloud | None
    degenerate: bool | None
    wheels: list[WheelSpeed] = field(default_factory=list)
    imu: list[Imu] = field(default_factory=list)
    gnss: list[Pose] = field(default_factory=list)


def world_of(seed: int, tunnel: bool) -> World:
    """Return the road and what stands beside it."""
    rng = np.random.default_rng([seed, 50])
    bends = rng.uniform(-1.0, 1.0, 11) / 120.0
    bends[2:9] = 0.0 if tunnel else bends[2:9]
    flat = curve(LENGTH_M, bends, (0.0, 0.0, float(rng.uniform(-np.pi, np.pi))))
    rise_m = 0.0 if tunnel else 0.8  # a tunnel on a hill would tell where in it one is
    line = np.column_stack([flat, rise_m * np.sin(np.arange(len(flat)) * 2 * np.pi / 400.0)])
    low = flat.min(axis=0) - 70.0
    shape = tuple(np.ceil(flat.max(axis=0) + 70.0 - low).astype(int) + 1)
    natural = 2.0 * terrain.noise(shape, 45.0, rng) + 0.06 * terrain.noise(shape, 2.0, rng)
    heights = terrain.bedded(natural, terrain.places(low, 1.0, shape), line, flat_m=9.5, blend_m=28.0)
    ground = terrain.field_of(low, 1.0, heights, terrain.patched(shape, {Material.DIRT: 0.08}, 12.0, rng))
    solids: list[Solid] = []
    for s in range(10, len(line) - 10, 7):
        side = float(rng.choice([-1.0, 1.0]))
        xy = offset(line, side * (9.0 + rng.gamma(1.6, 6.0)))[s, :2]
        if np.linalg.norm(flat - xy, axis=1).min() < 8.0 or tunnel and TUNNEL_M[0] - 15 < s < TUNNEL_M[1] + 15:
            continue
        at = np.array([*xy, float(ground.height(xy))])
        step = line[s + 1] - line[s]
        if s % 3:
            solids.append(scenery.tree(at, float(rng.uniform(5, 12)), rng, conifer=bool(rng.random() < 0.3)))
        elif np.linalg.norm(flat - xy, axis=1).min() > 14.0:
            size = float(rng.uniform(9, 15)), float(rng.uniform(7, 10)), float(rng.uniform(3, 8))
            solids.append(scenery.building(at, math.atan2(step[1], step[0]), size, (0.6, 0.6, 0.6)))
    if tunnel:
        solids.append(tube_of(line[TUNNEL_M[0] : TUNNEL_M[1]]))
    start, goal = ((*line[k, :2].tolist(), heading_at(line, k)) for k in (5, len(line) - 5))
    areas = tuple(strip(line, -4.5, 4.5, Material.ASPHALT, drivable=True))
    return World('proving', OTHERS + seed, ground, areas, (), tuple(solids), (), None, Task(start, goal), flat)


def tube_of(line: np.ndarray) -> Solid:
    """Return walls 4.5 m beside a line (N, 3), and a roof 5.5 m above it."""
    profile = np.array([[4.5, -0.5], [4.5, 5.0], [4.0, 5.5], [-4.0, 5.5], [-4.5, 5.0], [-4.5, -0.5]])
    return Solid(Semantic.STRUCTURE, ribbon(line, profile, (Material.CONCRETE,) * 5))


def heading_at(line: np.ndarray, index: int) -> float:
    """Return the heading of a line (N, 2 or more) at a point that is not its last."""
    step = line[index + 1, :2] - line[index, :2]
    return math.atan2(step[1], step[0])


def heard(scenario: Scenario, seed: int) -> Iterator[Heard]:
    """Yield what came with each sweep of a drive, 10 a second."""
    world, late = world_of(seed, scenario.tunnel), np.random.default_rng([seed, 51])
    outages = (0.0, 1e9) if not scenario.satellites else ()
    settings = SimulationSettings(
        duration_s=1e6, cameras=(), lidar=LidarSettings(columns=900), gnss=GnssSettings(outages_s=outages)
    )
    simulation = Simulation(world, CAR, settings, START_NS)
    wild_until_s, wild = 0.0, np.zeros(3)
    first, period_ns = Heard(0, np.eye(4), None, None), SECOND_NS // 10
    for number in range(round(scenario.duration_s * 10)):
        now = replace(first, stamp_ns=simulation.now_ns, wheels=[], imu=[], gnss=[])
        now.truth, along_m = simulation.motion.map_from_base.copy(), _along(world, simulation)
        simulation.command = _command(world, simulation, scenario)
        inside = scenario.tunnel and TUNNEL_M[0] < along_m < TUNNEL_M[1]
        deep = scenario.tunnel and TUNNEL_M[0] + PORTAL_M * 3 < along_m < TUNNEL_M[1] - PORTAL_M * 3
        now.degenerate = deep if deep or not inside else None
        if simulation.time_s >= wild_until_s and late.random() < scenario.wild / 2.5 / 10.0 / (1.0 - scenario.wild):
            wild_until_s = simulation.time_s + float(late.uniform(1.0, 4.0))
            wild = np.array([*late.normal(size=2), 0.3 * late.normal()])
            wild *= late.uniform(3.0, 20.0) / np.linalg.norm(wild)
        for reading in simulation.advance(START_NS + (number + 1) * period_ns):
            _note(now, reading, wild if reading.stamp_ns < START_NS + wild_until_s * SECOND_NS else None, inside)
        if any(from_ <= number < from_ + scenario.missing for from_ in MISSING_FROM):
            now.cloud = None
        jump_ns = round(scenario.clock_s * SECOND_NS) if number >= CLOCK_AT_S * 10 else 0
        yield _jumped(now, jump_ns)


def _along(world: World, simulation: Simulation) -> int:
    return int(np.argmin(np.linalg.norm(world.route - simulation.motion.xy_m, axis=1)))


def _command(world: World, simulation: Simulation, scenario: Scenario) -> Command:
    """Steer to a point ahead (pure pursuit), and hold the speed or the stop."""
    motion = simulation.motion
    ahead = world.route[min(_along(world, simulation) + round(LOOK_AHEAD_M), len(world.route) - 1)] - motion.xy_m
    off_rad = math.atan2(ahead[1], ahead[0]) - motion.heading_rad
    wheel_rad = math.atan(2.0 * CAR.wheelbase_m * math.sin(off_rad) / LOOK_AHEAD_M)
    stop = scenario.stop_s[0] <= simulation.time_s < scenario.stop_s[1]
    speed_mps = 0.0 if stop else SPEED_MPS
    return Command(simulation.now_ns, speed_mps, max(-2.5, min(1.5, speed_mps - motion.speed_mps)), wheel_rad)


def _note(now: Heard, reading: Reading, wild: np.ndarray | None, inside: bool) -> None:
    now.cloud = reading.clouds.get('top', now.cloud)
    now.wheels += [reading.wheels] if reading.wheels else []
    now.imu += [replace(reading.imu, frame='base_link')] if reading.imu else []  # its mount is not turned
    if reading.gnss and not inside:
        shift = np.zeros(3) if wild is None else wild
        now.gnss.append(replace(reading.gnss, position_m=reading.gnss.position_m + shift))


def _jumped(now: Heard, jump_ns: int) -> Heard:
    if jump_ns == 0:
        return now
    cloud = None if now.cloud is None else replace(now.cloud, stamp_ns=now.cloud.stamp_ns + jump_ns)
    return Heard(
        now.stamp_ns + jump_ns, now.truth, cloud, now.degenerate,
        [replace(each, stamp_ns=each.stamp_ns + jump_ns) for each in now.wheels],
        [replace(each, stamp_ns=each.stamp_ns + jump_ns) for each in now.imu],
        [replace(each, stamp_ns=each.stamp_ns + jump_ns) for each in now.gnss],
    )  # fmt: skip
