"""The other road users: each decides by its policy; the same world and the same ego give the same traffic."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from autonomy_nodes.sim.rightofway import Rules, Seen
from autonomy_nodes.sim.world import Actor, Drive, World

DECISION_STEPS = 5  # accelerations are chosen anew each so many steps
_LOOK_AHEAD_M = 90.0
_SIDE_M = 0.4  # one who is farther beside the own body's way than this is not in the way
_HITCH_M = 0.6  # of towing actors, behind their middle as a share of half the length
_STEEPEST_BEND_MPS2 = 2.0  # lateral, by which actors slow down in bends


@dataclass(frozen=True)
class Stand:
    """Where an actor is: the middle of its box, on the plane. gone: it has left the world.

    s_m: along its path. turn_rps: of its heading.
    """

    x_m: float
    y_m: float
    heading_rad: float
    speed_mps: float = 0.0
    turn_rps: float = 0.0
    s_m: float = 0.0
    acceleration_mps2: float = 0.0
    begun: bool = True
    gone: bool = False


class Path:
    """A line to drive along. points: (N, 2), resampled to about 1 m."""

    def __init__(self, points: np.ndarray) -> None:
        steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
        keep = np.concatenate([[True], steps > 1e-6])
        points = points[keep]
        s = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
        self.length_m = float(s[-1])
        self._s = np.linspace(0.0, self.length_m, max(2, int(self.length_m) + 1))
        self.points = np.stack([np.interp(self._s, s, column) for column in points.T], axis=-1)
        self._step = self._s[1]
        along = np.gradient(self.points, axis=0)
        self.headings = np.unwrap(np.arctan2(along[:, 1], along[:, 0]))
        bend = np.abs(np.gradient(self.headings, self._step))
        self.bend_speeds = np.sqrt(_STEEPEST_BEND_MPS2 / np.maximum(np.convolve(bend, np.ones(5) / 5, 'same'), 1e-4))

    def at(self, s: float) -> tuple[float, float, float]:
        """Return x, y, heading."""
        place = min(max(s / self._step, 0.0), len(self._s) - 1.001)
        i, share = int(place), place - int(place)
        x, y = self.points[i] + share * (self.points[i + 1] - self.points[i])
        return float(x), float(y), float(self.headings[i] + share * (self.headings[i + 1] - self.headings[i]))

    def bend_speed(self, s: float, ahead_m: float) -> float:
        """Return the speed that the bends from `s` on allow."""
        i = int(s / self._step)
        return float(self.bend_speeds[i : i + 1 + int(ahead_m / self._step)].min(initial=np.inf))

    def project(self, xy: np.ndarray, s: float, reach_m: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (K,) distance along, distance left, heading of the path for (K, 2) places near `s` to `s + reach`."""
        first = max(int(s / self._step) - 2, 0)
        last = min(first + int(reach_m / self._step) + 3, len(self.points))
        if last - first < 2:
            first = max(last - 2, 0)
        part = self.points[first:last]
        nearest = np.argmin(((xy[:, None] - part[None]) ** 2).sum(-1), axis=1)
        heading = self.headings[first + nearest]
        away = xy - part[nearest]
        along = away[:, 0] * np.cos(heading) + away[:, 1] * np.sin(heading)
        left = away[:, 1] * np.cos(heading) - away[:, 0] * np.sin(heading)
        return self._s[first + nearest] + along, left, heading


def intelligent_driver(
    speed: float, wanted: float, gap_m: float, closing: float, headway_s: float, acceleration: float, braking: float,
    hardest: float = 8.0,
) -> float:  # fmt: skip
    """Return the acceleration of the intelligent driver model (Treiber, Hennecke, Helbing 2000), minimum gap 2 m.

    hardest: braking, in emergencies.
    """
    free = 1.0 - (speed / max(wanted, 0.1)) ** 4
    safe = 2.0 + max(0.0, speed * headway_s + speed * closing / (2.0 * math.sqrt(acceleration * braking)))
    return float(max(min(acceleration * (free - (safe / max(gap_m, 0.1)) ** 2), acceleration), -hardest))


