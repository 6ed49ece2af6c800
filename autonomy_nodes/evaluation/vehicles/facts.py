"""What is known of a vehicle while its yaml is made: values and sensors, each with who told it."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from autonomy_nodes.common.types import DataError
from autonomy_nodes.common.vehicle import CameraView, LidarView, Part
from autonomy_nodes.messages.formats.description import CAMERA, LIDAR
from autonomy_nodes.sensors.calibration import mount_difference

SEEING = (LIDAR, CAMERA)


@dataclass(frozen=True, eq=False)
class Sensor:
    """One sensor. name: of its topic and mount. base_from: (4, 4), None where nobody tells. source: who told it."""

    kind: str
    name: str
    frame: str
    base_from: np.ndarray | None
    view: LidarView | CameraView | None
    source: str

    def __str__(self) -> str:
        return f'{self.kind} {self.name}'


@dataclass(frozen=True)
class Told:
    """A value and who told it."""

    value: Any
    source: str


@dataclass
class Facts:
    """What is known; what is added first stays, so the most trusted source comes first.

    values: {setting below vehicle, with dots: Told}. missing: what nobody tells. notes: what contradicts, was assumed.
    """

    values: dict[str, Told] = field(default_factory=dict)
    sensors: list[Sensor] = field(default_factory=list)
    parts: dict[str, Part] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def tell(self, key: str, value: Any, source: str) -> None:
        """Add a value that is not known yet."""
        self.values.setdefault(key, Told(value, source))

    def add(self, sensor: Sensor) -> None:
        """Add a sensor, or to the one of the same frame, or of the same kind and name, what was not known of it.

        Raises DataError where two sensors of different kinds have one name.
        """
        for place, known in enumerate(self.sensors):
            if known.kind == sensor.kind and (known.name == sensor.name or sensor.frame == known.frame != ''):
                self.sensors[place] = self._joined(known, sensor)
                return
            if known.name == sensor.name:
                other = f'/sensing/{sensor.kind}/{sensor.name}_{sensor.kind}/...'
                raise DataError(
                    f'{known} and {sensor} have one name, but mounts are one table: '
                    f'publish one of them on {other}, with --remap for a bag, or rename its link'
                )
        self.sensors.append(sensor)

    def complete(self) -> None:
        """Note what is not known of sensors."""
        for sensor in self.sensors:
            words = f'; give --{sensor.kind} "{sensor.name} '
            if not sensor.frame:
                self.missing.append(f'{sensor}: the frame_id of its messages{words}frame=FRAME"')
            if sensor.base_from is None:
                way = 'xyz_m=X,Y,Z looks_deg=YAW,PITCH"' if sensor.kind == CAMERA else 'xyz_m=X,Y,Z rpy_deg=0,0,0"'
                self.missing.append(f'{sensor}: where it sits: publish its frame on /tf_static{words}{way}')
            if sensor.view is None and sensor.kind in SEEING:
                way = 'size_px=W,H focal_px=X,Y centre_px=X,Y"'
                if sensor.kind == LIDAR:
                    way = 'elevation_deg=LOW,HIGH beams=N range_m=R"'
                self.missing.append(f'{sensor}: what it sees, for `autonomy vehicle show`{words}{way}')
        if not any(sensor.kind == LIDAR for sensor in self.sensors):
            self.missing.append('a LiDAR: give --lidar "top frame=lidar_top xyz_m=X,Y,Z rpy_deg=0,0,0"')

    def _joined(self, known: Sensor, more: Sensor) -> Sensor:
        if known.base_from is not None and more.base_from is not None:
            if difference := mount_difference(more.base_from, known.base_from):
                text = f'{known}: its mount differs by {difference} between {known.source} (taken) and {more.source}'
                self.notes.append(f'{text}: correct one of them')
        elif more.base_from is not None:
            known = replace(known, base_from=more.base_from, source=f'{known.source}; mount by {more.source}')
        if known.frame and more.frame and known.frame != more.frame:
            text = f'{known}: frame {known.frame!r} by {known.source} (taken), {more.frame!r} by {more.source}'
            self.notes.append(f'{text}: make them equal')
        return replace(known, frame=known.frame or more.frame, view=known.view or more.view)
