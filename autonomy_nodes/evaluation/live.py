"""A run with real processes over the real middleware: a drive in the simulator, or a recording played live."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from autonomy_nodes.evaluation.replay import HEAVY_EVERY
from autonomy_nodes.evaluation.runlog import OUTPUTS, Run, RunLog, write_run
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.bags import Recording
from autonomy_nodes.messages.words import read_status
from autonomy_nodes.nodes.launcher import Launcher, settings_files
from autonomy_nodes.nodes.processes import TABLE, vehicle_of, wanted

POLL_S = 0.2


class LiveError(RuntimeError):
    """A live run that did not come to its end; says which process and where its log is."""


@dataclass(frozen=True)
class LiveRun:
    """What to run. arguments: of the launch, all of them; giver: 'sim' or 'player', whose end is the end of the run.

    settings: {'node.setting': value}, written to a file that overrides the others. without: nodes left out.
    """

    out: Path
    arguments: Mapping[str, str]
    giver: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    extra: Sequence[str] = ()
    without: Sequence[str] = ()
    timeout_s: float = 600.0
    run: Run = field(default_factory=Run)


def run_live(live: LiveRun, watch: Callable[[float, Launcher], None] = lambda seconds, launcher: None) -> Path:
    """Start all processes, wait until the giver ends, stop the rest; leave what a run leaves under `out`.

    `watch(seconds, launcher)` is called a few times a second, for progress and for faults to inject. Raises LiveError
    where the giver fails or does not end, or a process of the stack fails.
    """
    out, arguments = live.out, {**live.arguments, 'record': 'true', 'use_sim_time': 'true'}
    logs = out / 'logs'
    logs.mkdir(parents=True, exist_ok=True)
    own = out / 'settings.yaml'
    recorder = {'recorder.path': str((out / OUTPUTS).resolve()), 'recorder.raw_sensors': False}
    recorder['recorder.heavy_every'] = HEAVY_EVERY
    asked = {*wanted(arguments), *live.extra} - {*live.without}
    waits = {f'{live.giver}.wait_for': tuple(name for name in TABLE if name in asked)}
    more = {**waits, 'safety.engaged_at_start': True, **recorder, **live.settings}
    write_settings(own, more)
    files = [*settings_files(arguments), own]
    body = vehicle_of('planning', files)
    keep_apart()
    launcher = Launcher(arguments, logs, [live.giver, *live.extra], live.without, [own])
    start_s = time.monotonic()
    try:
        launcher.start()
        failed, overdue = _wait(live, launcher, start_s, watch)
    finally:
        codes = launcher.stop()
    failed |= {name: code for name, code in codes.items() if code != 0 and name not in live.without}
    complaints = [overdue] * bool(overdue)
    complaints += [f'{name} failed with exit code {code}, see {logs / name}.log' for name, code in failed.items()]
    complaints += gathered_outputs(out)
    write_run(out, replace(live.run, mode='live', wall_s=time.monotonic() - start_s, body=body))
    if complaints:
        raise LiveError('; '.join(complaints))
    return out


def gathered_outputs(out: Path) -> list[str]:
    """Give the recording its name and write the logs; return what is wrong.

    A recorder that was started again records beside what it left: then the newest that is whole counts.
    """
    pieces = sorted(out.glob(f'{Path(OUTPUTS).stem}-*.mcap'), key=lambda path: int(path.stem.rpartition('-')[2]))
    if pieces and not (out / OUTPUTS).exists():
        pieces[-1].rename(out / OUTPUTS)
    if not (out / OUTPUTS).exists():
        return [f'nothing whole was recorded, see {out / "logs" / "recorder.log"}']
    rebuild_logs(out)
    return []


def write_settings(path: Path, settings: Mapping[str, Any]) -> None:
    """Write a ROS parameter file of {'node.setting': value}; a setting may have dots of its own."""
    sections: dict[str, dict[str, Any]] = {}
    for key, value in settings.items():
        node, _, name = key.partition('.')
        section = sections.setdefault(node, {'ros__parameters': {}})['ros__parameters']
        *outer, last = name.split('.')
        for part in outer:
            section = section.setdefault(part, {})
        section[last] = list(value) if isinstance(value, tuple) else value
    path.write_text(yaml.safe_dump(sections, sort_keys=True))


def keep_apart() -> None:
    """Keep a run on this machine and apart from others, unless the environment says where it shall be."""
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 100))


def rebuild_logs(out: Path) -> None:
    """Write log.jsonl and timing.jsonl from the diagnostics in the recorded outputs."""
    with RunLog(out) as log:
        for _, _, _, data in Recording(out / OUTPUTS).messages(topics=[topics.DIAGNOSTICS.name]):
            status = read_status(data)
            values = dict(status.values)
            latency = values.pop('latency_ms', None)
            log.note(replace(status, values=values), latency_ms=None if latency is None else float(latency))


def _wait(
    live: LiveRun, launcher: Launcher, start_s: float, watch: Callable[[float, Launcher], None]
) -> tuple[dict[str, int], str]:
    """Wait until the giver has ended; return what failed on the way, and a complaint where it does not end."""
    while True:
        seconds = time.monotonic() - start_s
        ended = dict(launcher.ended())
        if live.giver in ended:
            return {name: code for name, code in ended.items() if code != 0}, ''
        if ended and live.arguments['respawn'] != 'true':
            return ended, ''
        if seconds > live.timeout_s:
            log = live.out / 'logs' / f'{live.giver}.log'
            return {}, f'{live.giver} did not end within {live.timeout_s:.0f} s, see {log}'
        watch(seconds, launcher)
        time.sleep(POLL_S)
