"""Viewer node: shows the running stack live, in a process of its own; nobody waits for it, and it draws what it can."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from autonomy_nodes.common.sensing import Transforms
from autonomy_nodes.common.status import Level, Status
from autonomy_nodes.common.types import DataError, Decision
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.cdr import Cursor
from autonomy_nodes.messages.clouds import read_cloud
from autonomy_nodes.messages.grids import read_grid
from autonomy_nodes.messages.images import read_camera_info, read_image
from autonomy_nodes.messages.marker_lines import read_lines
from autonomy_nodes.messages.motion import read_ego, read_transforms
from autonomy_nodes.messages.objects import read_predictions
from autonomy_nodes.messages.tables import read_lane_observations, read_lane_pieces
from autonomy_nodes.messages.topics import Topic
from autonomy_nodes.messages.trajectory import read_trajectory
from autonomy_nodes.messages.words import read_decision, read_status
from autonomy_nodes.nodes import viewing
from autonomy_nodes.nodes.port import Port, Stage
from autonomy_nodes.nodes.viewing import Drawing, Pen
from autonomy_nodes.nodes.window import WAYS, opened
from autonomy_nodes.sensors.calibration import Calibration

TOLD_S = 1.0
PATIENT_S = 0.5  # without a plan that was judged for so long, it draws by the clock
Draw = Callable[[Pen, Any], list[Drawing]]
SCENE: tuple[tuple[Topic, Callable[[bytes], Any], Draw], ...] = (
    (topics.ODOMETRY, read_ego, Pen.ego),
    (topics.CLOUD, read_cloud, lambda pen, cloud: pen.cloud('sweep', viewing.GREY, cloud)),
    (topics.OBSTACLES, read_cloud, lambda pen, cloud: pen.cloud('obstacles', viewing.ORANGE, cloud)),
    (topics.LANE_OBSERVATIONS, read_lane_observations, Pen.paint),
    (topics.LOCAL_VECTORS, read_lane_pieces, Pen.map_lines),
    (topics.TERRAIN, read_grid, Pen.terrain),
    (topics.TERRAIN_FAR, read_grid, Pen.far),
    (topics.PREDICTIONS, read_predictions, Pen.predictions),
    (topics.CANDIDATES, read_lines, Pen.candidates),
    (topics.PLANNED, read_trajectory, lambda pen, plan: pen.line('planned', viewing.PLANNED, 0.15, plan)),
    (topics.CONTINGENCY, read_trajectory, lambda pen, stop: pen.line('stop', viewing.STOP, 0.15, stop)),
    (topics.TRAJECTORY, read_trajectory, lambda pen, drive: pen.line('driven', viewing.DRIVEN, 0.5, drive)),
)
PICTURES = topics.IMAGE_RECT
WORDS = (topics.DECISION, topics.DIAGNOSTICS)
ARRAYS = ('visualization_msgs/msg/MarkerArray',)  # their first item tells the stamp


@dataclass(frozen=True)
class ViewerSettings:
    """What is shown, and where.

    show: 'window' of Rerun, 'web' page, 'file', or 'auto': a window where there is a display, else a page.
    port: of the page; the data come over the next one. path: of the file. memory: of history that is kept.
    period_s: between drawings where nothing is planned. share: of a core that drawing may take; what comes meanwhile is
    dropped. most_points: of a cloud. picture_px: pictures are made no wider. cameras: whose pictures are shown.
    """

    vehicle: Vehicle = field(default_factory=Vehicle)
    show: str = 'auto'
    port: int = 9090
    path: str = 'view.rrd'
    memory: str = '500MB'
    period_s: float = 0.1
    share: float = 0.2
    most_points: int = 15000
    picture_px: int = 480
    cameras: tuple[str, ...] = ('front',)

    def __post_init__(self) -> None:
        if self.show not in WAYS:
            raise ValueError(f'show={self.show!r} must be one of {", ".join(WAYS)}')
        if not 0.0 < self.share <= 1.0:
            raise ValueError(f'share={self.share} must be above 0 and at most 1')


@dataclass(frozen=True)
class Held:
    """The newest message of a topic, not read yet: what is replaced before it is drawn costs nothing."""

    stamp_ns: int
    data: bytes


@dataclass
class Shown:
    """A topic on its way to the viewer."""

    newest: Callable[[], Held | None]
    read: Callable[[bytes], Any]
    draw: Callable[[Any], list[Drawing]]
    drawn: Held | None = None


class Viewer(Stage):
    """Keeps the newest message of each topic, and reads and draws those that are new when a plan has been judged.

    Then the stages rest until the next sweep: what it takes of the processors and of their caches slows down nobody.
    """

    name = 'viewer'
    config_type = ViewerSettings

    def build(self, port: Port, config: ViewerSettings) -> None:
        """Open the viewer and listen."""
        rr, self.stream, self.where = opened(config.show, config.port, config.memory, config.path)
        self.rr, self.port, self.config = rr, port, config
        self.pen = Pen(rr, config.vehicle, config.most_points, config.picture_px)
        self.came, self.drawn, self.rests_until_s, self.judged_s = 0, 0, 0.0, -PATIENT_S
        self.mode, self.said = '', dict[str, tuple[Level, str]]()
        self.calibration = Calibration(config.vehicle.mounts)
        self.put(0, self.pen.body())
        self.shown = [self.listen(topic, read, partial(draw, self.pen)) for topic, read, draw in SCENE]
        self.shown.append(self.listen(topics.DECISION, read_decision, self.why))
        for name in config.cameras:
            self.shown.append(self.listen(PICTURES.named(name), read_image, partial(self.pen.picture, name)))
        self.cameras = {
            name: port.latest(topics.IMAGE_RECT_INFO.named(name), read_camera_info) for name in config.cameras
        }
        port.each(topics.TF_STATIC, read_transforms, self.place)
        port.each(topics.DIAGNOSTICS, read_status, self.hear)
        port.every(config.period_s, self.tick)
        port.every(TOLD_S, self.tell)

    def listen(self, topic: Topic, read: Callable[[bytes], Any], draw: Callable[[Any], list[Drawing]]) -> Shown:
        """Keep the newest message of a topic, unread."""

        def hold(data: bytes) -> Held:
            self.came += 1
            cursor = Cursor(data)
            if topic.type in ARRAYS:
                cursor.count(1)
            return Held(cursor.header()[0], data)

        return Shown(self.port.latest(topic, hold), read, draw)

    def tick(self, now_ns: int) -> None:
        """Draw what is new where no plans tell when."""
        if time.perf_counter() - self.judged_s >= PATIENT_S:
            self.draw_new()

    def draw_new(self) -> None:
        """Draw what is new, unless the last drawing took so long that others come first."""
        if time.perf_counter() < self.rests_until_s:
            return
        began_s = time.process_time()  # not the wall clock: where others run, waiting is no work
        for each in self.shown:
            held = each.newest()
            if held is None or held is each.drawn:
                continue
            each.drawn, self.drawn = held, self.drawn + 1
            try:
                self.put(held.stamp_ns, each.draw(each.read(held.data)))
            except DataError as error:
                self.port.say(Level.OK, f'not drawn: {error}')
        spent_s = time.process_time() - began_s
        self.rests_until_s = time.perf_counter() + spent_s * (1.0 / self.config.share - 1.0)

    def put(self, stamp_ns: int, drawings: list[Drawing]) -> None:
        """Hand drawings to the viewer, which sends them from a thread of its own."""
        self.stream.set_time('stamp', timestamp=np.datetime64(stamp_ns, 'ns'))
        for each in drawings:
            self.stream.log(each.path, each.archetype, static=each.lasting)

    def place(self, transforms: Transforms) -> None:
        """Take where sensors sit; the cameras are drawn by the next words that come."""
        self.calibration.take(transforms)

    def place_cameras(self) -> None:
        """Draw the cameras whose place is known by now, once each."""
        for name, newest in list(self.cameras.items()):
            model = newest()
            if model is not None:
                self.put(model.stamp_ns, self.pen.camera(name, model, self.calibration.base_from(model.frame)))
                del self.cameras[name]

    def hear(self, status: Status) -> None:
        """Draw how old a sweep is when a stage is done with it, what stages complain of, and the mode."""
        drawings = []
        if status.lineage and 'latency_ms' in status.values:
            path = f'latency_ms/{status.node}'
            drawings.append(Drawing(path, self.rr.Scalars(float(status.values['latency_ms']))))
        if status.node == 'safety':
            self.mode = status.text
        if self.said.get(status.node, (Level.OK, ''))[0] is not status.level:
            level = {Level.OK: 'INFO', Level.WARN: 'WARN'}.get(status.level, 'ERROR')
            drawings.append(Drawing('log', self.rr.TextLog(f'{status.node}: {status.text}', level=level)))
        self.said[status.node] = status.level, status.text
        self.put(status.stamp_ns, drawings)
        if status.node == 'safety' and status.lineage:
            self.judged_s = time.perf_counter()
            self.draw_new()

    def why(self, decision: Decision) -> list[Drawing]:
        """Return the mode and the decision in words."""
        rows = {'chosen': decision.chosen, 'runner-up': decision.runner_up, **decision.values}
        table = '\n'.join(f'| {name} | {value} |' for name, value in rows.items() if value)
        text = f'### {self.mode or "no mode told"}\n\n{decision.reason}\n\n| | |\n|---|---|\n{table}\n'
        return [Drawing('why', self.rr.TextDocument(text, media_type='text/markdown'))]

    def tell(self, now_ns: int) -> None:
        """Say where the viewer is, and how much was dropped since nobody waits for it."""
        try:
            self.place_cameras()
        except DataError as error:
            self.port.say(Level.OK, str(error))
        self.port.say(Level.OK, f'seen at {self.where}', drawn=str(self.drawn), passed_over=str(self.came - self.drawn))

    def free(self) -> None:
        """Send what waits and let go."""
        if stream := self.__dict__.pop('stream', None):
            stream.flush()
            stream.disconnect()
