"""The learned channel on one page: a sweep and the one before in, objects and cells of the ground out.

It stands beside the geometric channel, whose ground it builds upon, and holds nothing from sweep to sweep.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from autonomy_nodes.common.geometry import moved
from autonomy_nodes.common.grid import Grid
from autonomy_nodes.common.objects import Objects
from autonomy_nodes.common.sensing import PointCloud
from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.common.status import Lap, untimed
from autonomy_nodes.inference import opening
from autonomy_nodes.inference.backend import Backend
from autonomy_nodes.perception.bev import FAR_INPUTS, FAR_OUTPUTS, INPUTS, OUTPUTS
from autonomy_nodes.perception.confidence import Support, confidences_of, support_of
from autonomy_nodes.perception.decode import Cells, DecodeSettings, cells_of, checked, objects_of
from autonomy_nodes.perception.far import FarSettings, far_grid
from autonomy_nodes.perception.far_raster import far_rasterised
from autonomy_nodes.perception.fusion import holds
from autonomy_nodes.perception.ground import Ground
from autonomy_nodes.perception.raster import rasterised

NETWORK = 'autonomy_nodes.perception.network'  # its reference in torch
Hear = Callable[[np.ndarray], np.ndarray | None]  # of (X, Y) ground [m] the features of cameras, None without
GAPS_S = (0.02, 0.35)  # an earlier sweep nearer in time tells of no motion, a farther one of another scene


@dataclass(frozen=True)
class LearnedSettings:
    """Settings of the learned channel."""

    decode: DecodeSettings = field(default_factory=DecodeSettings)
    far: FarSettings = field(default_factory=FarSettings)


@dataclass(frozen=True, eq=False)
class Earlier:
    """The sweep before. now_from_then: (4, 4) from base_link then to base_link now. gap_s: how much earlier it was."""

    cloud: PointCloud
    now_from_then: np.ndarray
    gap_s: float


@dataclass(frozen=True, eq=False)
class Learned:
    """What the network tells of a sweep: objects in base_link, cells of bev.CELLS. prior: (3, X, Y) bev.PRIOR.

    outputs: its own words, see decode.checked. gap_s: time since the earlier sweep, 0 where none was given. support:
    what its card says of the geometric channel beside it. sensor_m: (3,) where the LiDAR sits, None where not known.
    far: its far ring in base_link, None of one that has none. heard: whether cameras told as well.
    """

    objects: Objects
    prior: np.ndarray
    outputs: Mapping[str, np.ndarray]
    gap_s: float = 0.0
    support: Support = field(default_factory=Support)
    sensor_m: np.ndarray | None = None
    far: Grid | None = None
    heard: bool = False

    @property
    def cells(self) -> Cells:
        """All that is told of the cells; the terrain takes what it needs from the outputs themselves."""
        return cells_of(self.outputs, self.prior[0])


class LearnedChannel:
    """Runs one network on sweeps. has_far: whether that has a far ring; it need not. knows_maps: as its card says."""

    def __init__(self, backend: Backend, settings: LearnedSettings | None = None) -> None:
        manifest = backend.manifest
        self.knows_maps = 'maps' in manifest.card
        self.has_far = set(FAR_INPUTS) <= set(manifest.inputs)
        sides = (INPUTS | FAR_INPUTS, OUTPUTS | FAR_OUTPUTS) if self.has_far else (INPUTS, OUTPUTS)
        told = ({name: (1, channels, *cells) for name, (channels, cells) in side.items()} for side in sides)
        for side, wanted in zip((manifest.inputs, manifest.outputs), told):
            if (found := {name: tensor.shape for name, tensor in side.items()}) != wanted:
                raise SettingsError(f'network {manifest.name!r} has tensors {found}, perception needs {wanted}')
        self._backend, self._settings = backend, settings or LearnedSettings()
        self.confidences, self._support = confidences_of(manifest.card), support_of(manifest.card)
        self._nothing = {
            name: np.zeros((1, channels, *cells), np.float32)
            for name, (channels, cells) in INPUTS.items()
            if name not in ('points', 'prior')
        }

    def perceive(
        self,
        cloud: PointCloud,
        ground: Ground,
        rays: np.ndarray | None = None,
        sensor_m: np.ndarray | None = None,
        earlier: Earlier | None = None,
        lap: Lap = untimed,
        hear: Hear | None = None,
        chart: np.ndarray | None = None,
    ) -> Learned:
        """Return what is told of a sweep in base_link, with the ground of its points and its rays (cells.rays).

        An earlier sweep too near or too far in time is left out; without one no speeds are told. lap: hears what is
        over. hear: asked for what cameras tell, with the ground on which that has to stand. chart: (7, *MIDDLE)
        bev.MAP, for a network that knows maps.
        """
        given = earlier if earlier is not None and GAPS_S[0] <= earlier.gap_s <= GAPS_S[1] else None
        before = np.zeros((0, 4), np.float32)
        if given is not None:
            before = rows_of(given.cloud, moved(given.cloud.xyz, given.now_from_then))
        rows = rows_of(cloud, cloud.xyz)
        inputs = rasterised(rows, before, ground, rays, sensor_m)
        if self.has_far:
            inputs['far'] = far_rasterised(rows, ground, rays, sensor_m)
        lap('raster')
        prior = inputs['prior']
        batch = {name: value[None] for name, value in inputs.items()} | self._nothing
        camera = None if hear is None else hear(prior[0])
        if camera is not None:
            batch['camera'] = camera[None]
        if chart is not None:
            batch['map'] = chart[None]
        batch['given'] = np.array([camera is not None, chart is not None], np.float32).reshape(1, 2, 1, 1)
        answer = self._backend.run(batch)
        lap('network')
        told = checked(answer)
        gap_s = given.gap_s if given is not None else 0.0
        objects = objects_of(told, prior[0], cloud.stamp_ns, gap_s, self._settings.decode, self.confidences)
        objects = others(objects, sensor_m)
        far = far_grid(told['far_told'], inputs['far'], cloud.stamp_ns) if self.has_far else None
        lap('decode')
        return Learned(objects, prior, told, gap_s, self._support, sensor_m, far, camera is not None)

    def again(self, said: Learned, settings: DecodeSettings) -> Objects:
        """Return the objects of a sweep by other settings, without asking the network anew."""
        stamp_ns = said.objects.stamp_ns
        found = objects_of(said.outputs, said.prior[0], stamp_ns, said.gap_s, settings, self.confidences)
        return others(found, said.sensor_m)


def others(objects: Objects, sensor_m: np.ndarray | None) -> Objects:
    """Return the objects but those in which the LiDAR itself sits: some see their own roof, and it looks like a car."""
    if sensor_m is None or not len(objects):
        return objects
    return objects.kept(~holds(sensor_m[None, :2], objects.flat, 0.0))


def opened(folder: Path, backend: str = 'auto', require: str = '', threads: int = 1) -> Backend:
    """Return the engine that runs the network of a folder of models/."""
    return opening.opened(folder, NETWORK, backend, require, threads)


def rows_of(cloud: PointCloud, xyz: np.ndarray) -> np.ndarray:
    """Return (N, 4) x y z intensity; drivers give intensity from 0 to 1 or from 0 to 255."""
    scale = 255.0 if cloud.intensity.max(initial=0.0) > 1.0 else 1.0
    return np.column_stack([xyz, np.clip(cloud.intensity / scale, 0.0, 1.0)]).astype(np.float32)
