"""Pictures of plots by casting rays into the triangles that LiDARs are cast into: colours beside exact truth."""

from dataclasses import dataclass

import cv2
import numpy as np

from autonomy_nodes.sim.lens import developed
from autonomy_nodes.sim.light import Air, Light, drawn_air, light_of
from autonomy_nodes.sim.materials import GROUND_SEMANTICS, Semantic
from autonomy_nodes.sim.plots.eyes import Eye, drawn_eyes, pixel_rays
from autonomy_nodes.sim.plots.looks import Looks, dressed, looks_of
from autonomy_nodes.sim.plots.plot import Plot
from autonomy_nodes.sim.plots.sight import GROUND, NOBODY, Faces, Sight
from autonomy_nodes.sim.plots.skyline import skyline
from autonomy_nodes.sim.shading import shade

__all__ = ['Air', 'Eye', 'Photo', 'Photographer', 'drawn_air', 'drawn_eyes']
_FARTHEST_M = 600.0
_SHADOWS_M, _NEAR_M = 60.0, 1.6  # how far what shades the sun, or hides the sky, is looked for
_LIFT_M = 0.02
_MOST_LAMPS = 6


@dataclass(frozen=True, eq=False)
class Photo:
    """A picture with its truth. pixels: (H, W, 3) uint8, red green blue. semantics: (H, W) uint8 `Semantic`.

    depth_m: (H, W) float32 along z of the camera, inf for the sky. What is drawn beyond the plot has truth as well.
    """

    pixels: np.ndarray
    eye: Eye
    depth_m: np.ndarray
    semantics: np.ndarray


@dataclass(eq=False)
class _Met:
    """What N rays met: ranges [m], inf for the sky; unit normals; material, semantic, owner, reflectance of faces."""

    ranges: np.ndarray
    normals: np.ndarray
    materials: np.ndarray
    semantics: np.ndarray
    owners: np.ndarray
    tints: np.ndarray


