"""The files of KITTI, as its benchmarks and its raw drives lay them out, and their compact form with .npz sweeps.

Formats: the development kits of KITTI (Geiger et al., Vision meets Robotics, IJRR 2013). Sweeps of the raw drives, of
tracking and of object detection are as the LiDAR took them while it turned; those of the odometry benchmark have the
motion taken out. None of them tells the time of a point.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from autonomy_nodes.common.geometry import inverse, matrix_of, quaternion_of
from autonomy_nodes.common.types import SECOND_NS, DataError
from autonomy_nodes.messages.formats.kitti_labels import KittiLabel, label_files, label_table, text_of

SWEEPS = ('velodyne', 'velodyne_points/data')
CAMERAS = {'front': ('image_02', 'image_2'), 'front_right': ('image_03', 'image_3')}
LABELS = ('label_02', 'label_2')
PERIOD_NS = SECOND_NS // 10
EPOCH_NS = 1_317_038_400 * SECOND_NS  # 2011-09-26 12:00 UTC, the day of KITTI's first drives
FARTHEST_M = 1e4


@dataclass(frozen=True, eq=False)
class KittiCalibration:
    """How the sensors sit.

    camera_from_velo: (4, 4) to the rectified camera 0. projections: {camera: (3, 4)}. velo_from_imu: (4, 4) or None.
    """

    camera_from_velo: np.ndarray
    projections: Mapping[str, np.ndarray]
    velo_from_imu: np.ndarray | None

    def velo_from_camera(self, name: str) -> np.ndarray:
        """Return (4, 4) of a colour camera, which stands beside camera 0 as its projection tells."""
        beside = np.eye(4)
        projection = self.projections[name]
        beside[:3, 3] = np.linalg.solve(projection[:, :3], projection[:, 3])
        return inverse(beside @ self.camera_from_velo)

    def equals(self, other: 'KittiCalibration') -> bool:
        """Return whether pictures of both may stand in one recording."""
        mine, theirs = ([c.camera_from_velo, *c.projections.values()] for c in (self, other))
        return len(mine) == len(theirs) and all(np.allclose(a, b, atol=1e-6) for a, b in zip(mine, theirs))


class KittiFolder:
    """One sequence on disk. sweeps, images, oxts: {frame number: path}. Raises DataError where there is none."""

    def __init__(self, folder: Path) -> None:
        folder = Path(folder)
        if not folder.is_dir():
            raise DataError(f'{folder}: no such folder; give one with velodyne/ in it')
        self._calibrations: dict[Path, KittiCalibration] = {}
        self.sequence = ''
        if folder.parent.name == 'velodyne' and not any((folder / name).is_dir() for name in SWEEPS):
            self.sequence, folder = folder.name, folder.parent.parent
        self.folder = folder
        places = [folder / name / self.sequence for name in SWEEPS]
        place = next((place for place in places if place.is_dir()), None)
        if place is None:
            raise DataError(f'{folder}: holds neither {" nor ".join(SWEEPS)}; give the folder above them')
        inner = sorted(path.name for path in place.iterdir() if path.is_dir())
        self.sweeps = numbered(place, '.bin', '.npz')
        if not self.sweeps and inner and place.name == 'velodyne':
            raise DataError(f'{place}: holds the sequences {", ".join(inner[:4])}, ...; give {place / inner[0]}')
        if not self.sweeps:
            raise DataError(f'{place}: holds no sweeps NUMBER.bin or NUMBER.npz; fetch them from KITTI')
        self.images = {name: self._numbered(names, '.png', '.jpg') for name, names in CAMERAS.items()}
        self.oxts = self._numbered(('oxts',), '.txt')

    def numbers(self) -> list[int]:
        """Return all frames with a sweep or a picture."""
        return sorted({*self.sweeps, *(number for images in self.images.values() for number in images)})

    def stamps(self) -> tuple[Callable[[int], int], str]:
        """Return the stamp of a frame number, and where it comes from."""
        for name, read in (('velodyne_points/timestamps.txt', _date_ns), ('times.txt', _seconds_ns)):
            if (path := self.folder / name).is_file():
                told = _times(path, read)
                for place in (*CAMERAS, 'oxts') if read is _date_ns else ():  # where a sweep is missing
                    told = {**(self.own_times(place) or {}), **told}
                lacking = [number for number in self.numbers() if number not in told]
                moments = [told[number] for number in sorted(told)]
                if lacking or any(b <= a for a, b in zip(moments, moments[1:])):
                    raise DataError(f'{path}: {len(told)} increasing times needed up to frame {max(self.numbers())}')
                return told.__getitem__, name
        return lambda number: EPOCH_NS + number * PERIOD_NS, 'assumed: 10 Hz from 2011-09-26 12:00 UTC'

    def own_times(self, place: str) -> dict[int, int] | None:
        """Return {frame: stamp} of a camera, or of 'oxts', of a raw drive; None where they are not told apart."""
        paths = self.oxts if place == 'oxts' else self.images[place]
        path = next(iter(paths.values())).parent.with_name('timestamps.txt') if paths else None
        return None if path is None or not path.is_file() else _times(path, _date_ns)

    def calibration(self, number: int) -> KittiCalibration | None:
        """Return the calibration of a frame, None where no file tells it."""
        calib, raw = self.folder / 'calib', self.folder.parent / 'calib_cam_to_cam.txt'
        for path in (calib / f'{number:06d}.txt', calib / f'{self.sequence}.txt', self.folder / 'calib.txt', raw):
            if path not in self._calibrations and path.is_file():
                entries = matrices(path) | (_raw_mounts(path.parent) if path == raw else {})
                self._calibrations[path] = calibration_of(path, entries)
            if path in self._calibrations:
                return self._calibrations[path]
        return None

    def labels(self) -> tuple[dict[int, list[KittiLabel]], list[str]]:
        """Return {frame: its labels} and what is wrong with some; a frame that nobody labelled is not among them."""
        for name in LABELS:
            place = self.folder / name / self.sequence
            table = place.with_name(f'{place.name}.txt')
            if table.is_file():
                return label_table(table, self.sweeps)
            if place.is_dir():
                return label_files(numbered(place, '.txt'))
        return {}, []

    def _numbered(self, names: Sequence[str], *endings: str) -> dict[int, Path]:
        for name in names:
            for place in (self.folder / name / 'data', self.folder / name / self.sequence):
                if place.is_dir() and (found := numbered(place, *endings)):
                    return found
        return {}


def numbered(place: Path, *endings: str) -> dict[int, Path]:
    """Return {number: path} of the files NUMBER.ENDING in a folder, in order."""
    paths = [path for path in place.iterdir() if path.suffix in endings and path.stem.isdigit()]
    return {int(path.stem): path for path in sorted(paths, key=lambda path: int(path.stem))}


def read_sweep(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return xyz (N, 3) float32 and intensity (N,) float32 of 0 to 1; raises DataError naming the file."""
    try:
        if path.suffix == '.bin':
            rows = np.fromfile(path, '<f4')
            if rows.size == 0 or rows.size % 4 or path.stat().st_size % 16:
                raise DataError(f'{path}: {path.stat().st_size} bytes are no sweep of 16 bytes a point')
            xyz, intensity = np.ascontiguousarray(rows.reshape(-1, 4)[:, :3]), rows[3::4].copy()
        else:
            with np.load(path, allow_pickle=False) as stored:
                if 'dxyz' in stored:
                    steps = np.cumsum(stored['dxyz'].astype(np.int64), axis=1).T
                    xyz = (steps * (float(stored['q_mm']) / 1000.0)).astype(np.float32)
                    intensity = (stored['intensity'] / float(stored['iscale'])).astype(np.float32)
                else:
                    xyz = stored['xyz'].astype(np.float32)
                    intensity = stored['intensity'].astype(np.float32) if 'intensity' in stored else xyz[:, 0] * 0
    except DataError:
        raise
    except Exception as error:  # whatever numpy meets in a broken file
        raise DataError(f'{path}: cannot be read ({error}); fetch it again') from error
    if xyz.ndim != 2 or xyz.shape[1] != 3 or intensity.shape != (len(xyz),):
        raise DataError(f'{path}: points {xyz.shape} and intensity {intensity.shape} do not belong together')
    if not (np.abs(xyz) < FARTHEST_M).all() or not np.isfinite(intensity).all():
        raise DataError(f'{path}: holds points that are no places')
    return xyz, intensity


