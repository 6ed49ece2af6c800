"""A part of a recording as a recording of its own: some seconds, some topics. Latched messages of before come along."""

import shutil
from collections import Counter, deque
from collections.abc import Collection, Iterator
from pathlib import Path

from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.messages.bags import BagError, BagWriter, Message, Recording
from autonomy_nodes.messages.ring import MOST_LATCHED

EPOCH_S = 1e15  # larger numbers are no seconds since a start but nanoseconds since 1970


def moment(recording: Recording, told: float) -> int:
    """Return a moment [ns]: `told` is in seconds from the start of the recording, or in nanoseconds since 1970.

    Raises BagError where it lies outside the recording.
    """
    at_ns = round(told) if told >= EPOCH_S else recording.start_ns + round(told * SECOND_NS)
    if not recording.start_ns <= at_ns <= recording.end_ns:
        length_s = (recording.end_ns - recording.start_ns) / SECOND_NS
        raise BagError(f'{told:g} is not in {recording.path}, of {length_s:.1f} s; give seconds from its start')
    return at_ns


def cut(
    recording: Recording,
    out: Path,
    start_ns: int,
    end_ns: int,
    topics: Collection[str] | None = None,
    without: Collection[str] = (),
) -> Counter[str]:
    """Copy what was received from `start_ns` until `end_ns`, both included; return how many messages of each topic.

    topics: names, all where None; without: names left out. A latched message of before has the time of the start.
    Raises BagError where nothing would be left, and on names that the recording has not.
    """
    there = {name.lstrip('/'): name for name in recording.types}
    asked = there.keys() if topics is None else [name.lstrip('/') for name in topics]
    left_out = [name.lstrip('/') for name in without]
    if unknown := sorted({*asked, *left_out} - there.keys()):
        raise BagError(f'{recording.path}: has no topics {", ".join(unknown)}; `autonomy bag info` lists them')
    chosen = [there[name] for name in asked if name not in left_out]
    counts: Counter[str] = Counter()
    with BagWriter(out, definitions=recording.definitions, compress=True) as bag:
        for name, kind, receive_ns, data in _chosen(recording, chosen, start_ns, end_ns):
            bag.write(name, kind, receive_ns, data, latched=name in recording.latched)
            counts[name] += 1
    if not counts:
        shutil.rmtree(out) if out.is_dir() else out.unlink()
        raise BagError(f'{out}: nothing was received in that time on these topics; `autonomy bag info` tells what was')
    return counts


def _chosen(recording: Recording, topics: Collection[str], start_ns: int, end_ns: int) -> Iterator[Message]:
    latched: dict[str, deque[Message]] = {}
    lasting = [name for name in topics if name in recording.latched]
    if lasting and start_ns > recording.start_ns:
        for message in recording.messages(lasting, end_ns=start_ns):
            same = latched.setdefault(message[0], deque(maxlen=MOST_LATCHED))
            if message[3] not in [each[3] for each in same]:
                same.append(message)
    for same in latched.values():
        yield from ((name, kind, start_ns, data) for name, kind, _, data in same)
    yield from recording.messages(topics, start_ns, end_ns + 1)
