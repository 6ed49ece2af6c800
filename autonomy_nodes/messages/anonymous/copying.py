"""A recording without the place where it was made: positions on the earth and in map are moved, or left out.

What is moved: latitude, longitude and height are laid around 0.5 N 0.5 E as they lay around the first of them (by an
azimuthal equidistant projection on WGS84: distances and directions from the first stay), and every position in the
frames of the map is told from the first place of the vehicle in it. Neither offset is written anywhere. A message
passes only if its type is known to hold no such place, or to hold it where it can be moved: unknown types, free text,
maps and what speaks of other global frames are left out. Pictures lose their EXIF block.
"""

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages.anonymous.check import remove
from autonomy_nodes.messages.anonymous.mover import (
    BEGINNINGS,
    KEPT,
    PRUNED,
    SHIFTED,
    LeftOutError,
    Mover,
    NoLocalFrameError,
)
from autonomy_nodes.messages.bags import BagError, BagWriter, Recording

REMAINS = (
    'what remains: pictures and sweeps (signs, faces, the shape of the place), lines of the map near the vehicle and '
    'ids of its elements (leave out planning/route, map/lane_match, map/local_vectors and map/changes by --without), '
    'headings against north, and the time of day'
)


@dataclass
class Outcome:
    """What became of the messages of each topic: {topic: {what: count}}."""

    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def lines(self) -> list[str]:
        """Return a line a topic, and what remains."""
        told = [
            f'{name}: ' + ', '.join(f'{count} {what}' for what, count in sorted(counts.items()))
            for name, counts in sorted(self.counts.items())
        ]
        return [*told, REMAINS]


def anonymise(recording: Recording, out: Path, mover: Mover, without: Collection[str] = ()) -> Outcome:
    """Write a recording anew without the place where it was made; return what became of each topic.

    Raises BagError where an original position is still found in what was written, which is then removed, and
    NoLocalFrameError before anything is kept.
    """
    outcome, left_out = Outcome(), {name.lstrip('/') for name in without}
    _begin(recording, mover)
    try:
        _copy(recording, out, mover, left_out, outcome)
    except NoLocalFrameError:
        remove(out)
        raise
    if not any({SHIFTED, KEPT, PRUNED} & counts.keys() for counts in outcome.counts.values()):
        remove(out)
        raise BagError(f'{recording.path}: nothing can be kept; ' + '; '.join(outcome.lines()[:-1]))
    mover.originals.check(out)
    return outcome


def _copy(recording: Recording, out: Path, mover: Mover, left_out: Collection[str], outcome: Outcome) -> None:
    with BagWriter(out, definitions=recording.definitions) as bag:
        for name, kind, receive_ns, data in recording.messages():
            if name.lstrip('/') in left_out:
                outcome.counts[name]['left out: as asked'] += 1
                continue
            try:
                made, what = mover.made(kind, data)
            except LeftOutError as reason:
                outcome.counts[name][f'left out: {reason}'] += 1
                continue
            except NoLocalFrameError:
                raise
            except DataError:
                outcome.counts[name]['left out: cannot be read'] += 1
                continue
            bag.write(name, kind, receive_ns, made, latched=name in recording.latched)
            outcome.counts[name][what] += 1


def _begin(recording: Recording, mover: Mover) -> None:
    """Take the offset of the map from the first place of the vehicle, where the recording tells one."""
    for kind in BEGINNINGS:
        names = [name for name, each in recording.types.items() if each == kind]
        for _, _, _, data in recording.messages(names):
            try:
                if mover.begin(kind, data):
                    return
            except DataError:
                continue
