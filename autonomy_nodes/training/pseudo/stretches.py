"""Recordings cut into stretches: each is worked on by itself, with a margin of what was before and what came after.

A stretch is a part of a bag, or of a drive of any layout that messages/formats reads, which is written to a bag first:
so that all go through the same nodes. Where a stretch begins depends on the recording alone, not on who works on it.
"""

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.evaluation.measures.evidence import short
from autonomy_nodes.messages.bags import FILES, Recording
from autonomy_nodes.messages.formats.bag import LATER_NS, write_drive
from autonomy_nodes.messages.formats.catalogue import drives
from autonomy_nodes.messages.formats.frames import Drive
from autonomy_nodes.messages.remap import Remap, read_remap

BAG = 'bag'


@dataclass(frozen=True)
class CutSettings:
    """stretch_s: length of a stretch. margin_s: so much before and after it is looked at too."""

    stretch_s: float = 10.0
    margin_s: float = 4.0

    def __post_init__(self) -> None:
        if not self.stretch_s > 0.0 or not math.isfinite(self.stretch_s):
            raise ValueError(f'stretch_s={self.stretch_s} must be above 0')
        if not 0.0 <= self.margin_s <= 60.0:
            raise ValueError(f'margin_s={self.margin_s} must lie between 0 and 60')


@dataclass(frozen=True)
class Source:
    """A recording. layout: 'bag', or a name of `catalogue.FORMATS`. remap: yaml of names, of a bag with other ones."""

    path: Path
    layout: str
    remap: Path | None = None

    def names(self) -> Remap | None:
        """Return which of its topics is which of ours."""
        return None if self.remap is None else read_remap(self.remap)

    def fingerprint(self) -> str:
        """Return what tells recordings apart without reading them: the names and sizes of their files, hashed."""
        files = sorted(path for path in self.path.rglob('*') if path.is_file()) if self.path.is_dir() else [self.path]
        return short('\n'.join(f'{path.relative_to(self.path.parent)} {path.stat().st_size}' for path in files))


@dataclass(frozen=True)
class Stretch:
    """A part of one drive of a recording: what is received from begin_ns until before end_ns; drive: '' of a bag."""

    source: Source
    drive: str
    begin_ns: int
    end_ns: int
    margin_ns: int

    @property
    def with_margin_ns(self) -> tuple[int, int]:
        """From when until before when it is played."""
        return self.begin_ns - self.margin_ns, self.end_ns + self.margin_ns


def source_of(path: Path, layout: str = '', remap: Path | None = None) -> Source:
    """Return a recording; raises DataError where there is none. layout: '' for what it looks like."""
    if not path.exists():
        raise DataError(f'{path}: does not exist; give a recording, or a folder that `autonomy import` reads')
    bag = path.suffix in FILES or (path / 'metadata.yaml').is_file()
    chosen = layout or (BAG if bag else 'auto')
    if remap is not None and chosen != BAG:
        raise DataError('--remap tells the names of a bag; other layouts have none')
    return Source(path, chosen, remap)


def stretches(source: Source, settings: CutSettings) -> list[Stretch]:
    """Return the stretches of a recording in order of time, drive by drive."""
    if source.layout == BAG:
        recording = Recording(source.path, source.names())
        return _cut(source, '', recording.start_ns, recording.end_ns, settings)
    found = [drive for drive in _drives(source) if not drive.stills and any(frame.clouds for frame in drive)]
    if not found:
        raise DataError(f'{source.path}: holds no drive with sweeps that follow one another; hindsight needs one')
    return [
        stretch for drive in found
        for stretch in _cut(source, drive.name, drive.frames[0].stamp_ns, drive.frames[-1].stamp_ns + 1, settings)
    ]  # fmt: skip


@contextmanager
def recorded(stretch: Stretch) -> Iterator[Path | None]:
    """Give the path of a bag that holds a stretch with its margin; None where it holds no sweep."""
    if stretch.source.layout == BAG:
        yield stretch.source.path
        return
    drive = next(drive for drive in _drives(stretch.source) if drive.name == stretch.drive)
    first_ns, end_ns = stretch.with_margin_ns
    frames = [frame for frame in drive if first_ns <= frame.stamp_ns < end_ns]
    if not any(frame.clouds for frame in frames):
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        bag = Path(folder) / 'stretch.mcap'
        write_drive(replace(drive, frames=frames), bag)
        yield bag


def _drives(source: Source) -> list[Drive]:
    return drives(source.path, '' if source.layout == 'auto' else source.layout)


def _cut(source: Source, drive: str, start_ns: int, end_ns: int, settings: CutSettings) -> list[Stretch]:
    """Return stretches of equal length that hold all from start_ns until before end_ns, and what it gives later."""
    step_ns, margin_ns = round(settings.stretch_s * SECOND_NS), round(settings.margin_s * SECOND_NS)
    count = max(-(-(end_ns - start_ns) // step_ns), 1)
    ends = [start_ns + number * step_ns for number in range(count + 1)]
    ends[-1] = max(ends[-1], end_ns + LATER_NS['sweep'])
    return [Stretch(source, drive, begin_ns, stop_ns, margin_ns) for begin_ns, stop_ns in zip(ends, ends[1:])]
