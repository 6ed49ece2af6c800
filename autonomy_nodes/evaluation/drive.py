"""A drive in the simulator: live with real processes, or in lockstep, where the world waits for the stack."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from autonomy_nodes.evaluation.live import LiveRun, run_live
from autonomy_nodes.evaluation.lockstep import Lockstep, Sink
from autonomy_nodes.evaluation.replay import OutputSink, Setup, lockstep
from autonomy_nodes.evaluation.runlog import Run, write_run
from autonomy_nodes.nodes.launcher import settings_files
from autonomy_nodes.nodes.processes import make, vehicle_of

LEFT_S = 5.0  # of simulated time, beyond the scenario's own duration, after which a lockstep drive is ended
LIVE_FACTOR, LIVE_MORE_S = 15.0, 120.0  # wall time a live drive may take on a slow machine


@dataclass(frozen=True)
class Scenario:
    """What is driven. family and seed make the world.

    start_m, goal_m: how far along its route the drive begins and the goal lies; goal_m 0 for the route's end.
    by_wire: the reference drive by wire stands between the stack and the vehicle, and an operator engages it.
    """

    family: str = 'road'
    seed: int = 0
    duration_s: float = 60.0
    goal_m: float = 0.0
    start_m: float = 0.0
    by_wire: bool = False

    @property
    def name(self) -> str:
        """Return the name by which reports call it."""
        return f'{self.family}-{self.seed}'


@dataclass(frozen=True)
class Drive:
    """A drive with its settings. arguments: of the launch, all of them; settings: {'node.setting': value}."""

    out: Path
    scenario: Scenario
    arguments: Mapping[str, str]
    settings: Mapping[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    run: Run = field(default_factory=Run)

    @property
    def extra(self) -> tuple[str, ...]:
        """Return the nodes that the scenario needs beside the stack and the simulator."""
        return ('drive_by_wire', 'operator') if self.scenario.by_wire else ()

    def prepared(self) -> 'Drive':
        """Return the drive with the settings that the scenario asks for; the map is written where there are lanes."""
        from autonomy_nodes.sim.export import export_map  # the simulator's packages are an extra

        self.out.mkdir(parents=True, exist_ok=True)
        path = self.out / 'map.osm'
        mapped = export_map(self.scenario.family, self.scenario.seed, path)
        told = {
            'sim.family': self.scenario.family,
            'sim.seed': self.scenario.seed,
            'sim.start_m': self.scenario.start_m,
            'sim.goal_m': self.scenario.goal_m,
            'sim.simulation.duration_s': self.scenario.duration_s,
            'sim.simulation.camera.rate_hz': 2.5,  # pictures cost most of a simulated second
            'camera.cameras': ('front',),
            'perception.cameras': ('front',),
            'safety.engaged_at_start': not self.scenario.by_wire,
            **({'sim.by_wire': True, 'drive_by_wire.simulator': True} if self.scenario.by_wire else {}),
            **({'map.map_path': str(path.resolve())} if mapped and not self.arguments['map_path'] else {}),
        }
        run = replace(self.run, scenario=self.scenario.name)
        return replace(self, settings={**told, **self.settings}, run=run)


def drive_live(drive: Drive) -> Path:
    """Drive with every node in its own process group, over the middleware."""
    drive = drive.prepared()
    timeout_s = drive.scenario.duration_s * LIVE_FACTOR + LIVE_MORE_S
    arguments = {**drive.arguments, 'control': 'true'}
    live = LiveRun(drive.out, arguments, 'sim', drive.settings, drive.extra, drive.without, timeout_s, drive.run)
    return run_live(live)


def drive_in_lockstep(drive: Drive, jobs: int = 1) -> Path:
    """Drive without middleware and wall clock: the same scenario and settings give the same bytes."""
    drive = drive.prepared()
    start_s = time.perf_counter()
    with OutputSink(drive.out, jobs) as sink:
        to_its_end(drive, at_its_start(drive, sink))
    body = vehicle_of('planning', settings_files(drive.arguments), drive.settings)
    write_run(drive.out, replace(drive.run, mode='lockstep', wall_s=time.perf_counter() - start_s, body=body))
    return drive.out


def at_its_start(drive: Drive, sink: Sink) -> Lockstep:
    """Return a prepared drive, all nodes built; `sink` takes what they say."""
    more = {**drive.settings, 'sim.wait_for_stack_s': 0.0}
    return lockstep(Setup(settings_files(drive.arguments), more, drive.without, ('sim', 'control', *drive.extra)), sink)


def to_its_end(drive: Drive, player: Lockstep) -> None:
    """Drive to the goal, to what ends it before, or for as long as it may last."""
    start_ns = make('sim').start_ns
    try:
        player.start(start_ns)
        player.run_to(start_ns + round((drive.scenario.duration_s + LEFT_S) * 1e9))
    finally:
        player.close()
