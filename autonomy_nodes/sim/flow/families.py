"""Families of traffic, by name, and a recorded scene of a family, a seed and a difficulty: vectors alone.

The same three give the same scene. What leaves here is true: noise as a tracker has it belongs to training.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from autonomy_nodes.common.geometry import wrapped
from autonomy_nodes.common.lanes import Line
from autonomy_nodes.messages.formats.trajectories import STEP_S, RecordedScene
from autonomy_nodes.sim.flow import loops
from autonomy_nodes.sim.flow.contacts import Contact, contacts
from autonomy_nodes.sim.flow.crossroads import lights, signs
from autonomy_nodes.sim.flow.drivers import Mode
from autonomy_nodes.sim.flow.flow import Flow
from autonomy_nodes.sim.flow.highways import highway, jam
from autonomy_nodes.sim.flow.place import Place
from autonomy_nodes.sim.flow.roundabouts import roundabout
from autonomy_nodes.sim.flow.streets import narrow, street
from autonomy_nodes.sim.flow.yards import yard

FAMILIES: dict[str, Callable[[np.random.Generator, float], Place]] = {
    'highway': highway, 'lights': lights, 'signs': signs, 'roundabout': roundabout, 'jam': jam, 'street': street,
    'narrow': narrow, 'yard': yard,
}  # fmt: skip
WARM_S = 6.0  # before a scene begins: until all have found their places
STEPS = (91, 200)
ATTEMPTS = 6
SHORTEST = 5  # steps; who is there for less is left out


@dataclass(frozen=True, eq=False)
class Played:
    """A scene, and what is known of it beside.

    flow: at its end; rows: (A,) its row of each row of the scene. contacts: who ran into whom. drawn: how often the
    place was drawn before nobody ran into anybody without excuse.
    """

    scene: RecordedScene
    flow: Flow
    rows: np.ndarray
    contacts: list[Contact]
    drawn: int = 1


def generator(family: str, seed: int, attempt: int = 0) -> np.random.Generator:
    """Return the source of all draws of a scene."""
    if family not in FAMILIES:
        raise ValueError(f'family={family!r} must be one of {", ".join(FAMILIES)}')
    return np.random.default_rng([seed, list(FAMILIES).index(family), attempt])


def played(family: str, seed: int, difficulty: float) -> Played:
    """Return the scene of a family and a seed; difficulty 0 to 1: denser, closer, harder to foretell.

    A scene in which somebody who looks runs into anybody is no traffic: it is drawn anew, so often at most.
    """
    if not 0.0 <= difficulty <= 1.0:
        raise ValueError(f'difficulty={difficulty} must lie between 0 and 1')
    for attempt in range(ATTEMPTS):
        found = _played(family, seed, difficulty, attempt)
        if all(contact.excused for contact in found.contacts):
            break
    return found


def _played(family: str, seed: int, difficulty: float, attempt: int) -> Played:
    rng = generator(family, seed, attempt)
    place = FAMILIES[family](rng, difficulty)
    steps = int(rng.integers(*STEPS))
    turn, shift = float(rng.uniform(-np.pi, np.pi)), rng.uniform(-100.0, 100.0, 2)
    flow = Flow(place, rng, -WARM_S)
    for _ in range(round(WARM_S / STEP_S)):
        flow.advance()
    states = np.full((len(flow.states), steps, 5), np.nan)
    colours = np.zeros((len(place.signals), steps), np.int64)
    for step in range(steps):
        states[:, step] = told(flow)
        colours[:, step] = [signal.colour(flow.time_s) for signal in place.signals]
        if step + 1 < steps:
            flow.advance()
    name = f'{family}/{family}-{seed:07d}'
    rows = np.flatnonzero(np.isfinite(states[:, :, 0]).sum(axis=1) >= SHORTEST)
    scene = _scene(name, flow, rows, states[rows], colours)
    met = contacts(
        scene.states, scene.sizes_m, flow.owners[rows], flow.attentive[rows], flow.modes[rows] == Mode.WALKS
    )
    return Played(_turned(scene, turn, shift), flow, rows, met, attempt + 1)


def told(flow: Flow) -> np.ndarray:
    """Return (N, 5) x y of the middle, heading, vx vy of everybody now, NaN of who is not there."""
    states, traits = flow.states, flow.traits
    heading, speed = states[:, loops.HEADING], states[:, loops.SPEED]
    middle = 0.5 * traits[:, loops.LENGTH] - traits[:, loops.REAR]
    turning = flow.turning()
    cos, sin = np.cos(heading), np.sin(heading)
    x, y = states[:, loops.X] + middle * cos, states[:, loops.Y] + middle * sin
    vx, vy = speed * cos - turning * middle * sin, speed * sin + turning * middle * cos
    found = np.stack([x, y, heading, vx, vy], axis=1)
    found[~flow.there] = np.nan
    return found


def _scene(name: str, flow: Flow, rows: np.ndarray, states: np.ndarray, colours: np.ndarray) -> RecordedScene:
    place, labels = flow.place, np.array([member.label for member in flow.members], np.int64)
    lines = [*place.lanes.values(), *place.lines, *place.edges, *place.crossings]
    kinds = (Line.CENTERLINE, Line.UNKNOWN, Line.BOUNDARY, Line.CROSSWALK)
    counts = [len(group) for group in (place.lanes, place.lines, place.edges, place.crossings)]
    names = [*place.lanes, *(f'line{k}' for k in range(sum(counts[1:])))]
    all_along = np.isfinite(states[:, :, 0]).all(axis=1) & (flow.modes[rows] == Mode.DRIVES)
    recorder = int(np.argmax(all_along)) if all_along.any() else -1
    return RecordedScene(
        name, states, labels[rows], flow.traits[rows][:, :2].copy(), [np.asarray(line) for line in lines],
        np.repeat([int(kind) for kind in kinds], counts), names, list(place.follows),
        {lane: colours[signal] for lane, signal in place.lights.items()}, recorder,
    )  # fmt: skip


def _turned(scene: RecordedScene, turn: float, shift: np.ndarray) -> RecordedScene:
    """Return a scene in a frame that lies anywhere, since real ones do."""
    cos, sin = np.cos(turn), np.sin(turn)
    matrix = np.array([[cos, sin], [-sin, cos]])
    states = scene.states.copy()
    states[:, :, :2] = states[:, :, :2] @ matrix + shift
    states[:, :, 2] = wrapped(states[:, :, 2] + turn)
    states[:, :, 3:] = states[:, :, 3:] @ matrix
    lines = [line @ matrix + shift for line in scene.lines]
    return RecordedScene(
        scene.name, states, scene.labels, scene.sizes_m, lines, scene.classes, scene.names, scene.follows, scene.lights,
        scene.recorder,
    )  # fmt: skip


