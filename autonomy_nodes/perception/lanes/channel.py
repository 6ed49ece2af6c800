"""What the network of lanes tells of a sweep, as the stack sees it: short straight pieces with their class."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from autonomy_nodes.common.lanes import Landmark, LaneObservations, Line
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.common.types import DataError
from autonomy_nodes.inference import opening
from autonomy_nodes.inference.backend import Backend
from autonomy_nodes.perception.bev import CELL_M, LANE_INPUTS, LANE_KINDS, LANE_OUTPUTS, LANES, LANES_ORIGIN_M, PRIOR
from autonomy_nodes.perception.cells import met
from autonomy_nodes.perception.far_raster import NEAR
from autonomy_nodes.perception.ground import Ground
from autonomy_nodes.perception.lanes.lines import LineSettings, Told, lines_of, marks_of
from autonomy_nodes.perception.lanes.raster import lane_rasterised
from autonomy_nodes.perception.learned import rows_of

NETWORK = 'autonomy_nodes.perception.lanes.network'  # its reference in torch
CLASSES = {
    'divider': Line.DIVIDER, 'boundary': Line.BOUNDARY, 'stop_line': Line.STOP_LINE, 'crossing': Line.CROSSWALK,
    'centre': Line.CENTERLINE,
}  # fmt: skip
MARKS = (Landmark.POLE, Landmark.SIGN)  # of bev.LANDMARKS
MARK_HIGH_M = 2.0
PIECE_M = 2.0


@dataclass(frozen=True)
class LaneSettings:
    """How lanes are read from cells. line, mark: chance from which the stack hears of a line, of a pole or a sign."""

    lines: LineSettings = field(default_factory=LineSettings)
    line: float = 0.4
    mark: float = 0.5

    def __post_init__(self) -> None:
        for name in ('line', 'mark'):
            if not 0.0 < getattr(self, name) < 1.0:
                raise ValueError(f'lanes.{name}={getattr(self, name)} must lie between 0 and 1')


@dataclass(frozen=True, eq=False)
class Road:
    """What is told of the road.

    lines: in base_link, unlikely ones too. marks: (K, 4) place in bev.LANDMARKS, x, y, chance.
    ground_m: (*LANES) height of the ground, known: (*LANES) where the LiDAR can know of it.
    """

    lines: list[Told]
    marks: np.ndarray
    ground_m: np.ndarray
    known: np.ndarray


class LaneChannel:
    """Runs the network of lanes on sweeps; it holds nothing from one to the next."""

    def __init__(self, backend: Backend, settings: LaneSettings | None = None) -> None:
        manifest = backend.manifest
        for side, table in ((manifest.inputs, LANE_INPUTS), (manifest.outputs, LANE_OUTPUTS)):
            wanted = {name: (1, channels, *cells) for name, (channels, cells) in table.items()}
            if (found := {name: tensor.shape for name, tensor in side.items()}) != wanted:
                told = f'network {manifest.name!r} has tensors {found}, lanes need {wanted}'
                raise SettingsError(f'{told}; give one of `autonomy train lanes`')
        self._backend, self._settings = backend, settings or LaneSettings()

    def perceive(self, rows: np.ndarray, ground: Ground, rays: np.ndarray | None, sensor_m: np.ndarray | None) -> Road:
        """Return what is told of a sweep (N, 4) x y z intensity in base_link, with its ground and rays (cells.rays).

        Raises DataError where the network's answer is not right.
        """
        inputs = lane_rasterised(rows, ground, rays, sensor_m)
        told = self._backend.run({name: value[None] for name, value in inputs.items()})
        if not all(np.isfinite(told[name]).all() for name in LANE_OUTPUTS):
            raise DataError('the network of lanes gave numbers that are not finite')
        prior = inputs['prior']
        known = met(prior[PRIOR.index('known')], prior[PRIOR.index('passed')], NEAR)
        lines = lines_of(told['lines'][0], told['travel'][0], self._settings.lines)
        return Road(lines, marks_of(told['marks'][0], self._settings.mark), prior[PRIOR.index('ground')], known)

    def observe(
        self, cloud: PointCloud, ground: Ground, rays: np.ndarray | None, sensor_m: np.ndarray | None,
        paint: LaneObservations,
    ) -> tuple[LaneObservations, str]:  # fmt: skip
        """Return what is told of a sweep in base_link, and why it is but the paint where the network told nothing."""
        try:
            road = self.perceive(rows_of(cloud, cloud.xyz), ground, rays, sensor_m)
        except DataError as error:
            return paint, str(error)
        return observed(road, cloud.stamp_ns, paint.seen_range_m, self._settings.line), ''


def observed(road: Road, stamp_ns: int, seen_range_m: np.ndarray, least: float) -> LaneObservations:
    """Return lines as pieces of at most 2 m on the ground, poles and signs as pieces that stand.

    seen_range_m: as LaneObservations has it. least: score from which a line counts.
    """
    segments: list[np.ndarray] = []
    classes: list[int] = []
    sure: list[float] = []
    for line in (one for one in road.lines if one.score >= least):
        points = _each(line.points)
        xyz = np.column_stack([points, _heights(road, points)])
        segments += list(np.stack([xyz[:-1], xyz[1:]], axis=1))
        classes += [CLASSES[LANE_KINDS[line.kind]]] * (len(xyz) - 1)
        sure += [line.score] * (len(xyz) - 1)
    for kind, x, y, chance in road.marks:
        foot = np.array([x, y, _heights(road, np.array([[x, y]]))[0]])
        segments.append(np.stack([foot, foot + (0.0, 0.0, MARK_HIGH_M)]))
        classes.append(MARKS[int(kind)])
        sure.append(float(chance))
    return LaneObservations(
        stamp_ns, np.array(segments).reshape(-1, 2, 3), np.array(classes, np.uint8), np.array(sure), seen_range_m
    )


def opened(folder: Path, backend: str = 'auto', settings: LaneSettings | None = None) -> LaneChannel:
    """Return the channel of a folder of models/."""
    return LaneChannel(opening.opened(folder, NETWORK, backend, '', 1), settings)


def _each(line: np.ndarray) -> np.ndarray:
    """Return a line (M, 2) with points at most PIECE_M apart."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.linspace(0.0, along[-1], max(2, int(np.ceil(along[-1] / PIECE_M)) + 1))
    return np.stack([np.interp(at, along, column) for column in line.T], axis=-1)


def _heights(road: Road, xy: np.ndarray) -> np.ndarray:
    cell = np.clip(np.floor((xy - LANES_ORIGIN_M) / CELL_M).astype(int), 0, np.array(LANES) - 1)
    return np.asarray(road.ground_m[cell[:, 0], cell[:, 1]])
