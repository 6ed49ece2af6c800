"""What might be done: paths times ways to drive them, plus what others propose, plus the last plan and its stop."""

import math
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.geometry import unwrapped
from autonomy_nodes.common.objects import EgoProposals
from autonomy_nodes.common.types import SECOND_NS, Trajectory
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.planning.course import Course
from autonomy_nodes.planning.distinct import Row, distinct
from autonomy_nodes.planning.paths import Paths, arcs, joined, shifted, through
from autonomy_nodes.planning.rollout import STEP_S, STEPS, TIMES_S, Start, Wishes
from autonomy_nodes.planning.speeds import Caps, Leads

KINDS = ('stop', 'follow', 'yield', 'cruise', 'last', 'learned', 'arrive')
BLOCK = 64
PLACE = 'way to the place'
KEPT = 'the stop of before'
IN_LANE_M = 2.0  # nearer to the reference is in its own lane
PLACE_AHEAD_M = (8.0, 150.0)  # no way to it is drawn nearer or further
BESIDE_M, MOST_BESIDE_M = 0.2, 6.0  # from the reference: it may lie in the lane beside it
NO_SPEEDS = np.zeros((0, STEPS + 1))
GRAVITY = 9.81
COURSES = {'route': 'route lane', 'lane': 'lane', 'goal': 'way to the goal', 'ahead': 'straight on'}
STANDS_S = 6.0  # a stop ends well within the horizon


@dataclass(frozen=True)
class ProposalSettings:
    """Which candidates are made.

    blocks: of 64 candidates, the anytime limit; stops and the middle of the course come first. shifts_m: beside the
    reference. shares: of the wanted speed. fine_shifts_m, fine_shares: more of both on a lane, which come last; each
    path beside the lane's middle is then also reached gently. arc_shares: of the sharpest curve possible at this speed.
    arrivals: on one path, of those that meet a window of time.
    """

    blocks: int = 2
    shifts_m: tuple[float, ...] = (0.0, 0.5, -0.5, 1.0, -1.0)
    wide_shifts_m: tuple[float, ...] = (2.0, -2.0, 3.5, -3.5)
    shares: tuple[float, ...] = (1.0, 0.7, 0.4, 0.15)
    fine_shifts_m: tuple[float, ...] = ()
    fine_shares: tuple[float, ...] = ()
    arc_shares: tuple[float, ...] = (0.1, 0.3, 0.6, 1.0)
    firm_mps2: float = 4.0
    grip_g: float = 0.6
    last_age_s: float = 0.5
    arrivals: int = 16

    def __post_init__(self) -> None:
        if self.blocks < 1:
            raise ValueError(f'proposals.blocks={self.blocks} must be 1 or more')
        if not self.shifts_m or self.shifts_m[0] != 0.0:
            raise ValueError(f'proposals.shifts_m={self.shifts_m} must begin with 0.0, the reference itself')
        for name in ('shares', 'fine_shares', 'arc_shares'):
            if not all(0.0 < share <= 1.0 for share in getattr(self, name)):
                raise ValueError(f'proposals.{name}={getattr(self, name)} must lie above 0 and at most at 1')


