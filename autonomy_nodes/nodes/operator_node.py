"""Operator node: a person at the simulator who engages, injects faults and disengages, by a list of steps."""

from dataclasses import dataclass
from functools import partial

from autonomy_nodes.common.status import Level, Mode, Status
from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.driving import read_control_mode, read_velocity
from autonomy_nodes.messages.words import read_status
from autonomy_nodes.nodes.port import Port, Stage
from autonomy_nodes.sim.by_wire import FAULTS

TICK_S = 0.1
READY = (Mode.NOMINAL.value, Mode.DEGRADED.value)
STEPS = (
    'engage 0', 'dead_band 6', 'delay 9', 'mend dead_band 12', 'mend delay 12', 'lost_heartbeat 14',
    'mend lost_heartbeat 19', 'disengage 21',
)  # fmt: skip


@dataclass(frozen=True)
class OperatorConfig:
    """What is done. steps: 'WHAT SECONDS' in order; the seconds count from when safety was ready for the first time.

    WHAT: engage, disengage, the name of a fault of the drive by wire, or 'mend' and that name.
    """

    steps: tuple[str, ...] = STEPS

    def __post_init__(self) -> None:
        for step in self.steps:
            *what, seconds = step.split()
            known = ' '.join(what) in ('engage', 'disengage', *FAULTS, *(f'mend {fault}' for fault in FAULTS))
            if not known or not seconds.replace('.', '', 1).isdigit():
                told = f'engage, disengage, {", ".join(FAULTS)}, or mend and one of these, then seconds'
                raise ValueError(f'steps: {step!r} is none of {told}')


class Operator(Stage):
    """Asks for one step after another; what was refused is asked for again until it succeeds."""

    name = 'operator'
    config_type = OperatorConfig

    def build(self, port: Port, config: OperatorConfig) -> None:
        """Connect the switches."""
        self.port = port
        self.left = [(step.rpartition(' ')[0], float(step.rpartition(' ')[2])) for step in config.steps]
        self.ready_ns: int | None = None
        self.waits: set[str] = set()  # switches that were asked and have not answered
        self.done: set[str] = set()  # switches of this step that have answered with success
        self.steps: list[str] = []  # done: what, seconds after safety was ready, speed, who drives; all told each time
        self.velocity = port.latest(topics.VELOCITY, read_velocity)
        self.mode = port.latest(topics.CONTROL_MODE, read_control_mode)
        names = ('vehicle/engage', 'system/engage', *(f'vehicle/fault/{fault}' for fault in FAULTS))
        self.ask = {name: port.request(name) for name in names}
        port.each(topics.DIAGNOSTICS, read_status, self.hear)
        port.every(TICK_S, self.tick)

    def hear(self, status: Status) -> None:
        """Note when safety is ready."""
        if status.node == 'safety' and status.values.get('mode') in READY and self.ready_ns is None:
            self.ready_ns = self.port.now_ns()

    def tick(self, now_ns: int) -> None:
        """Do what is due, and tell how the vehicle stands."""
        wheels, mode = self.velocity(), self.mode()
        speed = 'unknown' if wheels is None else f'{wheels.longitudinal_mps:.2f}'
        driver = 'unknown' if mode is None else mode.mode
        after_s = 0.0 if self.ready_ns is None else (now_ns - self.ready_ns) / SECOND_NS
        if self.ready_ns is not None and self.left and after_s >= self.left[0][1] and self.does(self.left[0][0]):
            self.steps.append(f'{self.left.pop(0)[0]}, {after_s:.1f}, {speed}, {driver}')
        self.port.say(Level.OK, '', control_mode=driver, speed_mps=speed, steps='; '.join(self.steps))

    def does(self, what: str) -> bool:
        """Ask the switches of a step; return whether all have answered with success."""
        wanted = not what.startswith(('mend', 'disengage'))
        fault = what.removeprefix('mend ')
        names = [f'vehicle/fault/{fault}'] if fault in FAULTS else ['vehicle/engage', 'system/engage']
        for name in names:
            if name in self.waits | self.done:
                continue
            self.waits.add(name)
            if not self.ask[name](wanted, partial(self.answer, name)):  # nobody offers it yet
                self.waits.discard(name)
        over = self.done >= set(names)
        if over:
            self.done.clear()
        return over

    def answer(self, name: str, success: bool, text: str) -> None:
        """Note the answer of a switch."""
        self.waits.discard(name)
        if success:
            self.done.add(name)
        self.port.say(Level.OK if success else Level.WARN, f'{name}: {text}')