def calibration_of(path: Path, entries: Mapping[str, np.ndarray]) -> KittiCalibration:
    """Return the calibration that a file's entries tell, by the names of any of the benchmarks."""

    def entry(*names: str, size: int) -> np.ndarray | None:
        found = next((entries[name] for name in names if name in entries), None)
        if found is not None and found.size != size:
            raise DataError(f'{path}: {names[0]} holds {found.size} numbers, expected {size}')
        return found

    projections = {}
    for name, number in zip(CAMERAS, (2, 3)):
        if (numbers := entry(f'P{number}', f'P_rect_0{number}', size=12)) is not None:
            projections[name] = numbers.reshape(3, 4)
    turn = entry('R0_rect', 'R_rect', 'R_rect_00', size=9)
    rectified_from_camera = np.eye(4)
    rectified_from_camera[:3, :3] = np.eye(3) if turn is None else turn.reshape(3, 3)
    if (velo := entry('Tr_velo_to_cam', 'Tr_velo_cam', 'Tr', size=12)) is None:
        raise DataError(f'{path}: says nowhere how the LiDAR sits (Tr_velo_to_cam); fetch the calibration again')
    imu = entry('Tr_imu_to_velo', 'Tr_imu_velo', size=12)
    return KittiCalibration(
        _rigid(rectified_from_camera @ _transform(velo)), projections, None if imu is None else _rigid(_transform(imu))
    )


