"""The sensors that look, on their mounts: from where everybody was to a sweep or a picture."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from autonomy_nodes.common.sensing import CameraModel, PointCloud
from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.common.vehicle import Mount
from autonomy_nodes.sim import camera, lidar
from autonomy_nodes.sim.bodies import EGO, Cast
from autonomy_nodes.sim.dynamics import EgoMotion
from autonomy_nodes.sim.echoes import Beside, echoes_of
from autonomy_nodes.sim.light import light_of
from autonomy_nodes.sim.materials import Material
from autonomy_nodes.sim.raycast import NOBODY, Body, Hits, Rays, meeting
from autonomy_nodes.sim.texture import sooner
from autonomy_nodes.sim.traffic import Stand
from autonomy_nodes.sim.world import Actor, Weather

_FLAT = 0.7  # upward part of the normal from which a surface is ground
_SIGHT_M = 600.0  # of cameras
_SHADOW_M = 60.0  # how far away what throws a shadow may be
_BEHIND_GLASS_M = 0.03
_SHADES_SEEN_M = 80.0  # shadows farther away are not drawn


@dataclass(frozen=True, eq=False)
class Moment:
    """Where everybody was. ego: the vehicle's own bodies."""

    stamp_ns: int
    motion: EgoMotion
    movers: tuple[tuple[Actor, Stand], ...]
    ego: tuple[Body, ...]


