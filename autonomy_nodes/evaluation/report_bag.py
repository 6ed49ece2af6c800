"""The bag of a run, read for its report: layers of the picture are made small at once, the rest is kept as values."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from autonomy_nodes.common.types import DataError, EgoState
from autonomy_nodes.evaluation import report_layers as layers
from autonomy_nodes.evaluation.report_camera import small_picture
from autonomy_nodes.evaluation.report_path import EgoPath
from autonomy_nodes.evaluation.runlog import OUTPUTS
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.bags import Recording
from autonomy_nodes.messages.cdr import Cursor
from autonomy_nodes.messages.clouds import read_cloud
from autonomy_nodes.messages.driving import read_articulation, read_command, read_steering
from autonomy_nodes.messages.grids import read_grid
from autonomy_nodes.messages.images import read_camera_info, read_image
from autonomy_nodes.messages.marker_lines import read_lines
from autonomy_nodes.messages.motion import read_ego, read_transforms
from autonomy_nodes.messages.objects import read_labels, read_predictions, read_tracked
from autonomy_nodes.messages.tables import read_lane_pieces, read_marks, read_scene_modes
from autonomy_nodes.messages.trajectory import read_trajectory
from autonomy_nodes.messages.words import read_decision

MOST_MOMENTS = 600


@dataclass(frozen=True)
class Layer:
    """A part of the picture. draw(value, ego, origin): its small form.

    every: of the moments one of so many keeps it. loose: few are recorded, so each goes to the moment before it.
    """

    key: str
    read: Callable[[bytes], Any]
    draw: Callable[[Any, EgoState, np.ndarray], Any]
    every: int = 1
    loose: bool = False


LAYERS = {
    topics.TERRAIN.name: Layer('terrain', read_grid, lambda grid, ego, o: layers.terrain_cells(grid, o), loose=True),
    topics.CLOUD.name: Layer('sweep', read_cloud, partial(layers.point_row, most=2500), loose=True),
    topics.OBSTACLES.name: Layer('points', read_cloud, partial(layers.point_row, most=500)),
    topics.LOCAL_VECTORS.name: Layer('lines', read_lane_pieces, layers.line_rows, 5),
    topics.PREDICTIONS.name: Layer('paths', read_predictions, lambda told, ego, origin: layers.path_rows(told, origin)),
    topics.SCENE_MODES.name: Layer('modes', read_scene_modes, lambda told, *_: layers.percents(told.probabilities)),
    topics.PLANNED.name: Layer('plan', read_trajectory, lambda plan, ego, o: layers.trajectory_row(plan, o)),
    topics.CONTINGENCY.name: Layer('stop', read_trajectory, lambda stop, ego, o: layers.trajectory_row(stop, o)),
}
VALUES: dict[str, Callable[[bytes], Any]] = {
    topics.TRAJECTORY.name: read_trajectory,
    topics.TRACKS.name: read_tracked,
    topics.TRUTH.name: read_tracked,
    topics.TRUTH_LABELS.name: read_labels,
    topics.TRUTH_EGO.name: partial(read_ego, frame='map'),
    topics.MARKS.name: read_marks,
    topics.CANDIDATES.name: read_lines,
    topics.DECISION.name: read_decision,
    topics.STEERING.name: read_steering,
    topics.CONTROL.name: read_command,
    topics.ARTICULATION.name: read_articulation,
    topics.TF_STATIC.name: read_transforms,
    topics.IMAGE_RECT.name: lambda data: small_picture(read_image(data)),
    topics.IMAGE_RECT_INFO.name: read_camera_info,
}


class Bag:
    """What a report needs of a bag. Reading goes over the bag twice: the vehicle's way first.

    path: states of the vehicle; stamps: of the moments shown, one of `every` sweeps; origin: (2,) m in odom.
    rows: {stamp: {layer: its small form}}; values: {topic: [(sensor, value)]}; unreadable: messages left out.
    """

    def __init__(self, folder: Path) -> None:
        self._recording = Recording(folder / OUTPUTS)
        self.unreadable = 0
        self.values: dict[str, list[tuple[str, Any]]] = defaultdict(list)
        self._take({topics.ODOMETRY.name: self._keeper(topics.ODOMETRY.name, read_ego)})
        self.path = EgoPath({ego.stamp_ns: ego for ego in self.of(topics.ODOMETRY)})
        sweeps = list(self.path.states)
        self.every = -(-len(sweeps) // MOST_MOMENTS) or 1
        self.stamps = sweeps[:: self.every]
        self._place = {at: place for place, at in enumerate(self.stamps)}
        self.origin = np.round(self.path.states[self.stamps[0]].position_m[:2]) if self.stamps else np.zeros(2)
        self.rows: dict[int, dict[str, Any]] = {at: {} for at in self.stamps}
        drawn = {name: partial(self._draw, layer) for name, layer in LAYERS.items()}
        self._take({**drawn, **{name: self._keeper(name, read) for name, read in VALUES.items()}})

    def of(self, topic: topics.Topic) -> list[Any]:
        """Return the values of a topic in the order of the bag."""
        return [value for _, value in self.values[topic.name]]

    def moment(self, stamp_ns: int) -> int | None:
        """Return the stamp of the newest moment shown that is not later, None before the first."""
        place = bisect_right(self.stamps, stamp_ns)
        return self.stamps[place - 1] if place else None

    def _take(self, takers: Mapping[str, Callable[[str, bytes], None]]) -> None:
        """Hand (sensor, bytes) of each message to the taker of its topic; what cannot be read is counted."""
        known = {name: place for name in self._recording.types if (place := table_place(name))[0] in takers}
        if not known:
            return
        for name, _, _, data in self._recording.messages(topics=list(known)):
            topic, sensor = known[name]
            try:
                takers[topic](sensor, data)
            except DataError:
                self.unreadable += 1

    def _keeper(self, name: str, read: Callable[[bytes], Any]) -> Callable[[str, bytes], None]:
        return lambda sensor, data: self.values[name].append((sensor, read(data)))

    def _draw(self, layer: Layer, sensor: str, data: bytes) -> None:
        """Add a layer to the moment of its stamp; heavy messages of other moments are not even read."""
        stamp_ns, _ = Cursor(data).header()
        at = self.moment(stamp_ns)
        if at is None or stamp_ns not in self.path.states:
            return
        if layer.loose or (at == stamp_ns and self._place[at] % layer.every == 0):
            ego = self.path.states[stamp_ns]
            self.rows[at][layer.key] = {'at': stamp_ns, 'row': layer.draw(layer.read(data), ego, self.origin)}


def table_place(name: str) -> tuple[str, str]:
    """Return the name in the table of topics that a recorded name stands for, and the sensor; both empty for others."""
    for topic in topics.TABLE:
        if topic.name.lstrip('/') == name.lstrip('/'):
            return topic.name, ''
        if '{name}' in topic.name and (sensors := topics.sensor_names(topic, [name])):
            return topic.name, sensors[0]
    return '', ''
