"""A vehicle's yaml made: what was given first, then a recording, then a URDF, then answers; nothing is made up."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from autonomy_nodes.common.settings import SettingsError, check_settings
from autonomy_nodes.common.types import DataError
from autonomy_nodes.common.vehicle import LidarView
from autonomy_nodes.evaluation.vehicles.described import described
from autonomy_nodes.evaluation.vehicles.facts import Facts, Sensor
from autonomy_nodes.evaluation.vehicles.questions import BLIND, BODY, LIMITS, TERMINAL, TRAILER, Question, asked
from autonomy_nodes.evaluation.vehicles.recorded import recorded
from autonomy_nodes.evaluation.vehicles.sensor_words import GIVEN, ask_sensors
from autonomy_nodes.evaluation.vehicles.written import written
from autonomy_nodes.messages.formats.description import read_description
from autonomy_nodes.messages.remap import Remap
from autonomy_nodes.nodes.launcher import resolved, settings_files
from autonomy_nodes.nodes.processes import TABLE, make

UPRIGHT = math.cos(math.radians(10.0))
ASSUMED, ANSWERED = 'default: measure it', 'answered'


@dataclass(frozen=True)
class Sources:
    """Where facts come from. values: {setting: number}. defaults: whether those stand in where nobody tells."""

    values: Mapping[str, float] = field(default_factory=dict)
    sensors: Sequence[Sensor] = ()
    bag: Path | None = None
    remap: Remap | None = None
    urdf: Path | None = None
    xacro: Mapping[str, str] = field(default_factory=dict)
    wheel_radius_m: float | None = None
    defaults: bool = False


@dataclass(frozen=True)
class Dialogue:
    """A terminal. answer: prints a prompt, returns a line. say: prints a line."""

    answer: TERMINAL
    say: Callable[[str], None]


def gathered(sources: Sources, dialogue: Dialogue | None) -> Facts:
    """Return all that is known of a vehicle; raises DataError with the options to give where a number is not."""
    facts = Facts()
    for key, value in sources.values.items():
        facts.tell(key, value, GIVEN)
    for sensor in sources.sensors:
        facts.add(sensor)
    if sources.bag:
        recorded(sources.bag, facts, sources.remap)
    if sources.urdf:
        described(read_description(sources.urdf, sources.xacro), facts, sources.wheel_radius_m)
    if dialogue:
        _show(facts, dialogue)
    _fill(facts, (*BODY, *LIMITS), sources.defaults, dialogue)
    if dialogue:
        ask_sensors(facts, dialogue.answer, dialogue.say)
    _tell_blind(facts)
    _fill(facts, BLIND, sources.defaults, dialogue)
    if _has_trailer(facts, dialogue):
        _fill(facts, TRAILER, sources.defaults, dialogue)
    else:
        facts.notes.append(f'no trailer: where there is one, give {TRAILER[0].option} and what is asked then')
    facts.complete()
    return facts


def _show(facts: Facts, dialogue: Dialogue) -> None:
    for key, told in facts.values.items():
        dialogue.say(f'{key} {told.value} ({told.source})')
    for sensor in facts.sensors:
        dialogue.say(f'{sensor}, frame {sensor.frame!r} ({sensor.source})')


def _fill(facts: Facts, questions: Sequence[Question], defaults: bool, dialogue: Dialogue | None) -> None:
    lacking = [question for question in questions if question.key not in facts.values]
    if dialogue is None and not defaults and lacking:
        options = ' '.join(f'{question.option} [{question.unit}]' for question in lacking)
        raise DataError(f'not known: {options}: give them, or answer on a terminal, or --defaults for those of a car')
    for question in lacking:
        if question.key == 'front_m':
            question = replace(question, low=facts.values['wheelbase_m'].value)
        if dialogue:
            value, is_usual = asked(question, dialogue.answer, dialogue.say)
        else:
            value, is_usual = question.default, True
        facts.tell(question.key, value, ASSUMED if is_usual else ANSWERED)


def _tell_blind(facts: Facts) -> None:
    """Tell how far away the lowest beams meet flat ground: of LiDARs that see all around, else of the others."""
    around, aside = list[float](), list[float]()
    for sensor in facts.sensors:
        if isinstance(sensor.view, LidarView) and sensor.base_from is not None and sensor.view.lowest_rad < 0.0:
            away_m = float(sensor.base_from[2, 3]) / math.tan(-sensor.view.lowest_rad)
            if sensor.base_from[2, 2] > UPRIGHT and 0.0 < away_m < BLIND[0].high:
                full = sensor.view.left_rad - sensor.view.right_rad > 2.0 * math.pi - 0.01
                (around if full else aside).append(away_m)
    if around or aside:
        blind_m = min(around) if around else max(aside)
        facts.tell('blind_m', round(blind_m, 1), 'height of a LiDAR / tan(its lowest beam)')


def _has_trailer(facts: Facts, dialogue: Dialogue | None) -> bool:
    if any(question.key in facts.values for question in TRAILER):
        return True
    while dialogue:
        text = dialogue.answer('does it pull a trailer? yes or no (no): ').strip().lower()
        if text in ('', 'n', 'no'):
            break
        if text in ('y', 'yes'):
            return True
        dialogue.say(f'  {text!r} is neither yes nor no')
    return False


def make_vehicle(facts: Facts, out: Path, force: bool = False) -> None:
    """Write the yaml, after every node of the stack has taken its settings from it."""
    if out.suffix not in ('.yaml', '.yml'):
        raise DataError(f'{out}: must end in .yaml')
    if out.exists() and not force:
        raise DataError(f'{out}: is there already: give another name, or --force')
    text = written(facts, out.stem)
    with TemporaryDirectory() as folder:
        trial = Path(folder) / out.name
        trial.write_text(text)
        try:
            load(trial)
        except SettingsError as error:
            raise SettingsError(str(error).replace(str(trial), f'{out} (not written)')) from error
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text)


def load(vehicle: Path) -> None:
    """Have every node take its settings with a vehicle's file; raises SettingsError naming what is wrong."""
    kinds = {name: make(name).config_type for name in TABLE}
    check_settings(settings_files(resolved({'vehicle': str(vehicle)})), kinds, TABLE)


def lines(facts: Facts, out: Path, remap: Path | None = None) -> list[str]:
    """Return what was made, what is missing, and what comes next, with the names of its recordings."""
    given = f'vehicle:={out}' + (f' --remap {remap}' if remap else '')
    told = [f'wrote {out}: {", ".join(map(str, facts.sensors)) or "no sensors"}']
    assumed = [key for key, each in facts.values.items() if each.source == ASSUMED]
    told += [f'default, not measured: {", ".join(assumed)}'] * bool(assumed)
    told += [f'note     {text}' for text in facts.notes]
    told += [f'missing  {text}' for text in facts.missing]
    return [
        *told, '',
        'It is ready when `autonomy doctor` says "all is well". What comes next:',
        f'  autonomy vehicle show {out} --out {out.with_suffix(".png")}   # sensors, fields of view, blind zones',
        '  ros2 bag record -a -o drive    # a person drives a minute, straight on and in bends to both sides',
        f'  autonomy doctor drive {given}            # mend what it names, record again, until all is well',
        f'  autonomy calibrate check drive {given}   # whether mounts fit what the sensors see',
        f'  autonomy replay drive --out out/first {given}',
    ]  # fmt: skip
