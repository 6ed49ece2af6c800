"""What was said and heard in a contract test, with the moments: all that the clauses are judged by."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from autonomy_nodes.common.types import SECOND_NS, Command, DataError
from autonomy_nodes.messages import driving, topics
from autonomy_nodes.messages.store import decode, stamp_of
from autonomy_nodes.messages.topics import Topic

Value = float | str | tuple[float, ...]


@dataclass(frozen=True)
class Sample:
    """One message of the vehicle. value: a speed, an angle, a name, or angles; frame: '' where the type has none."""

    receive_ns: int
    stamp_ns: int
    value: Value
    frame: str = ''

    @property
    def number(self) -> float:
        """The value of a topic that tells numbers; NaN else."""
        return self.value if isinstance(self.value, float) else math.nan


@dataclass
class Answer:
    """How a request went. answered_ns: None where no answer came; offered: whether somebody offers the switch."""

    asked_ns: int
    offered: bool = False
    answered_ns: int | None = None
    success: bool = False
    text: str = ''


def _velocity(data: bytes) -> tuple[int, Value, str]:
    message = decode(driving.VELOCITY, data)
    return stamp_of(message.header.stamp), float(message.longitudinal_velocity), message.header.frame_id


def _steering(data: bytes) -> tuple[int, Value, str]:
    message = decode(driving.STEERING, data)
    return stamp_of(message.stamp), float(message.steering_tire_angle), ''


def _mode(data: bytes) -> tuple[int, Value, str]:
    mode = driving.read_control_mode(data)
    return mode.stamp_ns, mode.mode, ''


def _gear(data: bytes) -> tuple[int, Value, str]:
    gear = driving.read_gear(data)
    return gear.stamp_ns, gear.gear, ''


def _articulation(data: bytes) -> tuple[int, Value, str]:
    message = decode(driving.ARTICULATION, data)
    return stamp_of(message.header.stamp), tuple(message.position.tolist()), ''


# what is read more kindly than the stack does: a clause, not the reader, tells what is wrong
READERS: dict[Topic, Callable[[bytes], tuple[int, Value, str]]] = {
    topics.VELOCITY: _velocity,
    topics.STEERING: _steering,
    topics.CONTROL_MODE: _mode,
    topics.GEAR: _gear,
    topics.ARTICULATION: _articulation,
}


@dataclass
class History:
    """A contract test. begun_ns: start of each phase by its name. commands: those that were sent, with their phase.

    answers: by phase. safety_ns: when the heartbeat of safety was sent. prompted: a person took over, no switch.
    """

    samples: dict[Topic, list[Sample]] = field(default_factory=lambda: defaultdict(list))
    refused: dict[Topic, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    begun_ns: dict[str, int] = field(default_factory=dict)
    ended_ns: dict[str, int] = field(default_factory=dict)
    commands: list[tuple[str, int, Command]] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    safety_ns: list[int] = field(default_factory=list)
    prompted: bool = False

    def take(self, topic: Topic, now_ns: int, data: bytes) -> None:
        """Note a message of the vehicle; one that cannot be read is counted."""
        try:
            self.samples[topic].append(Sample(now_ns, *READERS[topic](data)))
        except DataError as error:
            self.refused[topic][str(error)] += 1

    def newest(self, topic: Topic) -> Value | None:
        """Return the newest value, None before the first."""
        return self.samples[topic][-1].value if self.samples[topic] else None

    def within(self, topic: Topic, from_ns: int, until_ns: int) -> list[Sample]:
        """Return what was received from one moment up to, but not at, another."""
        return [sample for sample in self.samples[topic] if from_ns <= sample.receive_ns < until_ns]

    def numbers(self, topic: Topic, phase: str) -> list[float]:
        """Return the numbers received in a phase."""
        return [sample.number for sample in self.of_phase(topic, phase)]

    def of_phase(self, topic: Topic, phase: str) -> list[Sample]:
        """Return what was received in a phase."""
        return self.within(topic, self.begun_ns[phase], self.ended_ns[phase])

    def last_s(self, topic: Topic, phase: str, seconds: float) -> np.ndarray:
        """Return (N,) numbers received in the last seconds of a phase."""
        end_ns = self.ended_ns[phase]
        return np.array([sample.number for sample in self.within(topic, end_ns - round(seconds * SECOND_NS), end_ns)])
