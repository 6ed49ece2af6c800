"""How people and vehicles move in scenes, recorded or simulated: held against one another, they tell what is unlike."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from autonomy_nodes.common.geometry import wrapped
from autonomy_nodes.evaluation.measures.forecast_windows import KINDS, MOVES_MPS, OTHERS, VEHICLES, windows
from autonomy_nodes.evaluation.measures.forecasts import FUTURE
from autonomy_nodes.messages.formats.trajectories import RecordedScene, in_folds, read_scene

HALF = 5  # steps to either side over which changes are told: one second in all
COLUMNS = ('speed_mps', 'acceleration_mps2', 'yaw_rate_rps', 'moved_6_s_m')
CLASSES = {'vehicle': tuple(VEHICLES), **{name: (label,) for label, name in OTHERS.items()}}


def motions(scenes: Iterable[RecordedScene]) -> dict[str, np.ndarray]:
    """Return {class: (K, 5)} COLUMNS, and place in KINDS, of each target of each moment of forecasting."""
    found = defaultdict(list)
    for scene in scenes:
        for window in windows(scene):
            states = scene.states[window.agents]
            speeds = np.hypot(states[:, :, 3], states[:, :, 4])
            first, last = window.now - HALF, window.now + HALF
            turn = np.abs(np.asarray(wrapped(states[:, last, 2] - states[:, first, 2])))
            turn[window.speeds_mps < MOVES_MPS] = np.nan
            moved = np.hypot(*(window.truth[:, FUTURE, :2] - window.truth[:, 0, :2]).T)
            rows = np.column_stack([window.speeds_mps, speeds[:, last] - speeds[:, first], turn, moved, window.kinds])
            for name, labels in CLASSES.items():
                found[name].append(rows[np.isin(window.labels, labels)])
    return {name: np.concatenate(parts) for name, parts in found.items()}


def of_folder(folder: Path, folds: Sequence[int]) -> dict[str, np.ndarray]:
    """Return the motions of the scenes of some folds, of all where none are named."""
    return motions(read_scene(path, name) for name, path, _ in in_folds(folder, folds))


def lines(sets: dict[str, dict[str, np.ndarray]]) -> list[str]:
    """Return a table: of each class and set mean, spread and 5, 50, 95 % of COLUMNS; and shares of KINDS."""
    told = []
    for name in CLASSES:
        for label, motion in sets.items():
            rows = motion.get(name, np.zeros((0, 5)))
            if len(rows) < 10:
                continue
            told.append(f'{name}, {label}: {len(rows)}')
            for column, values in zip(COLUMNS, rows.T):
                low, middle, high = np.nanpercentile(values, [5, 50, 95])
                mean = f'{np.nanmean(values):7.2f} +- {np.nanstd(values):5.2f}'
                told.append(f'  {column:18s} {mean}   {low:6.2f} {middle:6.2f} {high:6.2f}')
            shares = [f'{kind} {np.mean(rows[:, 4] == place):.2f}' for place, kind in enumerate(KINDS)]
            told.append(f'  {", ".join(shares)}')
    return told
