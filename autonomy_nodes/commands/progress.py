"""How far a command is: on a terminal a bar with the time that is left, elsewhere a line a part, or nothing."""

import sys
from types import TracebackType

from tqdm import tqdm


class Progress:
    """Hears of what is done. unit: of what, with a space before it. quiet: elsewhere than on a terminal say nothing."""

    def __init__(self, unit: str, quiet: bool = False) -> None:
        self._unit, self._quiet = unit, quiet
        self._bar: tqdm | None = None

    def __enter__(self) -> 'Progress':
        return self

    def __call__(self, line: str, done: int, of: int) -> None:
        """Show a line, that so many are done, and of how many, 0 where nobody knows."""
        if not sys.stderr.isatty():
            if not self._quiet:
                print(line, flush=True)
            return
        if self._bar is None:
            self._bar = tqdm(total=of or None, unit=self._unit, dynamic_ncols=True)
        self._bar.set_postfix_str(line, refresh=False)
        self._bar.update(done - self._bar.n)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