class Lidar:
    """A LiDAR on its mount."""

    def __init__(
        self, rays: Rays, cast: Cast, mount: Mount, settings: lidar.LidarSettings, seed: tuple[int, ...]
    ) -> None:
        self._rays, self._cast, self._mount, self._settings, self._seed = rays, cast, mount, settings, seed
        self._beams = lidar.beams_of(settings)
        two = settings.returns == 2
        self._aside = lidar.aside(self._beams, settings.divergence_rad, (*seed, 0)) if two else None
        self._base_from_sensor = mount.base_from_sensor
        self._own: np.ndarray | None = None  # beams that meet the vehicle's own body, always the same
        self._count = 0

    def sweep(self, moments: Sequence[Moment]) -> PointCloud:
        """Return the sweep over these moments, or of the last one where all points are taken at once."""
        return self.labelled(moments)[0]

    def labelled(self, moments: Sequence[Moment]) -> tuple[PointCloud, lidar.Met]:
        """Return the same, and what its points lie on."""
        self._count += 1
        rolling = self._settings.rolling and len(moments) > 1
        first, middle = (moments[0], moments[len(moments) // 2]) if rolling else (moments[-1], moments[-1])
        span_s = (moments[-1].stamp_ns - moments[0].stamp_ns) / SECOND_NS
        passed_s = (middle.stamp_ns - first.stamp_ns) / SECOND_NS
        origins, aims = self._aimed(moments, self._beams.directions)
        times = (self._beams.phases * span_s - passed_s).astype(np.float32) if rolling else None
        bodies = self._cast.bodies(middle.movers, middle.motion.xy_m, self._settings.farthest_m)
        if self._settings.self_hits:
            if self._own is None:
                turn = self._base_from_sensor[:3, :3].T.astype(np.float32)
                self._own = meeting(middle.ego[0].mesh, self._base_from_sensor[:3, 3], self._beams.directions @ turn)
            bodies += [replace(middle.ego[0], only=self._own), *middle.ego[1:]]
        weather, half_lost_m = self._rays.weather, self._settings.half_lost_m
        hits = self._rays.cast(origins, aims, bodies, self._settings.farthest_m + 1.0, times)
        seed = (*self._seed, self._count)
        self._end_sooner(hits, aims, (*seed, 1))
        met, beside = echoes_of(hits, aims, half_lost_m, weather), None
        if self._aside is not None:
            more, aims, through = self._second(hits, origins, aims, times, bodies, self._aimed(moments, self._aside)[1])
            self._end_sooner(more, aims, (*seed, 2))
            beside = Beside(echoes_of(more, aims, half_lost_m, weather), through)
        return lidar.sweep(
            first.stamp_ns, self._mount.frame, self._beams, met, self._settings, seed, weather, beside
        )

    def _end_sooner(self, hits: Hits, aims: np.ndarray, seed: tuple[int, ...]) -> None:
        """Let beams end in what lies and grows on the ground, in place."""
        rows = np.flatnonzero((hits.bodies == NOBODY) & (hits.normals[:, 2] > _FLAT) & np.isfinite(hits.ranges_m))
        facing, rng = -np.einsum('ij,ij->i', hits.normals[rows], aims[rows]), np.random.default_rng(seed)
        hits.ranges_m[rows] = sooner(
            hits.ranges_m[rows], facing, hits.materials[rows], self._rays.grass_m, rng
        )

    def _second(
        self, hits: Hits, origins: np.ndarray, aims: np.ndarray, times: np.ndarray | None, bodies: list[Body],
        aside: np.ndarray,
    ) -> tuple[Hits, np.ndarray, np.ndarray]:  # fmt: skip
        """Return what second rays meet, (N, 3) their aims, and (N,) which of them went on through glass."""
        limit_m = self._settings.farthest_m + 1.0
        more, aside = self._rays.cast(origins, aside, bodies, limit_m, times), aside.copy()
        through = (hits.materials == Material.GLASS) & np.isfinite(hits.ranges_m) & (hits.bodies != EGO)
        rows = np.flatnonzero(through)
        if len(rows):
            aside[rows], done = aims[rows], hits.ranges_m[rows] + _BEHIND_GLASS_M
            starts = np.broadcast_to(origins, aims.shape)[rows] + done[:, None] * aims[rows]
            others = [body for body in bodies if body.only is None]
            sent = None if times is None else times[rows]
            behind = self._rays.cast(starts, aims[rows], others, limit_m, sent)
            behind.ranges_m[:] += done
            for name, values in vars(behind).items():
                getattr(more, name)[rows] = values
        return more, aside, through

    def _aimed(self, moments: Sequence[Moment], rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return origins (3,) or (N, 3) and aims (N, 3) in map of (N, 3) rays of the sensor."""
        if self._settings.rolling and len(moments) > 1:
            return self._turning(moments, rays)
        pose = moments[-1].motion.map_from_base @ self._base_from_sensor
        return pose[:3, 3], rays @ pose[:3, :3].T.astype(np.float32)

    def _turning(self, moments: Sequence[Moment], rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (N, 3) origins and aims in map of rays sent one column after the other."""
        poses = np.stack([moment.motion.map_from_base for moment in moments]) @ self._base_from_sensor  # (K, 4, 4)
        columns = self._settings.columns
        place = np.arange(columns) / columns * (len(moments) - 1)
        low = place.astype(int)
        share = (place - low)[:, None, None]
        column_poses = poses[low] * (1.0 - share) + poses[low + 1] * share  # turns within a step are small
        each = rays.reshape(columns, -1, 3)
        turns = np.ascontiguousarray(column_poses[:, :3, :3].transpose(0, 2, 1), np.float32)
        aims = (each @ turns).reshape(-1, 3)
        return np.repeat(column_poses[:, :3, 3], each.shape[1], axis=0), aims


class Camera:
    """A camera on its mount."""

    def __init__(
        self, rays: Rays, cast: Cast, mount: Mount, settings: camera.CameraSettings, seed: tuple[int, ...]
    ) -> None:
        self._rays, self._cast, self._mount, self._settings, self._seed = rays, cast, mount, settings, seed
        turn = np.eye(3) if settings.optical_mount else camera.MOUNT_FROM_OPTICAL
        self._base_from_camera = mount.base_from_sensor.copy()
        self._base_from_camera[:3, :3] = self._base_from_camera[:3, :3] @ turn
        self._pixels = camera.pixel_rays(settings)
        self._count = 0

    def model(self, stamp_ns: int) -> CameraModel:
        """Return the calibration."""
        return camera.model_of(stamp_ns, self._mount.frame, self._settings)

    def shoot(self, moment: Moment, weather: Weather) -> camera.View:
        """Return the picture of a moment, with its truth."""
        self._count += 1
        pose = moment.motion.map_from_base @ self._base_from_camera
        aims = self._pixels @ pose[:3, :3].T.astype(np.float32)
        bodies = [*self._cast.bodies(moment.movers, moment.motion.xy_m, _SIGHT_M), *moment.ego]
        seen = bodies if self._settings.sees_itself else bodies[: -len(moment.ego)]
        hits = self._rays.cast(pose[:3, 3], aims, seen, _SIGHT_M)
        places = pose[:3, 3] + aims * np.where(np.isfinite(hits.ranges_m), hits.ranges_m, 0.0)[:, None]
        lit, sun = np.ones(len(aims), np.float32), camera.sun_of(weather)
        asked = np.flatnonzero((hits.ranges_m < _SHADES_SEEN_M) & (hits.normals @ sun > 0.0))
        towards = np.broadcast_to(sun.astype(np.float32), (len(asked), 3))
        casting = [*self._cast.bodies(moment.movers, moment.motion.xy_m, _SHADES_SEEN_M), *moment.ego]
        lit[asked] = ~self._rays.blocked(places[asked] + 0.02 * hits.normals[asked], towards, casting, _SHADOW_M)
        air = camera.air_of(weather)
        light = camera.shaded(
            pose[:3, 3], aims, hits, lit, light_of(air), 1.0 / self._settings.focal_px, moment.motion.map_from_base
        )
        seed = (*self._seed, self._count)
        return camera.picture(moment.stamp_ns, self._mount.frame, self._settings, hits, light, air, seed)
