"""How fast recorded or simulated time runs: with the wall clock, but not ahead of what the stack can follow."""

from collections.abc import Sequence
from dataclasses import dataclass

from autonomy_nodes.common.status import Heartbeat


@dataclass
class Pace:
    """Time that waits. `rate`: recorded seconds a second; `lag_s`: how far a plan may lag behind the sweeps.

    Without a new plan only `hold_s` of waiting is allowed, then time goes on: a stack that died must not stop it.
    """

    rate: float = 1.0
    lag_s: float = 0.15
    hold_s: float = 5.0
    held_s: float = 0.0
    first_ns: int | None = None
    last_ns: int | None = None

    def advance(self, wall_s: float, sweep_ns: int | None, trajectory_ns: int | None) -> int:
        """Return by how many ns time advances in `wall_s`.

        sweep_ns: stamp of the newest sweep given; trajectory_ns: of the newest plan heard. None before the first.
        """
        self.first_ns = sweep_ns if self.first_ns is None else self.first_ns
        heard_ns = self.first_ns if trajectory_ns is None else trajectory_ns
        if trajectory_ns != self.last_ns:  # it is slow, but it lives
            self.last_ns, self.held_s = trajectory_ns, 0.0
        behind = sweep_ns is not None and heard_ns is not None and sweep_ns - heard_ns > self.lag_s * 1e9
        if behind and self.held_s < self.hold_s:
            self.held_s += wall_s
            return 0
        return round(wall_s * self.rate * 1e9)


class Ready:
    """Whether the stack is up: a giver of time starts when it has heard every node that it waits for.

    names: of those nodes; longest_s: after so much wall time it starts all the same. settle_s: from the last sign of
    life to the start, in which the other connections between the nodes are made.
    """

    def __init__(self, names: Sequence[str], longest_s: float, settle_s: float = 0.5) -> None:
        self._awaited = set(names)
        self._left_s, self._settle_s = longest_s, settle_s if names else 0.0

    def heard(self, heartbeat: Heartbeat) -> None:
        """Note that a node lives."""
        self._awaited.discard(heartbeat.node)

    def after(self, wall_s: float) -> bool:
        """Return whether to start, after so much more wall time."""
        self._left_s -= wall_s
        if not self._awaited:
            self._settle_s -= wall_s
        return self._settle_s <= 0.0 or self._left_s <= 0.0
