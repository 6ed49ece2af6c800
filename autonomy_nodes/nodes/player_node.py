"""Player node: plays a bag into the running stack, with /clock. It takes its own pace from the wall clock."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from autonomy_nodes.common.status import Level
from autonomy_nodes.common.types import Trajectory
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.bags import Recording
from autonomy_nodes.messages.motion import write_clock
from autonomy_nodes.messages.remap import read_remap
from autonomy_nodes.messages.trajectory import read_trajectory
from autonomy_nodes.messages.words import read_heartbeat
from autonomy_nodes.nodes.pacing import Pace, Ready
from autonomy_nodes.nodes.port import Port, Publisher, Stage

TICK_S = 0.01
CLOCK_NS = 20_000_000
FOREIGN = ('vehicle', 'people')  # who gives what is played; all else the stack gives anew


@dataclass(frozen=True)
class PlayerSettings:
    """What to play, how fast, and how patiently.

    bag: rosbag2 folder or MCAP file. rate: recorded seconds a second. remap: yaml of names, see messages/remap.py.
    wait_for_stack_s: how long time may stand still for a stack that cannot follow; 0 plays on regardless.
    wait_for: nodes that must have given a sign of life before the first message; longest_wait_s: at most so long.
    """

    bag: str = ''
    remap: str = ''
    rate: float = 1.0
    wait_for_stack_s: float = 10.0
    wait_for: tuple[str, ...] = ()
    longest_wait_s: float = 60.0
    end_after_s: float = 1.5

    def __post_init__(self) -> None:
        if not self.rate > 0.0:
            raise ValueError(f'rate={self.rate} must be above 0')


class Player(Stage):
    """Sends each message when its time has come, and ends the process after the last."""

    name = 'player'
    config_type = PlayerSettings

    def build(self, port: Port, config: PlayerSettings) -> None:
        """Open the bag."""
        self.port, self.config = port, config
        recording = Recording(Path(config.bag), read_remap(Path(config.remap)) if config.remap else None)
        found = {name: topics.find(name) for name in recording.types}
        self.topics = {name: topic for name, topic in found.items() if topic and topic.given_by in FOREIGN}
        self.out: dict[str, Publisher] = {name: port.publisher(topic) for name, topic in self.topics.items()}
        self.clock_out = port.publisher(topics.CLOCK)
        self.messages: Iterator[tuple[str, str, int, bytes]] = recording.messages(topics=list(self.topics))
        self.next = next(self.messages, None)
        if self.next is None:
            raise ValueError(f'{config.bag}: holds no topic that the stack reads; it has {sorted(recording.types)}')
        self.pace = Pace(rate=config.rate, hold_s=config.wait_for_stack_s)
        self.now_ns, self.clock_ns = self.next[2], 0
        self.ready = Ready(config.wait_for, config.longest_wait_s)
        self.sweep_ns: int | None = None
        self.trajectory_ns: int | None = None
        port.each(topics.PLANNED, read_trajectory, self.heard)
        port.each(topics.HEARTBEAT, read_heartbeat, self.ready.heard)
        port.every(TICK_S, self.tick)

    def heard(self, trajectory: Trajectory) -> None:
        """Note how far the stack has come."""
        self.trajectory_ns = trajectory.stamp_ns

    def tick(self, wall_ns: int) -> int:
        """Let time pass, and send what is due."""
        if not self.ready.after(TICK_S):
            self.clock_out.publish(write_clock(self.now_ns))
            return self.now_ns
        self.now_ns += self.pace.advance(TICK_S, self.sweep_ns, self.trajectory_ns)
        if self.now_ns - self.clock_ns >= CLOCK_NS:
            self.clock_ns = self.now_ns
            self.clock_out.publish(write_clock(self.now_ns))
        while self.next is not None and self.next[2] <= self.now_ns:
            name, _, stamp_ns, data = self.next
            self.out[name].publish(data)
            self.sweep_ns = stamp_ns if self.topics[name].type == topics.LIDAR_RAW.type else self.sweep_ns
            self.next = next(self.messages, None)
            if self.next is None:
                self.last_ns = self.now_ns
        if self.next is None and self.now_ns - self.last_ns > self.config.end_after_s * 1e9:
            self.port.say(Level.OK, 'the recording is over')
            self.port.finish()
        return self.now_ns
