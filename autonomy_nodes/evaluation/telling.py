"""How far long work is: told to whoever wants to hear it, such as the bar of a command."""

from collections.abc import Callable, Iterable, Iterator

from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.evaluation.lockstep import Event
from autonomy_nodes.messages.bags import Recording

Tell = Callable[[str, int, int], None]  # hears a line, how many parts are done, and of how many (0: nobody knows)


def untold(line: str, done: int, of: int) -> None:
    """Hear how far something is, and do nothing with it."""


def told_of(events: Iterable[Event], recording: Recording, tell: Tell) -> Iterator[Event]:
    """Yield events, telling of each second of the recording that is over."""
    seconds, over = round((recording.end_ns - recording.start_ns) / SECOND_NS), 0
    for event in events:
        now = min((event.stamp_ns - recording.start_ns) // SECOND_NS, seconds)
        if now > over:
            over = now
            tell('', over, seconds)
        yield event
