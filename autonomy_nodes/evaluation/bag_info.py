"""What a recording holds, topic by topic: how many messages, how often, how large, and the longest silence."""

from dataclasses import dataclass
from datetime import UTC, datetime

from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.messages.bags import Recording

MB = 1e6


@dataclass
class TopicInfo:
    """What there is of a topic. bytes: of all its messages; first_ns, last_ns: of receipt; gap_ns: longest silence."""

    kind: str
    count: int = 0
    bytes: int = 0
    first_ns: int = 0
    last_ns: int = 0
    gap_ns: int = 0

    @property
    def rate_hz(self) -> float:
        """Messages a second between the first and the last; 0 where there is one or none."""
        return (self.count - 1) * SECOND_NS / (self.last_ns - self.first_ns) if self.last_ns > self.first_ns else 0.0


def measured(recording: Recording) -> dict[str, TopicInfo]:
    """Return {topic: what there is of it}; reads the whole recording."""
    found = {name: TopicInfo(kind) for name, kind in sorted(recording.types.items())}
    for name, _, receive_ns, data in recording.messages():
        info = found[name]
        if info.count:
            info.gap_ns = max(info.gap_ns, receive_ns - info.last_ns)
        else:
            info.first_ns = receive_ns
        info.count, info.bytes, info.last_ns = info.count + 1, info.bytes + len(data), receive_ns
    return found


def lines(recording: Recording) -> list[str]:
    """Return what `autonomy bag info` prints."""
    topics = measured(recording)
    began = datetime.fromtimestamp(recording.start_ns / SECOND_NS, UTC).strftime('%Y-%m-%d %H:%M:%S UTC')
    length_s = (recording.end_ns - recording.start_ns) / SECOND_NS
    count, size_mb = sum(info.count for info in topics.values()), sum(info.bytes for info in topics.values()) / MB
    told = [f'{recording.path}: {length_s:.1f} s from {began}, {count} messages, {size_mb:.1f} MB unpacked', '']
    width = max(map(len, topics))
    told.append(f'{"topic":<{width}}  {"count":>7}  {"Hz":>6}  {"gap s":>6}  {"MB":>8}  type')
    for name, info in topics.items():
        row = f'{info.count:>7}  {info.rate_hz:>6.1f}  {info.gap_ns / SECOND_NS:>6.2f}  {info.bytes / MB:>8.2f}'
        told.append(f'{name:<{width}}  {row}  {info.kind}{", latched" if name in recording.latched else ""}')
    return told
