"""Where the map seems wrong: what should be seen and is not, and what is seen and is not in the map.

Each drive past an element is one traversal; its frames are counted, and speak when it ends. One traversal can make
an element suspect, never more; nothing is edited here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import floor

import numpy as np

from autonomy_nodes.common.geometry import inverse, matrix_of, moved, wrapped
from autonomy_nodes.common.lanes import LaneMatch, LaneObservations, LanePieces, Line, MapChanges
from autonomy_nodes.common.types import SECOND_NS, Pose
from autonomy_nodes.mapping.chunks import (
    SightConfig,
    chunks_of,
    common_shift,
    in_sight,
    matched,
    samples_of,
    unmatched,
    visible,
)
from autonomy_nodes.mapping.evidence import EvidenceConfig, odds, probability, ratio

JUDGED = (Line.DIVIDER, Line.SOLID, Line.BOUNDARY, Line.STOP_LINE)
NEW = (Line.DIVIDER, Line.SOLID, Line.BOUNDARY, Line.STOP_LINE)
AGREED = 0.5  # of the rate of its class; an element found more often is in order, whatever its neighbours say
SAME_M = 0.1
PLACE_M = 0.5  # chunks are told apart by their line and their place in the map, which pose errors do not move


@dataclass(frozen=True)
class ChangesConfig:
    """Settings of change detection.

    match_probability: of the best lane, below which a frame is not judged. gone_s: a traversal ends when the element
    was not in sight for so long. frames: judged ones before anything is said. class_frames, class_rate: how often the
    elements of a class must have been looked at, and which share of it they must have been found, before a missing
    one counts, for a detector may not know the class. chain: share of the evidence of neighbouring chunks.
    same_...: segments this near to one another are one new thing. most_new, most_lines: kept at most.
    """

    sight: SightConfig = field(default_factory=SightConfig)
    evidence: EvidenceConfig = field(default_factory=EvidenceConfig)
    match_probability: float = 0.6
    heading_rad: float = 0.3
    gone_s: float = 5.0
    frames: int = 8
    class_frames: int = 100
    class_rate: float = 0.05
    chain: float = 0.5
    chain_m: float = 12.0
    chain_limit: float = 2.0
    same_aside_m: float = 0.6
    same_along_m: float = 4.0
    same_rad: float = 0.35
    period_s: float = 1.0
    most_new: int = 500
    most_lines: int = 20000

    def __post_init__(self) -> None:
        if self.frames < 1 or self.most_new < 1:
            raise ValueError(f'frames={self.frames} and most_new={self.most_new} must be 1 or more')
        for name in ('gone_s', 'period_s', 'same_aside_m', 'same_along_m'):
            if not getattr(self, name) > 0.0:
                raise ValueError(f'{name}={getattr(self, name)} must be above 0')


@dataclass
class Element:
    """A chunk of the map, or something new, with what speaks for it. The direction matters for new things only."""

    id: int
    class_: int
    middle: np.ndarray
    prior: float  # log odds that it is there
    heading_rad: float = 0.0
    passes: list[tuple[int, int]] = field(default_factory=list)  # frames and matched ones of each traversal
    is_open: bool = False  # the last traversal still runs
    last_ns: int = 0

    @property
    def frames(self) -> int:
        """Frames in which it should have been seen."""
        return sum(frames for frames, _ in self.passes)

    @property
    def matches(self) -> int:
        """Frames in which it was."""
        return sum(matches for _, matches in self.passes)

    def count(self, is_found: bool, stamp_ns: int) -> None:
        """Add one frame."""
        frames, matches = self.passes.pop() if self.is_open else (0, 0)
        self.passes.append((frames + 1, matches + is_found))
        self.is_open, self.last_ns = True, stamp_ns

    def standing(self, config: EvidenceConfig) -> float:
        """Return the log odds that it is there."""
        return self.prior + sum(ratio(matches, frames, config) for frames, matches in self.passes)


class ChangeWatch:
    """Keeps the evidence of a drive."""

    def __init__(self, config: ChangesConfig) -> None:
        self.config = config
        self._chunks: dict[int, dict[tuple[int, int], Element]] = {}  # by line, then by place
        self._open: dict[tuple[int, int, int], Element] = {}  # in sight a while ago
        self._new: list[Element] = []
        self._rates = {int(class_): [0, 0] for class_ in JUDGED}  # chunks looked at, and found, over all frames
        self._published_ns: int | None = None

    def step(self, seen: LaneObservations, pieces: LanePieces, match: LaneMatch | None, pose: Pose) -> str:
        """Take one frame in; return '' or why it was not judged. All must be of one moment."""
        self._end_traversals(seen.stamp_ns)
        if match is None or not len(match.ids) or match.probabilities[0] < self.config.match_probability:
            return 'the lane is not sure'
        if abs(match.heading_errors_rad[0]) > self.config.heading_rad:
            return 'the vehicle is not along its lane'
        sight, map_from_base = self.config.sight, matrix_of(pose.position_m, pose.orientation)
        chunks = chunks_of(pieces, JUDGED, sight.near_m)
        shift = common_shift(seen, chunks_of(pieces, JUDGED, sight.near_m + 10.0), sight)
        places, rows = samples_of(seen, sight)
        places = places - [0.0, shift]
        found = matched(chunks, places, seen.classes[rows], sight)
        middles = moved(chunks.middles, map_from_base)
        for row in np.nonzero(visible(chunks, seen.seen_range_m, sight))[0].tolist():
            self._count(int(chunks.ids[row]), int(chunks.classes[row]), middles[row], bool(found[row]), seen.stamp_ns)
        fresh = unmatched(places, rows, len(seen.segments), pieces, sight)
        self._take_new(seen, fresh[np.isin(seen.classes[fresh], NEW)], shift, map_from_base)
        return ''

    def due(self, stamp_ns: int) -> bool:
        """Return whether it is time to tell; at most once each period."""
        if self._published_ns is not None and 0 <= stamp_ns - self._published_ns < self.config.period_s * SECOND_NS:
            return False
        self._published_ns = stamp_ns
        return True

    def changes(self, stamp_ns: int) -> MapChanges:
        """Return what is suspect now: elements more probably gone than there, new ones more probably there than not."""
        found: list[tuple[str, Element, float]] = []
        known = self._known()
        for class_, evidence in known.items():
            for element in self._elements(class_):
                rate = element.matches / element.frames
                if element.frames >= self.config.frames and rate < AGREED * evidence.found_rate:
                    gone = -self._chained(element, evidence)
                    found += [('removed', element, gone)] if gone > 0.0 else []
        for element in self._new:
            there = element.standing(known.get(element.class_, self.config.evidence))
            if there > 0.0 and element.frames >= self.config.frames:
                found.append(('added', element, there))
        elements = [element for _, element, _ in found]
        log_odds = np.array([value for _, _, value in found])
        return MapChanges(
            stamp_ns,
            np.array([element.id for element in elements], np.int64),
            tuple(kind for kind, _, _ in found),
            np.array([element.class_ for element in elements], np.uint8),
            np.array([element.middle for element in elements]).reshape(-1, 3),
            log_odds,
            np.array([probability(value) for value in log_odds.tolist()]),
            np.array([len(element.passes) for element in elements], np.int64),
            np.array([element.frames for element in elements], np.int64),
        )

    def _known(self) -> dict[int, EvidenceConfig]:
        """Return the classes that the detector knows, and how to weigh them: by how often it finds what is there."""
        config, known = self.config, {}
        for class_, (frames, matches) in self._rates.items():
            if frames >= config.class_frames and matches >= config.class_rate * frames:
                there = sum(element.frames for element in self._elements(class_) if element.matches)
                known[class_] = replace(config.evidence, found_rate=min(matches / there, config.evidence.found_rate))
        return known

    def _count(self, id_: int, class_: int, middle: np.ndarray, is_found: bool, stamp_ns: int) -> None:
        """Add one frame to a chunk of the map."""
        line = self._chunks.setdefault(id_, {})
        i, j = _cell(line, middle)
        if (i, j) not in line:
            line[i, j] = Element(id_, class_, middle, odds(self.config.evidence.present))
        self._open[id_, i, j] = line[i, j]
        line[i, j].count(is_found, stamp_ns)
        self._rates[class_][0] += 1
        self._rates[class_][1] += is_found

    def _take_new(self, seen: LaneObservations, fresh: np.ndarray, shift: float, map_from_base: np.ndarray) -> None:
        """Add one frame to things that are not in the map: those that should be seen, then those that are."""
        base_from_map = inverse(map_from_base)
        hit: set[int] = set()
        for row in fresh.tolist():
            ends = moved(seen.segments[row] - [0.0, shift, 0.0], map_from_base)
            hit.add(self._placed(ends, int(seen.classes[row]), seen.stamp_ns))
        if not self._new:
            return
        spots = moved(np.array([element.middle for element in self._new]), base_from_map)[:, :2]
        looked_at = in_sight(spots, seen.seen_range_m, self.config.sight)
        for place, element in enumerate(self._new):
            if looked_at[place] or place in hit:
                element.count(place in hit, seen.stamp_ns)

    def _placed(self, ends: np.ndarray, class_: int, stamp_ns: int) -> int:
        """Return the place, among the new things, of the one that this segment belongs to; it may be new itself."""
        middle, step = ends.mean(axis=0), ends[1] - ends[0]
        heading = float(np.arctan2(step[1], step[0]))
        for place, element in enumerate(self._new):
            away, cosine, sine = middle - element.middle, np.cos(element.heading_rad), np.sin(element.heading_rad)
            askew = abs(float(wrapped(2.0 * (heading - element.heading_rad)))) / 2.0
            along, aside = abs(cosine * away[0] + sine * away[1]), abs(cosine * away[1] - sine * away[0])
            near = along <= self.config.same_along_m and aside <= self.config.same_aside_m
            if near and askew <= self.config.same_rad and element.class_ == class_:
                return place
        self._new.append(Element(0, class_, middle, odds(self.config.evidence.born), heading, last_ns=stamp_ns))
        return len(self._new) - 1

    def _end_traversals(self, stamp_ns: int) -> None:
        """Close what has not been in sight for a while; new things with hardly any support are forgotten."""
        gone_ns = int(self.config.gone_s * SECOND_NS)
        for element in [*self._open.values(), *self._new]:
            if element.is_open and not 0 <= stamp_ns - element.last_ns < gone_ns:
                element.is_open = False
        self._open = {key: element for key, element in self._open.items() if element.is_open}
        while len(self._chunks) > self.config.most_lines:
            del self._chunks[next(iter(self._chunks))]
        kept = [element for element in self._new if element.is_open or element.matches >= self.config.frames]
        self._new = kept[-self.config.most_new :]

    def _chained(self, element: Element, evidence: EvidenceConfig) -> float:
        """Return the log odds that a chunk is there, with what its neighbours on the line say."""
        own, limit = element.standing(evidence), self.config.chain_limit
        for other in self._chunks[element.id].values():
            gap = float(np.hypot(*(other.middle - element.middle)[:2]))
            if other is not element and gap <= self.config.chain_m:
                told = other.standing(evidence) - other.prior
                own += self.config.chain * min(max(told, -limit), limit)
        return own

    def _elements(self, class_: int) -> Iterator[Element]:
        for line in self._chunks.values():
            yield from (element for element in line.values() if element.class_ == class_)


def _cell(line: dict[tuple[int, int], Element], middle: np.ndarray) -> tuple[int, int]:
    """Return the cell of a chunk: that under which it was kept before, for it may lie on the border of two."""
    x, y = (middle[:2] / PLACE_M).tolist()
    i, j = floor(x), floor(y)
    for key in ((i + di, j + dj) for di in (0, -1, 1) for dj in (0, -1, 1)):
        if key in line and abs(line[key].middle[:2] - middle[:2]).max() < SAME_M:
            return key
    return i, j
