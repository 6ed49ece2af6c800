"""Plays the stack's side of the contract test: a stage, so that it runs over the middleware and in lockstep alike."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from autonomy_nodes.common.sensing import Gear
from autonomy_nodes.common.status import Heartbeat
from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.evaluation.contract.history import READERS, Answer, History
from autonomy_nodes.evaluation.contract.script import SCRIPT, WHEEL_RAD, Ask, Phase, command_of
from autonomy_nodes.messages import driving, topics
from autonomy_nodes.messages.words import write_heartbeat
from autonomy_nodes.nodes.port import Port, Stage

TICK_S = 0.05
BEAT_TICKS = 2  # 10 Hz
OTHERS = ('planning', 'control')  # their heartbeats go on when that of safety ends
PROMPT = 'DRIVER: take over now: brake to a stop, and hold the wheel'


@dataclass(frozen=True)
class ExaminerConfig:
    """patience_s: so long the vehicle's topics are waited for, and a person who is asked to take over."""

    patience_s: float = 20.0


class Examiner(Stage):
    """Goes through SCRIPT once, then asks its process to end; `history` holds what happened. tell: hears each phase."""

    name = 'examiner'
    config_type = ExaminerConfig

    def __init__(self, vehicle: Vehicle, tell: Callable[[str], None] = lambda text: None) -> None:
        self.vehicle, self.tell, self.history = vehicle, tell, History()

    def build(self, port: Port, config: ExaminerConfig) -> None:
        """Connect the stack's side of the hand-over."""
        self.port, self.config = port, config
        self.left, self.ticks = list(SCRIPT), 0
        self.phase: Phase | None = None
        self.opened_ns: int | None = None
        self.since_ns, self.waits = 0, False  # waits: for a person to take over
        self.control_out, self.gear_out = port.publisher(topics.CONTROL), port.publisher(topics.GEAR_COMMAND)
        self.twist_out, self.ackermann_out = port.publisher(topics.TWIST), port.publisher(topics.ACKERMANN)
        self.heartbeat_out = port.publisher(topics.HEARTBEAT)
        self.engage, self.driver = port.request('vehicle/engage'), port.request('vehicle/fault/driver')
        for topic in READERS:
            port.each(topic, bytes, partial(self.hear, topic))
        port.every(TICK_S, self.tick)

    def hear(self, topic: topics.Topic, data: bytes) -> None:
        """Note what the vehicle tells."""
        self.history.take(topic, self.port.now_ns(), data)

    def tick(self, now_ns: int) -> None:
        """Do what the phase asks for; go on to the next one when it is over."""
        self.opened_ns = now_ns if self.opened_ns is None else self.opened_ns
        phase = self.phase
        if phase is None and not self.met(now_ns):
            return
        if phase is None or self.over(phase, now_ns):
            if not self.left:
                self.history.ended_ns[phase.name if phase else ''] = now_ns
                self.port.finish()
                return
            self.begin(self.left.pop(0), now_ns)
        self.send(now_ns)
        self.request(now_ns)
        self.ticks += 1

    def met(self, now_ns: int) -> bool:
        """Return whether the vehicle is there: it tells all that it must, or was waited for long enough."""
        awaited = [topic for topic in READERS if topic != topics.ARTICULATION or self.vehicle.trailer.present]
        late = now_ns - (self.opened_ns or 0) > self.config.patience_s * SECOND_NS
        return late or all(self.history.samples[topic] for topic in awaited)

    def begin(self, phase: Phase, now_ns: int) -> None:
        """Begin a phase."""
        if self.phase is not None:
            self.history.ended_ns[self.phase.name] = now_ns
        self.phase, self.since_ns = phase, now_ns
        self.history.begun_ns[phase.name] = now_ns
        self.tell(phase.name)

    def over(self, phase: Phase, now_ns: int) -> bool:
        """Return whether a phase is over; for a person who takes over it lasts from when that is told."""
        history = self.history
        engaged = history.newest(topics.CONTROL_MODE) == 'AUTONOMOUS'
        in_time = now_ns - self.since_ns < self.config.patience_s * SECOND_NS
        self.waits = self.waits and engaged and in_time
        if self.waits:
            history.begun_ns[phase.name] = now_ns
        return now_ns - history.begun_ns[phase.name] >= phase.seconds * SECOND_NS - 1

    def send(self, now_ns: int) -> None:
        """Send commands and heartbeats of this moment."""
        assert self.phase is not None
        phase, history = self.phase, self.history
        if self.waits:
            phase = replace(phase, wheel_rad=WHEEL_RAD)
        if self.ticks % BEAT_TICKS == 0:
            for node in (*OTHERS, *(['safety'] if phase.heartbeat else [])):
                self.heartbeat_out.publish(write_heartbeat(Heartbeat(now_ns, node)))
            history.safety_ns += [now_ns] * phase.heartbeat
        speed = history.newest(topics.VELOCITY)
        since_s = (now_ns - self.since_ns) / SECOND_NS
        command = command_of(phase, since_s, speed if isinstance(speed, float) else 0.0, self.vehicle, now_ns)
        if command is None:
            return
        history.commands.append((phase.name, now_ns, command))
        self.gear_out.publish(driving.write_gear_command(Gear(command.stamp_ns, phase.gear)))
        self.twist_out.publish(driving.write_twist(command, self.vehicle.wheelbase_m))
        self.ackermann_out.publish(driving.write_ackermann(command))
        self.control_out.publish(driving.write_command(command))

    def request(self, now_ns: int) -> None:
        """Ask for what the phase asks for, until somebody hears it."""
        assert self.phase is not None
        phase, history = self.phase, self.history
        engaged = history.newest(topics.CONTROL_MODE) == 'AUTONOMOUS'
        if phase.ask is Ask.NOTHING or (phase.ask is Ask.ENGAGED and engaged):
            return
        answer = history.answers.setdefault(phase.name, Answer(now_ns))
        person = phase.ask in (Ask.DRIVER, Ask.NO_DRIVER)
        if answer.offered or (person and history.prompted):
            return
        switch = self.driver if person else self.engage
        wanted = phase.ask in (Ask.ENGAGE, Ask.ENGAGED, Ask.DRIVER)
        answer.offered, answer.asked_ns = True, now_ns
        answer.offered = switch(wanted, partial(self.answered, answer))
        if phase.ask is Ask.DRIVER and not answer.offered:
            history.prompted = self.waits = True
            self.tell(PROMPT)

    def answered(self, answer: Answer, success: bool, text: str) -> None:
        """Note an answer."""
        answer.answered_ns, answer.success, answer.text = self.port.now_ns(), success, text

