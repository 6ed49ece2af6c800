"""What is in data, on one page: read, count, rank what is rare or doubtful, compare, tell."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures.task import Tell, in_processes
from autonomy_nodes.training.census.cards import Card, cards_of
from autonomy_nodes.training.census.cases import corner_cases, row_of
from autonomy_nodes.training.census.drift import drift, verdict
from autonomy_nodes.training.census.page import written
from autonomy_nodes.training.census.rarity import same
from autonomy_nodes.training.census.statistics import statistics
from autonomy_nodes.training.census.sweeps import Part, Reading, parts_of

REPORT, CASES, PAGE = 'report.json', 'corner_cases.json', 'page.html'


@dataclass(frozen=True)
class Asked:
    """What a report is of.

    data, against: folders or recordings. beams: of `against` only sweeps of LiDARs with so many, both ends in. model:
    folder of a network, None for the geometric channel. top: corner cases that are drawn. jobs: processes; they change
    nothing.
    """

    data: tuple[Path, ...]
    against: tuple[Path, ...] = ()
    beams: tuple[int, int] | None = None
    model: Path | None = None
    backend: str = 'auto'
    top: int = 12
    reading: Reading = field(default_factory=Reading)
    jobs: int = 1


def report(asked: Asked, out: Path, notes: dict[str, str], tell: Tell) -> dict[str, Any]:
    """Write report.json, corner_cases.json and page.html under `out`, and return what report.json says.

    notes: such as the command, kept in the report. tell: hears of each part that is done. Raises DataError where
    nothing can be read.
    """
    cards, refused = _read(asked.data, asked, tell)
    others, more = _read(asked.against, asked, tell)
    if asked.beams is not None:
        others = [card for card in others if asked.beams[0] <= card.beams <= asked.beams[1]]
    if not cards or (asked.against and not others):
        empty = ', '.join(map(str, asked.against if cards else asked.data))
        raise DataError(f'{empty}: no sweep{"".join(f"; {why}" for why in refused + more)}')
    told: dict[str, Any] = {**notes, 'data': [str(path) for path in asked.data], 'refused': refused + more}
    told['statistics'] = statistics(cards)
    equal, nearly = same(cards)
    told['duplicates'] = {'equal': equal, 'nearly': nearly}
    if others:
        shifts = drift(cards, others, asked.reading.seed)
        told |= {'against': [str(path) for path in asked.against], 'against_statistics': statistics(others)}
        told |= {'verdict': verdict(shifts), 'drift': [asdict(shift) for shift in shifts]}
    cases = corner_cases(cards, others)
    out.mkdir(parents=True, exist_ok=True)
    _write(out / REPORT, told)
    _write(out / CASES, [row_of(place, case) for place, case in enumerate(cases, 1)])
    (out / PAGE).write_text(written(told, cards, others, cases, asked.top))
    return told


def _read(paths: Sequence[Path], asked: Asked, tell: Tell) -> tuple[list[Card], list[str]]:
    """Return the cards of all sweeps below some paths, and what could not be read."""
    parts = [part for path in paths for part in parts_of(path)]
    items = [(part, asked.reading, asked.model, asked.backend) for part in parts]
    cards, refused = list[Card](), list[str]()
    for done, (part, (found, error)) in enumerate(zip(parts, in_processes(asked.jobs, _guarded, items)), 1):
        cards += [_named(card, part, len(paths) > 1) for card in found]
        refused += [error] if error else []
        tell(f'{part.path}: {error or f"{len(found)} sweeps"}', done, len(parts))
    return cards, refused


def _guarded(item: tuple[Part, Reading, Path | None, str]) -> tuple[list[Card], str]:
    try:
        return cards_of(item), ''
    except DataError as error:
        return [], str(error)


def _named(card: Card, part: Part, several: bool) -> Card:
    """Return a card with the folder in its names, where there are several that may use the same ones."""
    if not several:
        return card
    folder = part.path.parent.name if part.kind == 'examples' else part.path.name
    return replace(card, name=f'{folder}/{card.name}', drive=f'{folder}/{card.drive}')


def _write(path: Path, told: Any) -> None:
    path.write_text(json.dumps(told, indent=1, default=float) + '\n')