class Photographer:
    """Takes pictures of one plot, from anywhere, by any light."""

    def __init__(self, plot: Plot, sight: Sight) -> None:
        self._plot, self._still = plot, sight.everything
        self._parked = looks_of(sight.everything.users)
        tall = [placed for placed in plot.placed if placed.thing.semantic == Semantic.POLE]
        tops = [placed.map_from_thing[:3, 3] + [0.0, 0.0, np.ptp(placed.thing.mesh.vertices[:, 2])] for placed in tall]
        heights = [float(np.ptp(placed.thing.mesh.vertices[:, 2])) for placed in tall]
        lamps = [top for top, height in zip(tops, heights) if height > 4.0]
        self._lamps = np.array(lamps, np.float32).reshape(-1, 3)

    def photo(
        self, eye: Eye, map_from_base: np.ndarray, movers: Faces | None, air: Air, rng: np.random.Generator
    ) -> Photo:
        """Return the picture of an eye on a vehicle, the same for the same state of `rng`."""
        light = light_of(air, int(rng.integers(1 << 30)))
        map_from_camera = map_from_base @ eye.base_from_camera
        rays = pixel_rays(eye)
        lengths = np.sqrt(np.einsum('ij,ij->i', rays, rays))
        aims = np.ascontiguousarray((rays / lengths[:, None]) @ map_from_camera[:3, :3].T.astype(np.float32))
        origin = map_from_camera[:3, 3].astype(np.float32)
        met = self._look(origin, aims, movers)
        colours = self._coloured(eye, origin, aims, met, movers, map_from_base, light)
        shape = (eye.height, eye.width)
        pixels = developed(colours.reshape(*shape, 3), air, rng)
        depth = (met.ranges / lengths).astype(np.float32)
        return Photo(pixels, eye, depth.reshape(shape), met.semantics.reshape(shape))

    def _look(self, origin: np.ndarray, aims: np.ndarray, movers: Faces | None) -> _Met:
        count = len(aims)
        met = _Met(
            np.full(count, np.inf, np.float32), np.zeros((count, 3), np.float32), np.zeros(count, np.uint8),
            np.zeros(count, np.uint8), np.full(count, NOBODY, np.int32), np.zeros(count, np.float32),
        )  # fmt: skip
        origins = np.ascontiguousarray(np.broadcast_to(origin, aims.shape))
        for faces in (self._still, movers):
            if faces is None:
                continue
            face, ranges, normals = faces.triangles.first(origins, aims, np.minimum(met.ranges, _FARTHEST_M))
            rows = np.flatnonzero(face >= 0)
            face = face[rows]
            met.ranges[rows], met.normals[rows], met.tints[rows] = ranges[rows], normals[rows], faces.reflectances[face]
            met.materials[rows], met.semantics[rows] = faces.materials[face], faces.semantics[face]
            met.owners[rows] = faces.owners[face]
        skyline(self._plot.relief, origin, aims, met.ranges, met.normals, met.materials, met.semantics)
        facing = np.einsum('ij,ij->i', met.normals, aims)
        length = np.maximum(np.sqrt(np.einsum('ij,ij->i', met.normals, met.normals)), 1e-9)
        met.normals *= np.where(facing > 0.0, -1.0 / length, 1.0 / length)[:, None].astype(np.float32)
        ground = np.flatnonzero(met.owners == GROUND)
        xy = origin[:2] + met.ranges[ground, None] * aims[ground, :2]
        met.materials[ground] = self._plot.relief.painted(xy, met.materials[ground])
        met.semantics[ground] = GROUND_SEMANTICS[met.materials[ground]]
        return met

    def _coloured(
        self, eye: Eye, origin: np.ndarray, aims: np.ndarray, met: _Met, movers: Faces | None,
        map_from_base: np.ndarray, light: Light,
    ) -> np.ndarray:  # fmt: skip
        """Return (N, 3) linear light."""
        count = len(aims)
        owned, glows = np.full((count, 3), -1.0, np.float32), np.zeros((count, 3), np.float32)
        places = origin + np.where(np.isfinite(met.ranges), met.ranges, 0.0)[:, None].astype(np.float32) * aims
        dark = float(light.darkness > 0.3) * light.darkness
        first = len(self._parked.local)
        _dress(places, met, 0, self._parked, dark, owned, glows)
        if movers is not None:
            _dress(places, met, first, looks_of(movers.users, first), dark, owned, glows)
        lit, open_sky = self._shadows(eye, places, met, movers, light)
        ahead, at = map_from_base[:3, 0], map_from_base @ [3.4, 0.0, 0.75, 1.0]
        ego = np.array([at[:3], ahead - 0.02 * map_from_base[:3, 2]], np.float32)
        near = np.argsort(np.linalg.norm(self._lamps - origin - 15.0 * ahead, axis=1))[:_MOST_LAMPS]
        return shade(
            origin, aims, met.ranges, met.normals, met.materials, met.tints, owned, glows, lit, open_sky,
            1.0 / float(eye.matrix[0, 0]), light, np.ascontiguousarray(self._lamps[near]), ego,
        )  # fmt: skip

    def _shadows(
        self, eye: Eye, places: np.ndarray, met: _Met, movers: Faces | None, light: Light
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (N,) how much of the sun and of the sky each place sees: cast for one pixel of four, then smoothed."""
        grid = np.arange(len(places)).reshape(eye.height, eye.width)[::2, ::2]
        picked = grid.ravel()
        on = np.flatnonzero(np.isfinite(met.ranges[picked]) & (met.ranges[picked] < 200.0))
        rows = picked[on]
        starts = np.ascontiguousarray(places[rows] + np.float32(_LIFT_M) * met.normals[rows])
        seed = (rows * 40503 % 4096) / 4096.0 * 2.0 * np.pi
        aside = np.column_stack([np.cos(seed), np.sin(seed), np.full(len(rows), 0.8)]) * 0.8
        lifted = met.normals[rows] + aside + (0.0, 0.0, 0.2)
        skywards = np.ascontiguousarray(lifted / np.linalg.norm(lifted, axis=1, keepdims=True), np.float32)
        maps = []
        sun = np.ascontiguousarray(np.broadcast_to(light.sun, starts.shape))
        for aims, limit, least in ((sun, _SHADOWS_M, 0.0), (skywards, _NEAR_M, 0.35)):
            small = np.ones(len(picked), np.float32)
            if limit == _NEAR_M or float(light.sun_rgb.max()) > 0.02:
                limits = np.full(len(rows), limit, np.float32)
                hidden = self._still.triangles.blocked(starts, aims, limits)
                if movers is not None:
                    hidden |= movers.triangles.blocked(starts, aims, limits)
                small[on[hidden]] = least
            image = cv2.blur(small.reshape(grid.shape), (3, 3) if limit == _NEAR_M else (1, 1))
            large = cv2.resize(image, (eye.width, eye.height), interpolation=cv2.INTER_LINEAR)
            maps.append(np.ascontiguousarray(large.ravel()))
        return maps[0], maps[1]


def _dress(
    places: np.ndarray, met: _Met, first: int, looks: Looks, dark: float, owned: np.ndarray, glows: np.ndarray
) -> None:
    dressed(places, met.materials, met.owners - first, looks, dark, owned, glows)
