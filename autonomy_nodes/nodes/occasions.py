"""What in the diagnostics of the stack is worth a clip: the mode, the driver, both channels of perception, the pose."""

from autonomy_nodes.common.status import RUNG, SPEED_CAP, Mode, Status
from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages.clips import Occasion
from autonomy_nodes.messages.words import GROUP, read_status

TELLERS = tuple(f'{GROUP}{name}\0'.encode() for name in ('safety', 'perception', 'localization'))
HEAD_BYTES = 96  # a name of ours stands so near the front that the other nodes' statuses need not be read
AUTONOMOUS, UNKNOWN = 'AUTONOMOUS', 'unknown'  # the latter: nothing tells who drives


class Occasions:
    """Compares each status with the one before it; what was so from the start is no occasion."""

    def __init__(self) -> None:
        self._mode, self._driver, self._state = '', '', ''
        self._alarmed, self._cap_mps = False, float('inf')

    def of_message(self, data: bytes) -> list[Occasion]:
        """Return what a diagnostics message is an occasion for; one that cannot be read is none."""
        if not any(name in bytes(data[:HEAD_BYTES]) for name in TELLERS):
            return []
        try:
            return self.of(read_status(data))
        except DataError:
            return []

    def of(self, status: Status) -> list[Occasion]:
        """Return what a status is an occasion for."""
        ways = {'safety': self._of_safety, 'perception': self._of_perception, 'localization': self._of_localization}
        return ways[status.node](status) if status.node in ways else []

    def _of_safety(self, status: Status) -> list[Occasion]:
        found = []
        mode, driver = status.values.get('mode', ''), status.values.get('driver', '')
        if mode and self._mode not in ('', mode, Mode.INIT.value):
            found.append(_occasion('mode', status, mode, f'{self._mode} -> {status.text}'))
        if self._driver == AUTONOMOUS and driver not in ('', AUTONOMOUS, UNKNOWN):
            found.append(_occasion('takeover', status, driver, f'the driver was {AUTONOMOUS} and is {driver}'))
        self._mode = mode or self._mode
        self._driver = self._driver if driver in ('', UNKNOWN) else driver
        return found

    def _of_perception(self, status: Status) -> list[Occasion]:
        if RUNG not in status.values:
            return []  # a word about its inputs, not of a step
        found = []
        alarmed, cap_mps = status.values.get('alarmed') == 'true', _number(status.values.get(SPEED_CAP, 'inf'))
        if alarmed and not self._alarmed:
            found.append(_occasion('disagreement', status, 'alarmed', status.text))
        if cap_mps < self._cap_mps:
            rung = status.values[RUNG]
            text = f'perception by {rung}: no faster than {cap_mps:.1f} m/s'
            found.append(_occasion('uncertainty', status, f'perception_{rung}', text))
        self._alarmed, self._cap_mps = alarmed, cap_mps
        return found

    def _of_localization(self, status: Status) -> list[Occasion]:
        state = status.values.get('state', '')
        if not state:
            return []
        worse = self._state == 'NOMINAL' and state != 'NOMINAL' or self._state == 'DEAD_RECKONING' and state == 'LOST'
        self._state = state
        return [_occasion('uncertainty', status, f'localization_{state}', status.text)] if worse else []


def _occasion(kind: str, status: Status, outcome: str, text: str) -> Occasion:
    told = {**status.values, 'node': status.node, 'level': status.level.name}
    return Occasion(kind, status.stamp_ns, outcome, text, told)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float('inf')
