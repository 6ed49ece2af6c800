"""Map update node: what the vehicle sees of lines becomes evidence for and against the map."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autonomy_nodes.common.lanes import LaneMatch, LaneObservations, LanePieces, MapChanges
from autonomy_nodes.common.status import Level
from autonomy_nodes.common.types import EgoState, Pose
from autonomy_nodes.mapping.changes import ChangesConfig, ChangeWatch
from autonomy_nodes.mapping.suspects import write_suspects
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.markers import Mark, write_markers
from autonomy_nodes.messages.motion import read_ego, read_pose
from autonomy_nodes.messages.tables import read_lane_match, read_lane_observations, read_lane_pieces, write_changes
from autonomy_nodes.nodes.port import Join, Port, Stage

COLORS = {'removed': (1.0, 0.2, 0.1, 0.9), 'added': (0.1, 0.6, 1.0, 0.9)}


@dataclass(frozen=True)
class MapUpdateConfig(ChangesConfig):
    """Settings of the map update node. patch_path: where to keep the list of suspects, empty for nowhere."""

    patch_path: str = ''


class MapUpdate(Stage):
    """It edits no map: it only says what is suspect."""

    name = 'map_update'
    config_type = MapUpdateConfig

    def build(self, port: Port, config: MapUpdateConfig) -> None:
        """Create the watch and connect it."""
        self.port, self.watch = port, ChangeWatch(config)
        self.path = Path(config.patch_path) if config.patch_path else None
        if self.path is not None and not self.path.parent.is_dir():
            raise ValueError(f'patch_path={config.patch_path!r}: the folder {self.path.parent} does not exist')
        self.changes_out = port.publisher(topics.CHANGES)
        self.markers_out = port.publisher(topics.CHANGE_MARKERS)
        partners = [
            Join(topics.LOCAL_VECTORS, read_lane_pieces),
            Join(topics.LANE_MATCH, read_lane_match),
            Join(topics.ODOMETRY, read_ego, must=True),
            Join(topics.POSE, read_pose),
        ]
        port.trigger(topics.LANE_OBSERVATIONS, read_lane_observations, self.judge, partners)

    def judge(
        self,
        seen: LaneObservations,
        pieces: LanePieces | None,
        match: LaneMatch | None,
        ego: EgoState,
        pose: Pose | None,
    ) -> None:
        """Take one frame in; tell the suspects once a second."""
        if pieces is None or pose is None:
            self.port.say(Level.OK, 'no map' if pieces is None else 'no pose in map')
            return
        if words := self.watch.step(seen, pieces, match, pose):
            self.port.say(Level.OK, f'not judged: {words}')
        if self.watch.due(seen.stamp_ns):
            self.tell(self.watch.changes(seen.stamp_ns))

    def tell(self, changes: MapChanges) -> None:
        """Publish the suspects, and write them down."""
        self.changes_out.publish(write_changes(changes))
        if self.markers_out.wanted():
            rows = {kind: np.array([each == kind for each in changes.kinds], bool) for kind in COLORS}
            marks = [Mark(changes.positions_m[rows[kind]], 'dots', color, 1.0) for kind, color in COLORS.items()]
            self.markers_out.publish(write_markers(changes.stamp_ns, 'map', marks, 'suspects'))
        if self.path is not None:
            try:
                write_suspects(changes, self.path)
            except OSError as error:
                self.port.say(Level.WARN, f'suspects not written: {error}')
