"""A recorded scene as the stack would be told of it: tracked objects step by step, pieces of lanes, lights.

The frame of the recording stands for odom, and for a base_link that stands at its origin.
"""

import numpy as np

from autonomy_nodes.common.geometry import quaternion_of_heading
from autonomy_nodes.common.lanes import PIECE_POINTS, LanePieces, Light, Line, Rule, TrafficLights
from autonomy_nodes.common.objects import Label, Objects
from autonomy_nodes.common.types import SECOND_NS, EgoState
from autonomy_nodes.mapping.pieces import pieces_along
from autonomy_nodes.messages.formats.trajectories import STEP_S, RecordedScene

STEP_NS = round(STEP_S * SECOND_NS)
HEIGHT_M = 1.6
SIGMA_M, SIGMA_RAD = 0.05, 0.01  # of our own pose where it is told exactly
VARIANCES = (0.1**2, 0.03**2, 0.2**2)  # of places, headings, velocities: about what labels scatter by
CONFIDENCE = {Line.UNKNOWN: 0.5}


def stamp_of(step: int) -> int:
    """Return the stamp of a step [ns]; the first is one second, since 0 is no time."""
    return SECOND_NS + step * STEP_NS


def standing(step: int) -> EgoState:
    """Return a vehicle that stands at the origin of the scene: the recordings' own is one of the agents."""
    return EgoState(stamp_of(step), np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0]), np.zeros(6))


def exact() -> np.ndarray:
    """Return the (6, 6) covariance of a pose or a twist that is told exactly."""
    return np.diag([SIGMA_M**2] * 3 + [SIGMA_RAD**2] * 3)


def ego_of(stamp_ns: int, pose: np.ndarray, speed_mps: float, turn_rate_rps: float) -> EgoState:
    """Return the state in odom of a vehicle on the plane; pose: x y heading of base_link."""
    twist = np.array([speed_mps, 0.0, 0.0, 0.0, 0.0, turn_rate_rps])
    place = np.array([pose[0], pose[1], 0.0])
    return EgoState(stamp_ns, place, quaternion_of_heading(float(pose[2])), twist, exact(), exact())


def objects_at(scene: RecordedScene, step: int) -> tuple[Objects, np.ndarray]:
    """Return the agents that are there at a step as tracked objects in odom, and their (N,) rows in the scene."""
    rows = np.flatnonzero(np.isfinite(scene.states[:, step, 0]))
    states, sizes_m, labels = scene.states[rows, step], scene.sizes_m[rows], scene.labels[rows]
    objects = tracked(
        stamp_of(step), states[:, :3], states[:, 3:], (sizes_m, HEIGHT_M), labels, rows + 1, VARIANCES
    )  # fmt: skip
    return objects, rows


def tracked(
    stamp_ns: int, poses: np.ndarray, velocities_mps: np.ndarray, sizes_m: tuple[np.ndarray, float],
    labels: np.ndarray, keys: np.ndarray, variances: tuple[float, float, float],
) -> Objects:  # fmt: skip
    """Return road users that are known, on the plane, as tracking would give them; all in odom.

    poses: (N, 3) x y heading. velocities_mps: (N, 2). sizes_m: (N, 2) length width, and the height of all. labels: (N,)
    `Label`. keys: (N,) numbers that tell them apart. variances: of places, headings, velocities.
    """
    count, (flat_m, height_m), (place, turn, speed) = len(poses), sizes_m, variances
    chances = np.zeros((count, len(Label)))
    chances[np.arange(count), labels] = 1.0
    ids = np.zeros((count, 16), np.uint8)
    ids[:, :4] = keys.astype('>u4').reshape(-1, 1).view(np.uint8)
    return Objects(
        stamp_ns, 'odom', np.column_stack([poses[:, :2], np.full(count, height_m / 2.0)]), poses[:, 2],
        np.column_stack([flat_m, np.full(count, height_m)]), np.ones(count), chances, velocities_mps,
        np.full(count, np.nan), np.tile(np.diag([place, place, turn]), (count, 1, 1)),
        np.tile(np.eye(2) * speed, (count, 1, 1)), ids,
    )  # fmt: skip


class RecordedMap:
    """The lines of a scene cut into pieces, as a map is that the vehicle has; ids are places of lines, from 1 on."""

    def __init__(self, scene: RecordedScene) -> None:
        self.scene = scene
        lanes = [(name, row) for row, name in enumerate(scene.names) if scene.classes[row] == Line.CENTERLINE]
        self._lit = {name: row + 1 for name, row in lanes if name in scene.lights}
        points, classes, ids, lengths = [], [], [], []
        for row, line in enumerate(scene.lines):
            if scene.classes[row] >= 0 and len(line) > 1 and np.ptp(line, axis=0).max() > 0.0:
                for _, length, piece in pieces_along(np.column_stack([line, np.zeros(len(line))])):
                    points.append(piece)
                    classes.append(scene.classes[row])
                    ids.append(row + 1)
                    lengths.append(length)
        self.points = np.array(points, np.float32).reshape(-1, PIECE_POINTS, 3)
        self.classes, self.ids = np.array(classes, np.uint8), np.array(ids, np.int64)
        self.lengths_m = np.array(lengths, float)
        self._low, self._high = (
            np.array([edge(piece[:, :2], axis=0) for piece in points]).reshape(-1, 2) for edge in (np.nanmin, np.nanmax)
        )

    def pieces(self, step: int, places: np.ndarray, reach_m: float) -> LanePieces | None:
        """Return the pieces whose box is within `reach_m` of one of (N, 2) places; None without a map."""
        if not len(self.points):
            return None
        near = np.zeros(len(self.points), bool)
        for place in places:
            near |= ((self._low < place + reach_m) & (self._high > place - reach_m)).all(axis=1)
        lit = np.isin(self.ids[near], sorted(self._lit.values())) & (self.classes[near] == Line.CENTERLINE)
        confidence = np.array([CONFIDENCE.get(Line(kind), 1.0) for kind in self.classes[near].tolist()])
        return LanePieces(
            stamp_of(step), 'base_link', self.points[near], self.classes[near], self.ids[near], confidence,
            self.lengths_m[near], np.where(lit, Rule.LIGHT, Rule.UNKNOWN).astype(np.uint8),
            np.where(lit, self.ids[near], 0),
        )  # fmt: skip

    def lights(self, step: int) -> TrafficLights | None:
        """Return the lights of the lanes at a step; None where the recording tells none."""
        if not self._lit:
            return None
        states = {id_: Light(int(self.scene.lights[name][step])) for name, id_ in self._lit.items()}
        return TrafficLights(stamp_of(step), states)
