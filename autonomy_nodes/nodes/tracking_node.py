"""Tracking node: the objects of each sweep become objects over time."""

from autonomy_nodes.common.objects import Objects
from autonomy_nodes.common.status import Level
from autonomy_nodes.common.types import DataError, EgoState
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.motion import read_ego
from autonomy_nodes.messages.objects import read_detected, write_tracked
from autonomy_nodes.nodes.port import Join, Port, Stage
from autonomy_nodes.perception.tracking import Tracker, TrackingConfig


class Tracking(Stage):
    """Other detectors help; without odometry of the same stamp nothing can be placed."""

    name = 'tracking'
    config_type = TrackingConfig

    def build(self, port: Port, config: TrackingConfig) -> None:
        """Create the tracker and connect it."""
        self.port, self.tracker = port, Tracker(config)
        self.tracks_out = port.publisher(topics.TRACKS)
        self.externals = [port.since(topics.EXTERNAL_OBJECTS.named(name), read_found) for name in config.externals]
        odometry = Join(topics.ODOMETRY, read_ego, must=True)
        port.trigger(topics.OBJECTS, read_found, self.track, join=(odometry,))

    def track(self, objects: Objects, ego: EgoState) -> None:
        """Publish the tracks of one sweep."""
        others = [found for gathered in self.externals for found in gathered()]
        tracks = self.tracker.track(objects, ego, others)
        self.port.say(Level.OK, '', tracks=str(len(tracks)), detections=str(len(objects)))
        self.tracks_out.publish(write_tracked(tracks))


def read_found(data: bytes) -> Objects:
    """Read detections, which must be in base_link."""
    objects = read_detected(data)
    if objects.frame != 'base_link':
        raise DataError(f'objects are in frame {objects.frame!r}, expected base_link', fault='F11')
    return objects
