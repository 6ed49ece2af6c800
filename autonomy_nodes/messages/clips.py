"""Clips: the seconds around an event as an MCAP file with a small json of why; the oldest go where there are too many.

A folder of clips holds NUMBER_KIND.mcap and NUMBER_KIND.json; a clip that broke off is NUMBER_KIND.mcap.part.
"""

import json
import re
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.messages.bags import UNFINISHED, BagWriter
from autonomy_nodes.messages.ring import Heard, Ring

KINDS = ('mode', 'takeover', 'disagreement', 'uncertainty', 'button')
MB = 1_000_000
NAME = re.compile(r'(\d{6})_\w+\.(mcap|json|mcap\.part)')


@dataclass(frozen=True)
class ClipSettings:
    """Clips of events. folder: where they lie; empty: no clips are made.

    before_s, after_s: how much is kept around an event. longest_s: a clip with one event after another ends here.
    kinds: what makes one: mode (safety changes it), takeover (a person drives again), disagreement (of network and
    geometric channel), uncertainty (localization or perception get worse), button (somebody asks).
    memory_mb: most that messages wait in. disk_mb: most that all clips take: then the oldest go.
    write_mb_s: how fast a clip is written; more than sensors give, less than would hold up what comes in.
    quiet_s: an event of the same kind and outcome makes no other clip for so long.
    """

    folder: str = ''
    before_s: float = 10.0
    after_s: float = 5.0
    longest_s: float = 60.0
    kinds: tuple[str, ...] = KINDS
    memory_mb: int = 512
    disk_mb: int = 20_000
    write_mb_s: float = 80.0
    quiet_s: float = 30.0

    def __post_init__(self) -> None:
        if unknown := {*self.kinds} - {*KINDS}:
            raise ValueError(f'clips.kinds: {sorted(unknown)} are none of {", ".join(KINDS)}')
        if self.before_s < 0.0 or self.after_s < 0.0 or self.quiet_s < 0.0:
            raise ValueError('clips.before_s, clips.after_s and clips.quiet_s must not be negative')
        if self.longest_s < self.before_s + self.after_s:
            raise ValueError(f'clips.longest_s={self.longest_s} must be at least clips.before_s + clips.after_s')
        if min(self.memory_mb, self.disk_mb) < 1 or not self.write_mb_s > 0.0:
            raise ValueError('clips.memory_mb and clips.disk_mb must be at least 1, clips.write_mb_s above 0')


@dataclass(frozen=True)
class Occasion:
    """Why a clip is made. kind: one of KINDS. outcome: a word, such as the new mode. text: why, in words."""

    kind: str
    stamp_ns: int
    outcome: str
    text: str
    values: Mapping[str, str] = field(default_factory=dict)


class _Clip:
    """A clip that is being written: from message `next` of the ring on."""

    def __init__(self, path: Path, begin_ns: int, end_ns: int, last_ns: int, number: int) -> None:
        self.path, self.begin_ns, self.end_ns, self.last_ns = path, begin_ns, end_ns, last_ns
        self.occasions: list[tuple[int, Occasion]] = []  # and when each was noted
        self.next, self.missed = number, 0
        self.counts: Counter[str] = Counter()
        self.bytes, self.cut_short = 0, ''
        self.start_ns: int | None = None  # of the first message, latched ones aside
        self.bag = BagWriter(path, compress=True)

    def write(self, heard: Heard, receive_ns: int) -> None:
        """Append a message."""
        self.bag.write(heard.topic.name, heard.topic.type, receive_ns, heard.data, heard.topic.qos == 'latched')
        self.counts[heard.topic.name] += 1
        self.bytes += len(heard.data)

    def told(self) -> dict[str, Any]:
        """Return what stands in its json."""
        started_ns = self.begin_ns if self.start_ns is None else self.start_ns
        return {
            'bag': self.path.name, 'start_ns': started_ns, 'end_ns': self.end_ns,
            'before_s': round((self.occasions[0][0] - started_ns) / SECOND_NS, 3),
            'after_s': round((self.end_ns - self.occasions[-1][0]) / SECOND_NS, 3),
            'occasions': [{'noted_ns': at_ns, **asdict(each)} for at_ns, each in self.occasions],
            'messages': dict(sorted(self.counts.items())), 'messages_lost': self.missed, 'cut_short': self.cut_short,
        }  # fmt: skip


