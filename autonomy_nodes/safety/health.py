"""Which nodes live, and how they are: judged from heartbeats and statuses by the time at which they came."""

from dataclasses import dataclass

from autonomy_nodes.common.status import Level, Status
from autonomy_nodes.common.types import SECOND_NS


@dataclass(frozen=True)
class HealthSettings:
    """What safety watches.

    path: without one of these nodes there is no trajectory to trust: a minimal risk manoeuvre.
    others: without one of these the stack goes on, degraded.
    silence_s: time without a heartbeat after which a node counts as lost (its period is 0.1 s).
    """

    path: tuple[str, ...] = ('lidar', 'localization', 'perception', 'tracking', 'prediction', 'planning')
    others: tuple[str, ...] = ('camera', 'map', 'map_update', 'control')
    silence_s: float = 0.35

    def __post_init__(self) -> None:
        if not self.silence_s > 0.1:
            raise ValueError(f'health.silence_s={self.silence_s} must be above 0.1, the period of a heartbeat')


class Health:
    """Remembers when each node was last heard and what it last said."""

    def __init__(self, settings: HealthSettings) -> None:
        self.settings = settings
        self._heard_ns: dict[str, int] = {}
        self._newest: dict[str, Status] = {}

    def beat(self, node: str, now_ns: int) -> None:
        """Take a heartbeat that arrived now."""
        self._heard_ns[node] = now_ns

    def told(self, status: Status) -> None:
        """Take how a step of a node went."""
        self._newest[status.node] = status

    def forget(self) -> None:
        """Start anew, after time jumped back."""
        self._heard_ns.clear()
        self._newest.clear()

    def awaited(self) -> list[str]:
        """Return the nodes of the path that have not been heard yet."""
        return [node for node in self.settings.path if node not in self._heard_ns]

    def lost(self, now_ns: int) -> tuple[list[str], list[str]]:
        """Return the lost nodes of the path, and the lost others that were there before."""
        silence_ns = round(self.settings.silence_s * SECOND_NS)

        def silent(nodes: tuple[str, ...]) -> list[str]:
            return [node for node in nodes if now_ns - self._heard_ns.get(node, now_ns) > silence_ns]

        return silent(self.settings.path), silent(self.settings.others)

    def troubles(self) -> list[str]:
        """Return what the nodes complain of: errors of any, in the order of the settings."""
        watched = (*self.settings.path, *self.settings.others)
        found = [self._newest[node] for node in watched if node in self._newest]
        return [f'{status.node}: {status.text}' for status in found if status.level is Level.ERROR]