FINER = ProposalSettings(  # 500 candidates and more on a lane
    blocks=8, fine_shifts_m=(0.3, -0.3, 0.7, -0.7, 1.3, -1.3),
    fine_shares=(1.0, 0.55, 0.85, 0.3, 0.7, 0.15, 0.4, 0.2),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Proposals:
    """N candidates. kinds: (N,) uint8 index of `KINDS`. names: in words. wishes: what the vehicle is asked to do.

    `wishes` are of the D drives that differ; of: (N,) which of them each candidate is.
    """

    kinds: np.ndarray
    names: tuple[str, ...]
    wishes: Wishes
    of: np.ndarray


def propose_paths(
    course: Course, start: Start, learned: EgoProposals | None, last: Trajectory | None, last_name: str,
    kept: Trajectory | None, vehicle: Vehicle, settings: ProposalSettings,
) -> tuple[Paths, dict[str, np.ndarray]]:
    """Return all paths, and {kind: (D, T) speeds} of those that somebody proposes with speeds, which come last.

    last, kept: what is left of the last plan, and of the stop that stood beside it.
    """
    speed = max(start.speed_mps, 0.0)
    count = int(max(speed, course.speed_mps) * TIMES_S[-1] + 25.0)
    bend = math.tan(start.wheel_rad) / vehicle.wheelbase_m
    at = (course.station_m, course.offset_m, course.heading_error)
    beside = _shifts(course, speed, settings) + _fine_shifts(course, speed, settings)
    found = [shifted(course.reference, at, bend, beside, count)]
    if not course.on_lane:
        found.append(arcs(start.pose, bend, _bends(speed, vehicle, settings), max(6.0, 1.5 * speed), count))
    speeds: dict[str, np.ndarray] = {}
    if last is not None:
        found.append(through((f'as before ({last_name})',), last.poses[None, :, [0, 1, 3]], count))
        speeds['last'] = last.speeds_mps[None]
    if kept is not None:
        found.append(through((KEPT,), kept.poses[None, :, [0, 1, 3]], count))
        speeds['stop'] = kept.speeds_mps[None]
    if learned is not None and len(learned.drives):
        moments = np.arange(learned.drives.shape[1]) * learned.step_s
        names = tuple(f'learned drive {number}' for number in range(len(learned.drives)))
        found.append(through(names, learned.drives[:, :, [0, 1, 3]].astype(float), count))
        speeds['learned'] = np.stack([np.interp(TIMES_S, moments, drive[:, 4]) for drive in learned.drives])
    return joined(found), speeds


def shifted_last(last: Trajectory | None, stamp_ns: int, settings: ProposalSettings) -> Trajectory | None:
    """Return what is left of the last plan at `stamp_ns` at the moments of a drive; None if it is too old."""
    if last is None:
        return None
    gone_s = (stamp_ns - last.stamp_ns) / SECOND_NS
    if not 0.0 < gone_s <= settings.last_age_s:
        return None
    at = TIMES_S + gone_s

    def column(values: np.ndarray) -> np.ndarray:
        return np.interp(at, last.times_s, values)

    poses = np.column_stack([column(values) for values in last.poses.T[:3]] + [column(unwrapped(last.poses[:, 3]))])
    return Trajectory(
        stamp_ns, TIMES_S, poses, column(last.speeds_mps), column(last.accelerations_mps2),
        column(last.heading_rates_rps), column(last.wheel_angles_rad),
    )  # fmt: skip


def propose(
    paths: Paths, given: dict[str, np.ndarray], caps: Caps, leads: Leads, course: Course, speed_mps: float,
    vehicle: Vehicle, settings: ProposalSettings, arriving: np.ndarray = NO_SPEEDS,
) -> Proposals:
    """Return the candidates: stops, ways to follow, yield and cruise on each path, and the given drives.

    arriving: (K, T) speeds over time that meet a window of time, for the middle of the course and the way to the place.
    """
    full = min(vehicle.limits.hardest_braking_mps2, 0.95 * settings.grip_g * GRAVITY)
    comfort = min(max(vehicle.limits.comfort_braking_mps2, speed_mps / STANDS_S), full)
    firm = min(max(settings.firm_mps2, comfort), full)
    rows: list[Row] = []
    plain = len(paths) - sum(len(speeds) for speeds in given.values())
    core = plain - len(_fine_shifts(course, speed_mps, settings))
    for path in range(core):
        name, main = paths.names[path], path == 0
        rows += [(path, 'stop', f'{name}, stop at {braking:.1f} m/s2', 0.0, braking)
                 for braking in ((comfort, firm, full) if main else (comfort, full))]  # fmt: skip
        shares = (*settings.shares, *_present(course, speed_mps)) if main else settings.shares[::2]
        rows += [(path, 'follow', f'{name}, {_upto(course, share)}', share, firm) for share in shares]
        rows.append((path, 'yield', f'{name}, yielding', 1.0, firm))
        rows += [(path, 'cruise', f'{name}, {_at(course, share)}', share, firm)
                 for share in settings.shares[: 3 if main else 1]]  # fmt: skip
        if main or name == PLACE:
            rows += [(path, 'arrive', f'{name}, in time by {speeds[-1]:.1f} m/s', float(which), firm)
                     for which, speeds in enumerate(arriving)]  # fmt: skip
    path = plain
    for kind, speeds in given.items():
        for _ in speeds:
            rows.append((path, kind, paths.names[path], 1.0, full))
            path += 1
    rows = _ordered(rows) + _finer(rows, paths, core, plain, course, (comfort, firm, full), settings)
    return _wished(rows[: settings.blocks * BLOCK], paths, given, caps, leads, course, plain, arriving)


def _finer(
    rows: list[Row], paths: Paths, core: int, plain: int, course: Course, brakings: tuple[float, float, float],
    settings: ProposalSettings,
) -> list[Row]:
    """Return the finer lattice on a lane: stops on paths from `core` to `plain`, more speeds on all; no row twice."""
    if not course.on_lane:
        return []
    comfort, firm, full = brakings
    told, names = {row[2] for row in rows}, paths.names[:plain]
    found = [(path, 'stop', f'{names[path]}, stop at {braking:.1f} m/s2', 0.0, braking)
             for path in range(core, plain) for braking in (comfort, full)]  # fmt: skip
    for share in settings.fine_shares:
        said, said_at = _upto(course, share), _at(course, share)
        for path, name in enumerate(names):
            upto = f'{name}, {said}'
            found.append((path, 'follow', upto, share, firm))
            found.append((path, 'cruise', f'{name}, {said_at}', share, firm))
            found.append((path, 'yield', f'{name}, yielding' if share == 1.0 else f'{upto}, yielding', share, firm))
    return [row for row in found if row[2] not in told]


def _wished(
    rows: list[Row], paths: Paths, given: dict[str, np.ndarray], caps: Caps, leads: Leads, course: Course, plain: int,
    arriving: np.ndarray,
) -> Proposals:
    """Return the candidates of these rows."""
    all_kinds, names = np.array([KINDS.index(row[1]) for row in rows], np.uint8), tuple(row[2] for row in rows)
    firsts, of = distinct(rows, caps, leads)
    rows, kinds = [rows[first] for first in firsts], all_kinds[firsts]
    path = np.array([row[0] for row in rows])
    speeds = np.repeat(np.array([[row[3] * course.speed_mps] for row in rows]), STEPS, axis=1)
    drives = np.concatenate(list(given.values()) or [np.zeros((0, STEPS + 1))])
    of_drive = path >= plain
    paces = np.zeros_like(speeds)
    drives = np.minimum(drives, course.speed_mps)
    speeds[of_drive] = drives[path[of_drive] - plain, :-1]
    paces[of_drive] = np.gradient(drives[path[of_drive] - plain], STEP_S, axis=1)[:, 1:]  # drive and brakes lag
    timed = kinds == KINDS.index('arrive')
    profiles = arriving[[int(row[3]) for row in rows if row[1] == 'arrive']]
    speeds[timed] = profiles[:, :-1]
    paces[timed] = np.gradient(profiles, STEP_S, axis=1)[:, 1:] if len(profiles) else profiles[:, 1:]
    heedful = np.isin(kinds, (KINDS.index('follow'), KINDS.index('yield')))
    cautious = kinds == KINDS.index('yield')
    of_lead = np.where(cautious, 1, np.where(heedful, 0, 2)) * len(paths) + path
    lead_u = np.concatenate([leads.follow_u, leads.cautious_u, np.full_like(leads.follow_u, np.inf)])[of_lead]
    lead_mps = np.concatenate([leads.follow_mps, leads.cautious_mps, leads.follow_mps])[of_lead]
    along = np.concatenate([caps.by_curves, caps.careful])[np.where(heedful, len(paths), 0) + path]
    braking = np.array([row[4] for row in rows])
    return Proposals(all_kinds, names, Wishes(path, speeds, paces, braking, along, lead_u, lead_mps), of)


def _ordered(rows: list[Row]) -> list[Row]:
    """Return the rows, the reference itself and what is given first, then stops, then the rest."""
    def rank(row: Row) -> int:
        return 0 if row[0] == 0 or row[1] in ('last', 'learned', 'arrive') else 1 if row[1] == 'stop' else 2

    return sorted(rows, key=rank)


def _shifts(course: Course, speed: float, settings: ProposalSettings) -> list[tuple[str, float, float]]:
    """Return (name, offset, metres until reached) of the paths beside the reference."""
    quick, slow = max(10.0, 1.6 * speed), max(18.0, 3.2 * speed)
    back = max(10.0, 2.5 * speed)
    base = COURSES[course.reference.kind]
    offsets = settings.shifts_m if course.on_lane else settings.shifts_m + settings.wide_shifts_m
    found = [(_beside(base, offset), offset, back if offset == 0.0 else quick) for offset in offsets]
    found += _to_place(course, speed)
    for offset in course.road.neighbours_m:
        side = 'left' if offset > 0.0 else 'right'
        found += [(f'lane on the {side}', offset, slow), (f'lane on the {side} at once', offset, quick)]
    return found


def _fine_shifts(course: Course, speed: float, settings: ProposalSettings) -> list[tuple[str, float, float]]:
    """Return more paths on a lane, as `_shifts`: between those, and reached gently."""
    if not course.on_lane or not settings.fine_shifts_m:
        return []
    base, quick = COURSES[course.reference.kind], max(10.0, 1.6 * speed)
    offsets = (*settings.shifts_m[1:], *settings.fine_shifts_m)
    found = [(_beside(base, offset), offset, quick) for offset in settings.fine_shifts_m]
    found += [(f'{_beside(base, offset)}, gently', offset, max(18.0, 3.2 * speed)) for offset in offsets]
    for offset in course.road.neighbours_m:
        found.append((f'lane on the {"left" if offset > 0.0 else "right"}, gently', offset, max(26.0, 5.0 * speed)))
    return found


def _to_place(course: Course, speed: float) -> list[tuple[str, float, float]]:
    """Return the path to the middle of the goal's place where that lies beside the reference.

    One in a lane beside is reached sooner too: who changes lanes early knows whether he can.
    """
    for arrival in course.arrivals:
        ahead_m, aside_m = arrival.near_m - course.station_m, arrival.middle_m
        if PLACE_AHEAD_M[0] < ahead_m < PLACE_AHEAD_M[1] and BESIDE_M < abs(aside_m) < MOST_BESIDE_M:
            soon_m = max(18.0, 3.2 * speed)
            reaches = (soon_m, ahead_m) if abs(aside_m) > IN_LANE_M and soon_m < ahead_m else (ahead_m,)
            return [(PLACE, aside_m, reach_m) for reach_m in reaches]
    return []


def _bends(speed: float, vehicle: Vehicle, settings: ProposalSettings) -> list[tuple[float, float]]:
    """Return pairs of curvatures for open ground: held, or undone by the opposite one."""
    limits = vehicle.limits
    sharpest = 0.95 * math.tan(limits.wheel_angle_rad) / vehicle.wheelbase_m
    sharpest = min(sharpest, limits.lateral_mps2 / max(speed, 2.0) ** 2)
    bends = [side * share * sharpest for share in settings.arc_shares for side in (1.0, -1.0)]
    return [(bend, bend) for bend in bends] + [(bend, 0.0) for bend in bends] + [(bend, -bend) for bend in bends]


def _beside(base: str, offset: float) -> str:
    return base if offset == 0.0 else f'{base} {abs(offset):.1f} m {"left" if offset > 0.0 else "right"}'


def _present(course: Course, speed_mps: float) -> list[float]:
    """Return the share of the wanted speed that we drive now, if it is one of its own."""
    share = speed_mps / course.speed_mps
    return [share] if 0.2 < share < 0.95 else []


def _upto(course: Course, share: float) -> str:
    return f'up to {share * course.speed_mps:.1f} m/s'


def _at(course: Course, share: float) -> str:
    return f'{share * course.speed_mps:.1f} m/s regardless'