class Traffic:
    """All actors of a world over time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rules = Rules(world.lanes)
        self.actors = world.actors
        self._paths: dict[int, Path] = {}
        self.stands: dict[int, Stand] = {}
        self._steps = 0
        towed = {actor.tows for actor in world.actors}
        for actor in world.actors:
            if actor.id not in towed:
                self.stands[actor.id] = self._start(actor)
                if actor.tows:
                    self._hitch(actor, 0.0)

    def _start(self, actor: Actor) -> Stand:
        policy = actor.policy
        if policy.drive is Drive.PARKED:
            return Stand(*actor.place)
        points = policy.path
        if policy.drive is Drive.LANES:
            assert self._world.lanes is not None, f'actor {actor.id} follows lanes in a world without'
            points = np.concatenate([self._world.lanes.centre(lane)[:, :2] for lane in policy.lanes])
        path = self._paths[actor.id] = Path(points)
        waits = policy.drive is Drive.WALK and (policy.starts_s > 0.0 or policy.starts_within_m > 0.0)
        speed = 0.0 if waits else min(policy.speed_mps, path.bend_speed(policy.start_m, 20.0))
        return Stand(*path.at(policy.start_m), speed_mps=speed, s_m=policy.start_m, begun=not waits)

    def advance(self, time_s: float, dt_s: float, ego: Sequence[Seen]) -> None:
        """Move everybody on to `time_s` + `dt_s`; `ego` are the rectangles of the vehicle and its trailer."""
        if self._steps % DECISION_STEPS == 0:
            self._decide(time_s, ego)
        self._steps += 1
        for actor in self.actors:
            stand = self.stands.get(actor.id)
            if stand is None or stand.gone or actor.id not in self._paths or not stand.begun:
                continue
            self.stands[actor.id] = self._moved(actor, stand, dt_s)
            if actor.tows:
                self._hitch(actor, dt_s)

    def _moved(self, actor: Actor, stand: Stand, dt_s: float) -> Stand:
        path = self._paths[actor.id]
        speed = max(0.0, stand.speed_mps + stand.acceleration_mps2 * dt_s)
        s = stand.s_m + 0.5 * (stand.speed_mps + speed) * dt_s
        if s >= path.length_m:
            if actor.policy.loops:
                s -= path.length_m
            elif actor.policy.drive is Drive.WALK:  # arrived, and stays
                return replace(stand, speed_mps=0.0, turn_rps=0.0, acceleration_mps2=0.0, s_m=path.length_m)
            else:
                return replace(stand, gone=True)
        x, y, heading = path.at(s)
        turn = (heading - stand.heading_rad) / dt_s
        return replace(stand, x_m=x, y_m=y, heading_rad=heading, speed_mps=speed, turn_rps=turn, s_m=s)

    def _decide(self, time_s: float, ego: Sequence[Seen]) -> None:
        """Choose everybody's acceleration from where all are now."""
        around = {actor.id: self.seen(actor) for actor in self.actors if self.present(actor.id)}
        for actor in self.actors:
            stand = self.stands[actor.id]
            drive = actor.policy.drive
            if stand.gone or actor.id not in self._paths:
                continue
            if not stand.begun:
                near = min((math.hypot(one.x_m - stand.x_m, one.y_m - stand.y_m) for one in ego), default=math.inf)
                if time_s >= actor.policy.starts_s or near < actor.policy.starts_within_m:
                    self.stands[actor.id] = replace(stand, begun=True, speed_mps=actor.policy.speed_mps)
            elif drive is Drive.LANES:
                others = [one for id_, one in around.items() if id_ not in (actor.id, actor.tows)]
                acceleration = self._follow(actor, stand, [*others, *ego], time_s)
                self.stands[actor.id] = replace(stand, acceleration_mps2=acceleration)

    def _follow(self, actor: Actor, stand: Stand, others: Sequence[Seen], time_s: float) -> float:
        """Return the acceleration behind whoever or whatever is ahead on its path."""
        policy, path = actor.policy, self._paths[actor.id]
        wanted = min(policy.speed_mps, path.bend_speed(stand.s_m, 5.0 + 2.0 * stand.speed_mps))
        front = stand.s_m + actor.dimensions_m[0] / 2.0
        gaps = [(_LOOK_AHEAD_M * 10.0, 0.0)]
        for stop_s in self._rules.stops(policy.lanes, front, stand.speed_mps, time_s, others):
            gaps.append((stop_s - front + 1.5, stand.speed_mps))
        if others:
            table = np.array([(o.x_m, o.y_m, o.heading_rad, o.speed_mps, o.length_m, o.width_m) for o in others])
            s, left, heading = path.project(table[:, :2], stand.s_m, _LOOK_AHEAD_M)
            turn = table[:, 2] - heading
            half_across = 0.5 * (np.abs(np.sin(turn)) * table[:, 4] + np.abs(np.cos(turn)) * table[:, 5])
            half_along = 0.5 * (np.abs(np.cos(turn)) * table[:, 4] + np.abs(np.sin(turn)) * table[:, 5])
            near = np.abs(left) < actor.dimensions_m[1] / 2.0 + half_across + _SIDE_M
            near &= (s > stand.s_m) & (s - front < _LOOK_AHEAD_M)
            for i in np.flatnonzero(near):
                gaps.append((s[i] - half_along[i] - front, stand.speed_mps - table[i, 3] * math.cos(turn[i])))
        chosen = [
            intelligent_driver(
                stand.speed_mps, wanted, gap, closing, policy.headway_s, policy.acceleration_mps2, policy.braking_mps2
            )
            for gap, closing in gaps
        ]
        return min(chosen)

    def _hitch(self, actor: Actor, dt_s: float) -> None:
        """Let what an actor tows follow on its hitch."""
        towed = next(one for one in self.actors if one.id == actor.tows)
        stand, length = self.stands[actor.id], towed.dimensions_m[0]
        ahead = -_HITCH_M * actor.dimensions_m[0] / 2.0
        hitch = np.array([stand.x_m, stand.y_m]) + ahead * _unit(stand.heading_rad)
        reach, axle = length / 2.0 - 1.2, -length / 2.0 + 3.5  # of the hitch and of the axles from its middle
        before = self.stands.get(towed.id)
        heading = stand.heading_rad
        if before is not None and dt_s > 0.0:
            joint = stand.heading_rad - before.heading_rad
            turn = (stand.speed_mps * math.sin(joint) + ahead * stand.turn_rps * math.cos(joint)) / (reach - axle)
            heading = before.heading_rad + turn * dt_s
        x, y = hitch - reach * _unit(heading)
        turn = 0.0 if before is None or dt_s == 0.0 else (heading - before.heading_rad) / dt_s
        self.stands[towed.id] = Stand(float(x), float(y), heading, stand.speed_mps, turn, gone=stand.gone)

    def present(self, actor_id: int) -> bool:
        """Return whether an actor is still in the world."""
        return not self.stands[actor_id].gone

    def seen(self, actor: Actor) -> Seen:
        """Return an actor as others see it."""
        stand, (length, width, _) = self.stands[actor.id], actor.dimensions_m
        return Seen(stand.x_m, stand.y_m, stand.heading_rad, stand.speed_mps, length, width)


def _unit(heading: float) -> np.ndarray:
    return np.array([math.cos(heading), math.sin(heading)])
