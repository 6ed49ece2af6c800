"""How near raw packets, decoded by us, come to the points that another decoder left beside them as .pcd."""

from functools import partial
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures.task import Figures, Result, Scored, Task, over, timed
from autonomy_nodes.messages.formats.packets import Scan, bags, scans
from autonomy_nodes.messages.formats.point_files import read_file

NEBULA, MANUAL = 'nebula', 'manual'  # option angles: as that driver gives them, or as the maker's manual tells


def evaluate(task: Task) -> Result:
    """Decode every recording of packets in a folder; compare the turns for which there is a .pcd of their name."""
    angles = task.options.get('angles', NEBULA)
    if angles not in (NEBULA, MANUAL):
        raise DataError(f'--set angles={angles} must be {NEBULA} or {MANUAL}')
    items = [(bag.name, bag) for bag in bags(task.data)]
    if not items:
        raise DataError(f'{task.data}: holds no recording of packets, and no folder in it does')
    result = Result(worst_by='max_error_m', low_is_bad=False)
    found = over(task, items, partial(compared, out=task.out, as_nebula=angles == NEBULA), result)
    result.frames = [Scored(name, figures) for name, figures in found]
    judged = [figures for _, figures in found if 'max_error_m' in figures]
    result.figures |= {'n_recordings': len(found), 'n_scans': sum(int(each['n_scans']) for _, each in found)}
    result.figures |= {'n_compared': len(judged)}
    for name, figures in found:
        result.figures |= {f'{name}.{key}': value for key, value in figures.items()}
    if judged:
        result.figures['max_error_m'] = max(each['max_error_m'] for each in judged)
        result.figures['count_difference'] = sum(abs(each['n_points'] - each['n_reference']) for each in judged)
    return result


def compared(bag: Path, out: Path, as_nebula: bool) -> Figures:
    """Decode one recording, leave its turns under `out`, and return how they differ from what lies beside it."""
    (decoded, lost), spent_s = timed(partial(scans, bag, as_nebula))
    if not decoded:
        raise DataError(f'{bag}: holds no whole turn of the rotor')
    figures: Figures = {'n_scans': len(decoded), 'n_foreign_packets': lost, 'cpu_s': spent_s / len(decoded)}
    for scan in decoded:
        beside = bag / f'{scan.name}.pcd'
        reference = read_file(beside).xyz.astype(float) if beside.is_file() else None
        inside = np.ones(len(scan.cloud), bool) if reference is None else within(scan, reference)
        _write(out / f'{bag.name}_{scan.name}.npz', scan, inside)
        if reference is not None:
            figures |= differences(scan.cloud.xyz[inside].astype(float), reference)
            figures['n_beyond'] = int((~inside).sum())
    return figures


def within(scan: Scan, reference: np.ndarray) -> np.ndarray:
    """Return (N,) which points lie in the sector that the reference covers: its driver is told one in whole degrees."""
    if not len(scan.cloud) or not len(reference):
        return np.ones(len(scan.cloud), bool)
    ours, theirs = _angles(scan.cloud.xyz), _angles(reference)
    off = [np.abs((angles - scan.angle_deg + 180.0) % 360.0 - 180.0).mean() for angles in ours]
    return scan.angle_deg <= np.ceil(theirs[int(np.argmin(off))].max())


def _angles(xyz: np.ndarray) -> list[np.ndarray]:
    """Return (N,) clockwise angles [deg] from y, as Hesai counts them, and from x, as ROS does."""
    x, y = xyz[:, 0], xyz[:, 1]
    return [np.degrees(np.arctan2(x, y)) % 360.0, np.degrees(np.arctan2(-y, x)) % 360.0]


def differences(xyz: np.ndarray, reference: np.ndarray) -> Figures:
    """Return counts, and how far points lie apart: one by one in order; where counts differ, from the nearest."""
    if len(xyz) == len(reference):
        off = np.linalg.norm(xyz - reference, axis=1)
    else:
        off = np.concatenate([cKDTree(reference).query(xyz)[0], cKDTree(xyz).query(reference)[0]])
    return {
        'n_points': len(xyz), 'n_reference': len(reference), 'max_error_m': float(off.max()),
        'mean_error_m': float(off.mean()),
    }  # fmt: skip


def _write(path: Path, scan: Scan, inside: np.ndarray) -> None:
    cloud = scan.cloud
    assert cloud.ring is not None and cloud.offset_ns is not None
    np.savez_compressed(
        path, xyz=cloud.xyz[inside], intensity=cloud.intensity[inside], ring=cloud.ring[inside],
        offset_ns=cloud.offset_ns[inside], beyond_xyz=cloud.xyz[~inside], stamp_ns=np.int64(cloud.stamp_ns),
    )  # fmt: skip