class Clipper:
    """Hears every message, and makes a clip of the seconds around each occasion.

    made: clips finished. passed_over: occasions that made none, since one like it did lately. lost: messages that
    left memory before their time, by topic. All times are those that the caller gives.
    """

    def __init__(self, settings: ClipSettings) -> None:
        self.settings, self.folder = settings, Path(settings.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ring = Ring(settings.before_s, settings.memory_mb * MB)
        self.made, self.removed, self.failed, self.passed_over = 0, 0, 0, 0
        self._clip: _Clip | None = None
        self._last_ns: dict[tuple[str, str], int] = {}
        self._heard_ns = -(2**63)
        self._words = [f'{path.name} was broken off; `mcap recover` may save what is in it' for path in self._broken()]

    @property
    def lost(self) -> Counter[str]:
        """Messages that left memory before their time, by topic."""
        return self.ring.lost

    def take(self, heard: Heard) -> None:
        """Hear a message."""
        if heard.receive_ns < self._heard_ns:  # time jumped back
            self.finish('time jumped back')
            self.ring.clear()
            self._last_ns.clear()
        self._heard_ns = heard.receive_ns
        self.ring.take(heard, None if self._clip is None else self._clip.next)

    def note(self, occasion: Occasion, now_ns: int) -> None:
        """Make a clip around now, or go on with the one that is being written."""
        settings, key = self.settings, (occasion.kind, occasion.outcome)
        if occasion.kind not in settings.kinds:
            return
        end_ns = now_ns + round(settings.after_s * SECOND_NS)
        if self._clip is not None and now_ns <= self._clip.end_ns:
            self._clip.occasions.append((now_ns, occasion))
            self._clip.end_ns = max(self._clip.end_ns, min(end_ns, self._clip.last_ns))
            return
        if now_ns - self._last_ns.get(key, -(2**62)) < settings.quiet_s * SECOND_NS:
            self.passed_over += 1
            return
        self._last_ns[key] = now_ns
        self.finish()
        begin_ns = now_ns - round(settings.before_s * SECOND_NS)
        last_ns = begin_ns + round(settings.longest_s * SECOND_NS)
        try:
            path = self.folder / f'{self._next_number():06d}_{occasion.kind}.mcap'
            self._clip = clip = _Clip(path, begin_ns, end_ns, last_ns, self.ring.first)
            clip.occasions.append((now_ns, occasion))
            for heard in self.ring.latched_before(self._first_ns(begin_ns)):
                clip.write(heard, self._first_ns(begin_ns))
        except OSError as error:
            self._give_up(error)

    def stop(self, now_ns: int) -> None:
        """End the clip that is being written with this moment."""
        if self._clip is not None:
            self._clip.end_ns = min(self._clip.end_ns, now_ns)

    def step(self, now_ns: int, seconds: float) -> list[str]:
        """Write for so long [s] on a clip, finish it when its time is over; return what is to be told, in words."""
        if self._clip is not None:
            left = self._write(round(self.settings.write_mb_s * MB * seconds))
            if not left and self._clip is not None and now_ns > self._clip.end_ns:
                self.finish()
        words, self._words = self._words, []
        return words

    def finish(self, cut_short: str = '') -> None:
        """Write all that is left of a clip and close it; nothing to do where there is none."""
        if self._clip is None:
            return
        self._write(None)
        if (clip := self._clip) is None:
            return
        try:
            if cut_short and self._heard_ns <= clip.end_ns:
                clip.cut_short, clip.end_ns = cut_short, max(self._heard_ns, clip.begin_ns)
            clip.bag.close()
            text = json.dumps(clip.told(), indent=1, sort_keys=True) + '\n'
            clip.path.with_suffix('.json').write_text(text)
        except OSError as error:
            self._give_up(error)
            return
        self._clip, self.made = None, self.made + 1
        self._prune(clip.path)

    def _write(self, budget: int | None) -> bool:
        """Write messages that belong to the clip, `budget` bytes of them at most; return whether some are left."""
        clip, ring = self._clip, self.ring
        assert clip is not None
        clip.missed, clip.next = clip.missed + max(ring.first - clip.next, 0), max(clip.next, ring.first)
        most = self.settings.disk_mb * MB
        try:
            while clip.next < ring.end and (budget is None or budget > 0):
                heard = ring.at(clip.next)
                if heard.receive_ns > clip.end_ns:
                    return False
                if clip.bytes + len(heard.data) > most:
                    clip.end_ns, clip.cut_short = heard.receive_ns, f'it alone reached clips.disk_mb={most // MB}'
                    return False
                if heard.receive_ns >= clip.begin_ns:
                    clip.start_ns = heard.receive_ns if clip.start_ns is None else clip.start_ns
                    clip.write(heard, heard.receive_ns)
                    budget = None if budget is None else budget - heard.size
                clip.next += 1
        except OSError as error:
            self._give_up(error)
            return False
        return clip.next < ring.end

    def _first_ns(self, begin_ns: int) -> int:
        """Return when the clip begins: a latched message that came before is in it with this moment."""
        oldest = self.ring.at(self.ring.first).receive_ns if self.ring.end > self.ring.first else begin_ns
        return max(begin_ns, oldest, 0)

    def _give_up(self, error: OSError) -> None:
        """Leave a clip: the disk is full, or cannot be written. Memory goes on."""
        clip, self._clip = self._clip, None
        self.failed += 1
        lost = 'a clip' if clip is None else clip.path.name
        self._words.append(f'{lost} was lost: {error}; free the disk below {self.folder}, or lower clips.disk_mb')

    def _prune(self, newest: Path) -> None:
        """Remove the oldest clips until all take no more than they may; the newest stays."""
        kept = self.clips()
        sizes = {number: sum(_size(path) for path in paths) for number, paths in kept.items()}
        for number in sorted(kept):
            if sum(sizes.values()) <= self.settings.disk_mb * MB or kept[number][0].stem == newest.stem:
                return
            for path in kept[number]:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            self.removed += 1
            size_mb = sizes.pop(number) / MB
            self._words.append(f'clip {kept[number][0].stem} ({size_mb:.0f} MB) was removed: clips.disk_mb is reached')

    def clips(self) -> dict[int, list[Path]]:
        """Return {number: its files} of the clips in the folder."""
        found: dict[int, list[Path]] = {}
        for path in sorted(self.folder.iterdir()):
            if match := NAME.fullmatch(path.name):
                found.setdefault(int(match[1]), []).append(path)
        return found

    def disk_bytes(self) -> int:
        """Return what all clips take."""
        return sum(_size(path) for paths in self.clips().values() for path in paths)

    def _next_number(self) -> int:
        return max(self.clips(), default=0) + 1

    def _broken(self) -> list[Path]:
        return [path for paths in self.clips().values() for path in paths if path.name.endswith(UNFINISHED)]


def _size(path: Path) -> int:
    return sum(each.stat().st_size for each in (path.rglob('*') if path.is_dir() else [path]) if each.is_file())
