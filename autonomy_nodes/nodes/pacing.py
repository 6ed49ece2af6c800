"""How fast recorded or simulated time runs: with the wall clock, but not ahead of what the stack can follow."""

from dataclasses import dataclass


@dataclass
class Pace:
    """Time that waits. `rate`: recorded seconds a second; `lag_s`: how far a plan may lag behind the sweeps.

    Only `hold_s` of waiting in one piece is allowed, then time goes on: a stack that died must not stop it for ever.
    """

    rate: float = 1.0
    lag_s: float = 0.25
    hold_s: float = 2.0
    held_s: float = 0.0

    def advance(self, wall_s: float, sweep_ns: int | None, trajectory_ns: int | None) -> int:
        """Return by how many ns time advances in `wall_s`.

        sweep_ns: stamp of the newest sweep given; trajectory_ns: of the newest trajectory heard, None before the first.
        """
        behind = sweep_ns is not None and trajectory_ns is not None and sweep_ns - trajectory_ns > self.lag_s * 1e9
        if behind and self.held_s < self.hold_s:
            self.held_s += wall_s
            return 0
        if not behind:
            self.held_s = 0.0
        return round(wall_s * self.rate * 1e9)
