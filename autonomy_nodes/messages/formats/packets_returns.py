"""What packets of a turning LiDAR hold, whoever made it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Returns:
    """N points in the order in which they came, and the F angles of the rotor at which they were fired.

    xyz: (N, 3) float32 in the sensor's frame. intensity: (N,). ring: (N,) uint16, 0 the lowest. packet: (N,) of which
    packet. offset_ns: (N,) after that packet's time. turn: (N,) of the rotor. angle_deg: (N,) within the turn.
    rotor_deg: (F,) rising over all turns, `per_packet` of them a packet. margin_deg: how far channels point aside.
    """

    xyz: np.ndarray
    intensity: np.ndarray
    ring: np.ndarray
    packet: np.ndarray
    offset_ns: np.ndarray
    turn: np.ndarray
    angle_deg: np.ndarray
    rotor_deg: np.ndarray
    per_packet: int
    margin_deg: float

    def whole_turns(self) -> Iterator[tuple[int, int]]:
        """Yield (turn, packet that completes it) of the turns that were seen from their start to their end."""
        first, last = self.rotor_deg[0] - self.margin_deg, self.rotor_deg[-1] - self.margin_deg
        for turn in range(int(np.floor(first / 360.0)), int(np.floor(last / 360.0))):
            if self.rotor_deg[0] + self.margin_deg <= turn * 360.0 + self._step():
                done = np.searchsorted(self.rotor_deg, (turn + 1) * 360.0 + self.margin_deg)
                yield turn, int(done) // self.per_packet

    def _step(self) -> float:
        """Return by how much the rotor turns from firing to firing: so much may be missing of a whole turn."""
        return float(np.median(np.diff(self.rotor_deg))) if len(self.rotor_deg) > 1 else 0.0


def little(pairs: np.ndarray) -> np.ndarray:
    """Return the unsigned numbers of (..., 2) bytes, the low one first."""
    return pairs[..., 0].astype(int) + 256 * pairs[..., 1].astype(int)


def unwrapped(hundredths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (F,) angles in degrees and the turns they lie in, of (F,) hundredths of a degree that rise and wrap."""
    turns = np.concatenate([[0], np.cumsum(np.diff(hundredths) < -18_000)])
    return hundredths / 100.0, turns
