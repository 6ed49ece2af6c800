"""The processes of the stack without ROS's launch: started, watched, started again, stopped. Knows no ROS."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autonomy_nodes.common.paths import share
from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.nodes.processes import LAUNCH_ARGUMENTS, processes, wanted
from autonomy_nodes.nodes.window import check_installed

MALLOC = {'MALLOC_MMAP_THRESHOLD_': str(32 << 20), 'MALLOC_TRIM_THRESHOLD_': str(512 << 20)}
PATIENCE_S = 20.0  # from asking a process to end until it is made to
RESPAWN_S = 1.0
CLIPS = 'clips'  # where record:=clips leaves them


def environment() -> dict[str, str]:
    """Return what every process of the stack needs in its environment; see docs/interface.md for the why."""
    profile = str(share('config/fastdds.xml'))
    profiles = {'FASTRTPS_DEFAULT_PROFILES_FILE': profile, 'FASTDDS_DEFAULT_PROFILES_FILE': profile}
    quiet = {'OMP_NUM_THREADS': '1', 'OPENBLAS_NUM_THREADS': '1', 'NUMBA_NUM_THREADS': '1', 'PYTHONUNBUFFERED': '1'}
    return {**profiles, **MALLOC, **quiet, **os.environ}


def vehicle_file(vehicle: str) -> Path:
    """Return the settings file of a vehicle: a name in config/vehicles/, or a path."""
    if Path(vehicle).suffix:
        return Path(vehicle)
    known = sorted(path.stem for path in share('config/vehicles').glob('*.yaml'))
    if vehicle not in known:
        raise SettingsError(f'vehicle {vehicle!r} is none of {", ".join(known)}, nor the path of a yaml file')
    return share(f'config/vehicles/{vehicle}.yaml')


def given(words: Sequence[str]) -> dict[str, str]:
    """Return launch arguments from NAME:=VALUE words; raises SettingsError on another word."""
    if wrong := [word for word in words if ':=' not in word]:
        raise SettingsError(f'{wrong[0]!r} is not NAME:=VALUE')
    return dict(word.split(':=', 1) for word in words)


def resolved(given: Mapping[str, str]) -> dict[str, str]:
    """Return every launch argument, given or default; raises SettingsError on an unknown name or value."""
    if unknown := given.keys() - LAUNCH_ARGUMENTS.keys():
        raise SettingsError(f'unknown arguments {sorted(unknown)}; there are {", ".join(LAUNCH_ARGUMENTS)}')
    arguments = {name: given.get(name, default) for name, (default, _, _) in LAUNCH_ARGUMENTS.items()}
    for name, (_, _, choices) in LAUNCH_ARGUMENTS.items():
        if choices and arguments[name] not in choices:
            raise SettingsError(f'{name}:={arguments[name]} must be one of {", ".join(filter(None, choices))}')
    if arguments['viz'] == 'rerun':
        check_installed()
    return arguments


def settings_files(arguments: Mapping[str, str]) -> list[Path]:
    """Return the settings files of these arguments, later ones overriding earlier ones."""
    stack = Path(arguments['params_file']) if arguments['params_file'] else share('config/stack.yaml')
    overlay = [Path(arguments['overlay'])] if arguments['overlay'] else []
    return [vehicle_file(arguments['vehicle']), stack, *overlay]


def overrides(arguments: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that arguments stand for: {'node.setting': value}."""
    found = {
        'map.map_path': arguments['map_path'],
        'perception.model': "''" if arguments['model'] == 'none' else arguments['model'],  # over a network that is set
        'perception.backend': arguments['backend'],
        'perception.require_backend': arguments['require_backend'],
        'localization.publish_calibration': arguments['publish_calibration'],
    }
    defaults = {key: LAUNCH_ARGUMENTS[key.partition('.')[2]][0] for key in found}
    clips = {'recorder.whole': 'false', 'recorder.clips.folder': CLIPS} if arguments['record'] == 'clips' else {}
    return {key: value for key, value in found.items() if value != defaults[key]} | clips


@dataclass
class Process:
    """One process of the stack."""

    name: str
    command: list[str]
    log: Path | None
    running: subprocess.Popen | None = None
    respawns: int = 0
    ended_s: float = 0.0


@dataclass
class Launcher:
    """Starts processes and keeps them; `more` is added to each command line, `extra_nodes` to those asked for."""

    arguments: Mapping[str, str]
    logs: Path | None = None
    extra_nodes: Sequence[str] = ()
    without: Sequence[str] = ()
    more_files: Sequence[Path] = ()
    more: Sequence[str] = ()
    wall_clock: Sequence[str] = ('sim', 'player')  # these give the time, so they cannot take it from /clock
    members: list[Process] = field(default_factory=list)

    def start(self) -> None:
        """Start every process."""
        asked = [node for node in [*wanted(dict(self.arguments)), *self.extra_nodes] if node not in self.without]
        peers = ['-p', f'peers:=[{",".join(asked)}]']  # whom each shall have found before it gives a sign of life
        for name, nodes in processes(self.arguments['composition'], asked).items():
            log = None if self.logs is None else self.logs / f'{name}.log'
            self.members.append(Process(name, [*self._command(nodes), *peers], log))
            self._spawn(self.members[-1])

    def ended(self) -> list[tuple[str, int]]:
        """Return (name, exit code) of processes that have ended; those that failed are started again if asked."""
        found = []
        for member in self.members:
            code = None if member.running is None else member.running.poll()
            if code is None:
                continue
            found.append((member.name, code))
            member.ended_s = member.ended_s or time.monotonic()
            if code != 0 and self.arguments['respawn'] == 'true' and time.monotonic() - member.ended_s > RESPAWN_S:
                member.respawns += 1
                self._spawn(member)
        return found

    def stop(self, last: Sequence[str] = ('recorder',)) -> dict[str, int]:
        """Ask all to end, those of `last` after the others; return their exit codes (negative: by a signal)."""
        codes = {}
        for names_last in (False, True):
            group = {m.name: m.running for m in self.members if (m.name in last) is names_last and m.running}
            for running in group.values():
                if running.poll() is None:
                    running.send_signal(signal.SIGINT)
            end_s = time.monotonic() + PATIENCE_S
            for name, running in group.items():
                try:
                    codes[name] = running.wait(timeout=max(end_s - time.monotonic(), 0.1))
                except subprocess.TimeoutExpired:
                    running.kill()
                    codes[name] = running.wait()
        return codes

    def _command(self, nodes: Sequence[str]) -> list[str]:
        arguments, words = self.arguments, [sys.executable, '-m', 'autonomy_nodes.nodes.run', *nodes, '--ros-args']
        for path in [*settings_files(arguments), *self.more_files]:
            words += ['--params-file', str(path)]
        for key, value in overrides(arguments).items():
            node, _, name = key.partition('.')
            if node in nodes:
                words += ['-p', f'{node}:{name}:={value}']
        sim_time = arguments['use_sim_time'] if not set(nodes) & set(self.wall_clock) else 'false'
        words += ['-p', f'use_sim_time:={sim_time}', '-p', f'autostart:={arguments["autostart"]}']
        words += ['--log-level', arguments['log_level']]
        if arguments['namespace']:
            words += ['-r', f'__ns:=/{arguments["namespace"].strip("/")}']
        return [*words, *self.more]

    def _spawn(self, member: Process) -> None:
        member.ended_s = 0.0
        output = None if member.log is None else member.log.open('ab')
        member.running = subprocess.Popen(
            member.command, env=environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        if output is not None:
            output.close()
