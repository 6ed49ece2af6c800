"""What a run leaves beside its bag: log.jsonl, timing.jsonl and run.json, written by lockstep and live runs alike.

log.jsonl: a line a stage and stamp, with sorted keys; nothing of a clock is in it, so two replays give the same bytes.
timing.jsonl: what the clock told of the same steps. run.json: what was run, on what, by which command.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any

from autonomy_nodes.common.settings import configured
from autonomy_nodes.common.status import Level, Status
from autonomy_nodes.common.types import DataError
from autonomy_nodes.common.vehicle import Vehicle

LOG, TIMING, RUN, OUTPUTS = 'log.jsonl', 'timing.jsonl', 'run.json', 'outputs.mcap'


def log_line(status: Status) -> str:
    """Return the line of log.jsonl of one step; ages_ms is the step's stamp minus that of each input."""
    return _line(
        {
            'stage': status.node,
            'stamp_ns': status.stamp_ns,
            'level': status.level.name,
            'text': status.text,
            'inputs': dict(status.lineage),
            'ages_ms': {name: round((status.stamp_ns - at) / 1e6, 3) for name, at in status.lineage.items()},
            'drops': dict(status.dropped),
            'values': dict(status.values),
        }
    )


def timing_line(
    stage: str,
    stamp_ns: int,
    duration_ms: float | None,
    latency_ms: float | None,
    parts_ms: Mapping[str, float] | None = None,
) -> str:
    """Return the line of timing.jsonl of one step.

    latency_ms: when its output was sent minus its stamp; None in lockstep. parts_ms: durations of its parts, by name.
    """
    rounded = [None if value is None else round(value, 3) for value in (duration_ms, latency_ms)]
    row = {'stage': stage, 'stamp_ns': stamp_ns, 'duration_ms': rounded[0], 'latency_ms': rounded[1]}
    parts = {part: round(spent_ms, 3) for part, spent_ms in (parts_ms or {}).items()}
    return _line(row | ({'parts_ms': parts} if parts else {}))


class RunLog:
    """Writes log.jsonl and timing.jsonl of a run into a folder, which it makes; close it or use it in `with`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._log = (folder / LOG).open('w', encoding='utf-8')
        self._timing = (folder / TIMING).open('w', encoding='utf-8')

    def note(self, status: Status, duration_ms: float | None = None, latency_ms: float | None = None) -> None:
        """Write one step. duration_ms: what the caller measured; without it, what the status tells."""
        self._log.write(log_line(status))
        duration_ms = status.duration_ms if duration_ms is None else duration_ms
        if duration_ms is not None or latency_ms is not None:
            self._timing.write(timing_line(status.node, status.stamp_ns, duration_ms, latency_ms, status.parts_ms))

    def close(self) -> None:
        """Finish both files."""
        self._log.close()
        self._timing.close()

    def __enter__(self) -> 'RunLog':
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


@dataclass(frozen=True)
class Run:
    """What was run. mode: 'lockstep' or 'live'. wall_s: how long it took, None where not measured.

    scenario: the scenario's or the recording's name. vehicle: the name of its settings; body: its sizes, None where not
    known. command: as typed. commit: of the source tree. frames_in: sweeps in the input, None where not counted.
    """

    scenario: str = ''
    vehicle: str = ''
    command: str = ''
    commit: str = ''
    mode: str = 'lockstep'
    wall_s: float | None = None
    frames_in: int | None = None
    body: Vehicle | None = None

    def __post_init__(self) -> None:
        if self.mode not in ('lockstep', 'live'):
            raise ValueError(f'mode={self.mode!r} must be lockstep or live')


def write_run(folder: Path, run: Run) -> None:
    """Write run.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RUN).write_text(json.dumps(asdict(run), sort_keys=True, indent=2) + '\n', encoding='utf-8')


def read_run(folder: Path) -> Run:
    """Return what run.json tells, an empty `Run` where there is none; what others put there is left alone."""
    path = folder / RUN
    if not path.exists():
        return Run()
    given = _object(path.read_text(encoding='utf-8'), str(path))
    known = {field.name: given[field.name] for field in fields(Run) if given.get(field.name) is not None}
    try:
        if 'body' in known:
            known['body'] = configured(Vehicle, known['body'])
        return Run(**known)
    except (TypeError, ValueError) as error:
        raise DataError(f'{path}: {error}') from error


def read_log(folder: Path) -> list[Status]:
    """Return the steps of log.jsonl in the order of the file."""
    return [_status(row, place) for row, place in _rows(folder / LOG)]


def read_timing(folder: Path) -> list[tuple[str, int, float | None, float | None]]:
    """Return (stage, stamp_ns, duration_ms, latency_ms) of each step of timing.jsonl; none without that file."""
    if not (folder / TIMING).exists():
        return []
    try:
        return [
            (row['stage'], row['stamp_ns'], row['duration_ms'], row['latency_ms'])
            for row, _ in _rows(folder / TIMING)
        ]
    except KeyError as error:
        raise DataError(f'{folder / TIMING} has a line without {error}') from error


def _status(row: Mapping[str, Any], place: str) -> Status:
    try:
        level = Level[row['level']]
        lineage, dropped, values = row['inputs'], row['drops'], row['values']
        return Status(row['stamp_ns'], row['stage'], level, row['text'], lineage, dropped, values)
    except KeyError as error:
        raise DataError(f'{place} lacks {error}') from error


def _rows(path: Path) -> list[tuple[dict[str, Any], str]]:
    """Return each line as (object, 'file:line'); a run that was cut off may end in half a line, which is left out."""
    if not path.exists():
        raise DataError(f'{path} is missing')
    whole = path.read_text(encoding='utf-8').split('\n')[:-1]
    return [(_object(line, f'{path}:{at + 1}'), f'{path}:{at + 1}') for at, line in enumerate(whole)]


def _object(text: str, place: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f'{place} is not JSON: {error}') from error
    if not isinstance(found, dict):
        raise DataError(f'{place} is not a JSON object')
    return found


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, sort_keys=True, separators=(',', ':'), ensure_ascii=False) + '\n'
