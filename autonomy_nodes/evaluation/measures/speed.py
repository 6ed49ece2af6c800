"""CPU time a sweep from raw points to tracks: lidar, localization, perception and tracking with all their messages.

The stages run as in replay, in one thread of this process, and beside them Patchwork++ on the same sweep, so that
machines and loads compare by the ratio. The first sweeps are left out: they load code.
`--data simulated --set of=planning`: a step of the planner instead (planning_speed.py).
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from autonomy_nodes.common.paths import share
from autonomy_nodes.common.status import Status
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.lockstep import Event
from autonomy_nodes.evaluation.measures import peer_ground, planning_speed
from autonomy_nodes.evaluation.measures.labelled_ground import KITTI_HEIGHT_M
from autonomy_nodes.evaluation.measures.task import Figures, Result, Task
from autonomy_nodes.evaluation.replay import Setup, lockstep, sensors_of
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.bags import Recording
from autonomy_nodes.messages.clouds import read_cloud
from autonomy_nodes.messages.formats.bag import write_drive
from autonomy_nodes.messages.formats.catalogue import drives
from autonomy_nodes.messages.formats.frames import Drive
from autonomy_nodes.nodes.processes import TABLE

SIMULATED, PLANNING = 'simulated', 'planning'
STAGES = ('lidar', 'localization', 'perception', 'tracking')
LOADING = 3  # sweeps
ENOUGH = 0.9  # of the sweeps must come to tracks; odometry needs some at the start and after each pause
SENSOR_M = np.array([0.0, 0.0, KITTI_HEIGHT_M])  # Patchwork++ wants a height; its time does not depend on it much
Row = tuple[str, int, float, float]  # drive, points, our seconds, the peer's


class _Counter:
    """Takes what the stages give, and keeps how many steps the last of them made."""

    def __init__(self) -> None:
        self.steps = 0

    def message(self, topic: topics.Topic, now_ns: int, data: bytes) -> None:
        """See `Sink`."""

    def status(self, status: Status) -> None:
        """See `Sink`."""
        self.steps += status.node == STAGES[-1] and status.duration_ms is not None


def evaluate(task: Task) -> Result:
    """Measure every drive of a folder; `task.limit`: sweeps of each. `timing.csv` has a row a sweep."""
    if str(task.data) == SIMULATED:
        if task.options.get('of') != PLANNING:
            raise DataError(f'--data {SIMULATED}: a road of its own has the planner alone: --set of={PLANNING}')
        return planning_speed.evaluate(task)
    result, rows = Result(), []
    peer = peer_ground.Patchwork() if task.peers and peer_ground.version() else None
    for drive in drives(task.data):
        rows += _timed(drive, peer, task.limit)
    if not rows:
        raise DataError(f'{task.data}: no drive of more than {LOADING} sweeps')
    lines = [f'{name},{points},{ours:.6f},{theirs:.6f}' for name, points, ours, theirs in rows]
    (task.out / 'timing.csv').write_text('\n'.join(['drive,points,cpu_s,peer_cpu_s', *lines]) + '\n')
    result.figures |= _figures(rows, peer is not None)
    if peer is not None:
        result.versions[peer_ground.NAME] = peer_ground.version()
    return result


def _figures(rows: list[Row], peer: bool) -> Figures:
    ours, theirs = (np.array([row[k] for row in rows]) * 1e3 for k in (2, 3))
    found: Figures = {'n_sweeps': len(rows), 'n_points_mean': float(np.mean([row[1] for row in rows]))}
    found |= {f'cpu_ms.p{share}': float(np.percentile(ours, share)) for share in (50, 95)}
    if peer:
        found |= {f'peer.{peer_ground.NAME}.cpu_ms.p{share}': float(np.percentile(theirs, share)) for share in (50, 95)}
        found['cpu_ratio'] = float(np.median(ours) / np.median(theirs))
    return found


def _timed(drive: Drive, peer: peer_ground.Patchwork | None, limit: int) -> list[Row]:
    """Return a row for each sweep of a drive after the first ones."""
    rows: list[Row] = []
    counter = _Counter()
    with tempfile.TemporaryDirectory() as folder:
        bag = Path(folder) / 'bag.mcap'
        write_drive(drive, bag)
        setup = Setup(
            [share('config/vehicles/recorded.yaml'), share('config/stack.yaml')],
            {**sensors_of(bag), 'perception.model': ''},  # the geometric channel, whatever the settings say
            [name for name in TABLE if name not in STAGES],
        )  # fmt: skip
        player: Any = None
        try:
            for name, _, stamp_ns, data in Recording(bag).messages():
                topic = topics.find(name)
                if topic is None:
                    continue
                if player is None:
                    player = lockstep(setup, counter)
                    player.start(stamp_ns)
                start = time.process_time()
                player.play([Event(topic.name, stamp_ns, data)])
                spent_s = time.process_time() - start
                if topic.type == topics.LIDAR_RAW.type:
                    cloud = read_cloud(data)
                    on_ground = cloud.xyz + SENSOR_M
                    theirs_s = 0.0 if peer is None else peer.ground(on_ground, cloud.intensity, SENSOR_M)[1]
                    rows.append((drive.name, len(cloud), spent_s, theirs_s))
                if limit and len(rows) >= limit + LOADING:
                    break
        finally:
            if player is not None:
                player.close()
    if counter.steps < ENOUGH * (len(rows) - LOADING):
        raise DataError(f'{drive.name}: of {len(rows)} sweeps {counter.steps} came to tracks; replay it and look why')
    return rows[LOADING:]
