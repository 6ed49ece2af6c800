"""Recorder node: writes what passes on the topics to a bag, and the seconds around events to clips."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from autonomy_nodes.common.status import Level
from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.messages.clips import MB, Clipper, ClipSettings, Occasion
from autonomy_nodes.messages.recording import Keeper, unused
from autonomy_nodes.messages.ring import Heard
from autonomy_nodes.messages.topics import CLOCK, DIAGNOSTICS, EXTERNAL_OBJECTS, HEARTBEAT, TABLE, Topic
from autonomy_nodes.nodes.occasions import Occasions
from autonomy_nodes.nodes.port import Port, Stage

TOLD_S, WRITE_S = 1.0, 0.1
QUEUED_S = 1.0  # so long the fastest topic (100 Hz) waits for us in the middleware, before messages are lost there
NOT_RECORDED = (CLOCK, HEARTBEAT)  # a bag has times of its own, and a sign of life says nothing afterwards


@dataclass(frozen=True)
class RecorderSettings:
    """What to record. path: the bag, a new folder (PATH-1 and so on where there is one).

    whole: false writes no bag, clips alone. lidars, cameras, externals: sensors whose topics are recorded.
    without: names of topics that are left out, as docs/topics.md has them.
    raw_sensors: false leaves out the raw sweeps and pictures, which are most of a bag.
    heavy_every: of merged clouds and rectified pictures one of so many is kept in the bag; clips keep all.
    """

    path: str = 'recording'
    whole: bool = True
    lidars: tuple[str, ...] = ('top',)
    cameras: tuple[str, ...] = ('front',)
    externals: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    raw_sensors: bool = True
    heavy_every: int = 1
    clips: ClipSettings = field(default_factory=ClipSettings)

    def __post_init__(self) -> None:
        known = {topic.name for topic in TABLE}
        if unknown := {*self.without} - known:
            raise ValueError(f'without: {sorted(unknown)} are no topics; docs/topics.md lists them')
        if not self.whole and not self.clips.folder:
            raise ValueError('nothing to record: set whole to true, or clips.folder to a folder')


class Recorder(Stage):
    """Hears every topic of the table that says something afterwards."""

    name = 'recorder'
    config_type = RecorderSettings

    def build(self, port: Port, config: RecorderSettings) -> None:
        """Open the bag and listen."""
        self.port, self.asked, self.path = port, Path(config.path), unused(Path(config.path))
        self.keeper = Keeper(self.path, config.heavy_every) if config.whole else None
        self.clipper = Clipper(config.clips) if config.clips.folder else None
        self.occasions, self.stepped_ns, self.held_up = Occasions(), -1, 0
        self.trouble, self.unwritten, self.told_lost, self.told_ns = '', 0, 0, -1
        port.every(TOLD_S, self.tell)
        if self.clipper is not None:
            port.every(WRITE_S, self.write)
            port.switch('recorder/clip', self.pressed)
        for topic in TABLE:
            if topic.raw and not config.raw_sensors or topic in NOT_RECORDED or topic.name in config.without:
                continue
            for name in _sensors(topic, config):
                self.record(topic.named(name))

    def record(self, topic: Topic) -> None:
        """Take each message of one topic."""
        self.port.each(topic, bytes, self._taker(topic))

    def _taker(self, topic: Topic) -> Callable[[bytes], None]:
        def take(data: bytes) -> None:
            now_ns = self.port.now_ns()
            self.keep(topic, now_ns, data)
            if self.clipper is not None:
                self.clipper.take(Heard(topic, now_ns, data))
                if topic.name == DIAGNOSTICS.name:
                    for occasion in self.occasions.of_message(data):
                        self.clipper.note(occasion, now_ns)

        return take

    def keep(self, topic: Topic, now_ns: int, data: bytes) -> None:
        """Write a message to the whole bag; where the disk is full that ends, and what is not written is counted."""
        try:
            if self.keeper is not None:
                self.keeper.take(topic, now_ns, data)
        except OSError as error:
            self.keeper, self.trouble = None, str(error)
        self.unwritten += bool(self.trouble)

    def pressed(self, wanted: bool) -> tuple[bool, str]:
        """Make a clip around now, because somebody asks; with false, end the one that is being written."""
        assert self.clipper is not None
        now_ns = self.port.now_ns()
        if not wanted:
            self.clipper.stop(now_ns)
            return True, 'the clip ends now'
        if 'button' not in self.clipper.settings.kinds:
            return False, 'clips.kinds has no button'
        passed_over = self.clipper.passed_over
        self.clipper.note(Occasion('button', now_ns, 'pressed', 'somebody asked for a clip'), now_ns)
        if self.clipper.passed_over > passed_over:
            return False, f'the last one was asked for less than clips.quiet_s={self.clipper.settings.quiet_s:g} s ago'
        return True, f'a clip is written to {self.clipper.folder}'

    def write(self, now_ns: int) -> None:
        """Write on a clip, and note when the middleware had to wait for us for too long."""
        assert self.clipper is not None
        late_s = (now_ns - self.stepped_ns) / SECOND_NS
        if self.stepped_ns >= 0 and late_s > QUEUED_S:
            self.held_up += 1
            self.port.say(Level.WARN, f'held up for {late_s:.1f} s: messages may be missing; lower clips.write_mb_s')
        self.stepped_ns = now_ns
        for text in self.clipper.step(now_ns, WRITE_S):
            self.port.say(Level.WARN, text)

    def tell(self, now_ns: int) -> None:
        """Say where the recording lies; where one lay there already, as after a restart, it is not the asked place."""
        if now_ns == self.told_ns:  # time stands still, as at the end of a replay, and what waited is caught up with
            return
        self.told_ns = now_ns
        moved = f'{self.asked} exists already: this recording is {self.path}' if self.path != self.asked else ''
        if self.keeper is not None:
            self.port.say(Level.WARN if moved else Level.OK, moved, path=str(self.path))
        if self.trouble:
            text = f'{self.path} is no longer written: {self.trouble}'
            part = f'{self.path.name}.part'
            remedy = f'free the disk and start the recorder again; `mcap recover` saves what is in {part}'
            self.port.say(Level.ERROR, text, remedy=remedy, not_written=str(self.unwritten))
        if self.clipper is not None:
            self.tell_clips(self.clipper)

    def tell_clips(self, clipper: Clipper) -> None:
        """Say how many clips there are, and what was lost on the way."""
        lost = sum(clipper.lost.values())
        worst = max(clipper.lost, key=lambda name: clipper.lost[name], default='')
        more, self.told_lost = lost > self.told_lost, lost
        text = f'{lost} messages left memory early, most of {worst}: raise clips.memory_mb' if more else ''
        self.port.say(
            Level.WARN if more else Level.OK, text, clips=str(clipper.made), clips_folder=str(clipper.folder),
            clips_disk_mb=f'{clipper.disk_bytes() / MB:.1f}', clips_removed=str(clipper.removed),
            clips_failed=str(clipper.failed), occasions_passed_over=str(clipper.passed_over),
            memory_s=f'{clipper.ring.seconds:.1f}', memory_mb=f'{clipper.ring.bytes / MB:.1f}', memory_lost=str(lost),
            held_up=str(self.held_up),
        )  # fmt: skip

    def free(self) -> None:
        """Finish the bag and the clip."""
        if clipper := self.__dict__.pop('clipper', None):
            clipper.finish('the recorder was stopped')
        if keeper := self.__dict__.pop('keeper', None):
            keeper.close()


def _sensors(topic: Topic, config: RecorderSettings) -> tuple[str, ...]:
    """Return the names that stand for {name} in a topic; one empty name where it has none."""
    if '{name}' not in topic.name:
        return ('',)
    if topic.name == EXTERNAL_OBJECTS.name:
        return config.externals
    return config.lidars if 'sensing/lidar' in topic.name else config.cameras