def _raw_mounts(folder: Path) -> dict[str, np.ndarray]:
    """Return the two transforms that raw drives keep in files of their own."""
    entries = {}
    for pair, key in (('velo_to_cam', 'Tr_velo_to_cam'), ('imu_to_velo', 'Tr_imu_to_velo')):
        path = folder / f'calib_{pair}.txt'
        part = matrices(path) if path.is_file() else {}
        if part and not (len(part.get('R', ())) == 9 and len(part.get('T', ())) == 3):
            raise DataError(f'{path}: holds no R of 9 and T of 3 numbers; fetch the calibration again')
        if part:
            entries[key] = np.hstack([part['R'].reshape(3, 3), part['T'].reshape(3, 1)]).ravel()
    return entries


def _transform(numbers: np.ndarray) -> np.ndarray:
    return np.vstack([numbers.reshape(3, 4), [0.0, 0.0, 0.0, 1.0]])


def _rigid(transform: np.ndarray) -> np.ndarray:
    """Return it with a rotation that is exactly one; files give seven digits."""
    return matrix_of(transform[:3, 3], quaternion_of(transform[:3, :3]))


def matrices(path: Path) -> dict[str, np.ndarray]:
    """Return {name: numbers} of a calibration file; lines of words are passed over."""
    entries = {}
    for line in text_of(path).splitlines():
        name, _, numbers = line.replace(':', ' ', 1).strip().partition(' ')
        try:
            entries[name] = np.array([float(number) for number in numbers.split()])
        except ValueError:
            continue
    if not all(np.isfinite(values).all() for values in entries.values()):
        raise DataError(f'{path}: holds a number that is not finite')
    return entries


def _times(path: Path, read: Callable[[str], int]) -> dict[int, int]:
    """Return {frame: stamp} of a file of a line a frame; a line that is empty tells none."""
    lines = enumerate(text_of(path).splitlines())
    return {number: _parsed(path, line, read) for number, line in lines if line.strip()}


def _parsed(path: Path, line: str, read: Callable[[str], int]) -> int:
    try:
        return read(line)
    except ValueError as error:
        raise DataError(f'{path}: {line[:40]!r} is no time') from error


def _date_ns(line: str) -> int:
    """Read '2011-09-26 13:02:25.954389445' as UTC; the nine digits do not fit a datetime."""
    day, _, fraction = line.strip().partition('.')
    moment = datetime.fromisoformat(f'{day}+00:00')
    return round(moment.timestamp()) * SECOND_NS + int(f'{fraction:0<9}'[:9])


def _seconds_ns(line: str) -> int:
    return EPOCH_NS + round(float(line) * SECOND_NS)
