"""How far a command is: a bar with the time that is left on a terminal, a line a part that is done elsewhere."""

import sys
from types import TracebackType

from tqdm import tqdm


class Progress:
    """Hears of what is done. unit: of what, with a space before it."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._bar: tqdm | None = None

    def __enter__(self) -> 'Progress':
        return self

    def __call__(self, line: str, done: int, of: int) -> None:
        """Show a line, that so many are done, and of how many."""
        if not sys.stderr.isatty():
            print(line, flush=True)
            return
        if self._bar is None:
            self._bar = tqdm(total=of, unit=self._unit, dynamic_ncols=True)
        self._bar.set_postfix_str(line, refresh=False)
        self._bar.update(done - self._bar.n)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
