"""What is wrong with the inputs of the stack, and what mends it: a line a finding.

Each check takes what was heard and the settings, and yields findings. What must be mended stops the stack or makes it
wrong; a note costs quality.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from autonomy_nodes.common.types import SECOND_NS
from autonomy_nodes.common.vehicle import Vehicle
from autonomy_nodes.evaluation import doctor_contents, doctor_frames, doctor_gnss, doctor_motion
from autonomy_nodes.evaluation.findings import MEND, NOTE, Finding
from autonomy_nodes.evaluation.survey import Stream, Survey
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.topics import Topic
from autonomy_nodes.nodes.inputs import PATIENCE
from autonomy_nodes.nodes.processes import vehicle_of

Check = Callable[[Survey, Vehicle], Iterator[Finding]]
NEEDED = (topics.LIDAR_RAW,)
USEFUL: Mapping[str, str] = {  # what the stack does without, and how
    topics.VELOCITY.name: 'speed and standstill are known by LiDAR alone, and not through a tunnel',
    topics.IMU.name: 'turns are known by LiDAR alone',
    topics.STEERING.name: 'a plan begins with the wheels straight',
    topics.CONTROL_MODE.name: 'the stack cannot tell who drives',
}
SLOW_SHARE, VERY_SLOW_SHARE = 0.9, 0.5  # of the rate in the table of topics
GAPS_SHARE = 0.02  # of periods that may be longer than PATIENCE of them
OLDEST_S, FUTURE_S = 0.5, 0.1  # of a stamp when its message is received, as the stack takes them
SKEW_S = 0.2  # of the ages of two sensors' messages
FEW = 3
PACKETS = ('Scan', 'Packets')  # of what decoders of LiDARs read
CLOSE = 0.4  # of a name to another


def diagnose(survey: Survey, files: Iterable[Path]) -> list[Finding]:
    """Return what was found, what must be mended first; files: settings, the vehicle's among them."""
    vehicle = vehicle_of('lidar', files)
    found = [finding for check in CHECKS for finding in check(survey, vehicle)]
    return sorted(found, key=lambda finding: finding.level != MEND)


def check_presence(survey: Survey, vehicle: Vehicle) -> Iterator[Finding]:
    """Look for inputs that are missing, or have another name or type."""
    for name, kind in sorted(survey.types.items()):
        ours = topics.find(name)
        if ours is not None and ours.type != kind:
            yield Finding(MEND, name, f'is {kind}, not {ours.type}', 'publish that type, or remap another topic to it')
    for topic in NEEDED:
        if not survey.of_kind(topic):
            yield _missing(survey, topic, MEND, 'nothing can be seen')
    pictures = [*survey.of_kind(topics.IMAGE_RAW), *survey.of_kind(topics.IMAGE_COMPRESSED)]
    if not pictures:
        yield _missing(survey, topics.IMAGE_COMPRESSED, NOTE, 'the stack drives by LiDAR alone')
    for name, without in USEFUL.items():
        if name not in survey.types:
            topic = next(topic for topic in topics.TABLE if topic.name == name)
            yield _missing(survey, topic, NOTE, without)


def _missing(survey: Survey, topic: Topic, level: str, without: str) -> Finding:
    alike = sorted(name for name, kind in survey.types.items() if kind == topic.type and topics.find(name) is None)
    if not alike:
        speaking = [name for name in survey.types if topics.find(name) is None]
        alike = get_close_matches(topic.name, speaking, n=1, cutoff=CLOSE)
    packed = sorted(name for name, kind in survey.types.items() if kind.endswith(PACKETS))
    remedy = f'publish {topic.type}'
    if topic is topics.LIDAR_RAW and packed:
        remedy = f'/{packed[0]} holds packets: run the driver of the LiDAR'
    elif alike:
        remedy = f'/{alike[0]} may be it: give --remap FILE (--draft FILE begins one), or remap it'
    return Finding(level, topic.name.format(name='NAME'), f'is missing: {without}', remedy)


def check_rates(survey: Survey, vehicle: Vehicle) -> Iterator[Finding]:
    """Look for streams that are slow, or have holes."""
    for name, stream in sorted(survey.streams.items()):
        expected_hz = stream.kind.rate_hz
        stamps = np.unique(stream.stamps_ns)
        if expected_hz <= 0.0 or len(stamps) < FEW:
            if expected_hz > 0.0:
                yield Finding(NOTE, name, f'{stream.count} messages', 'too few to judge: record a few seconds')
            continue
        periods_s = np.diff(stamps) / SECOND_NS
        hz = 1.0 / float(np.median(periods_s))
        vital = stream.kind is topics.LIDAR_RAW
        if hz < SLOW_SHARE * expected_hz:
            level = MEND if vital and hz < VERY_SLOW_SHARE * expected_hz else NOTE
            yield Finding(level, name, f'{hz:.1f} Hz, {expected_hz:g} expected', 'raise the rate of its driver')
        holes = periods_s > PATIENCE / hz
        if holes.mean() > GAPS_SHARE:
            text = f'{int(holes.sum())} holes of {len(holes)} periods, the longest {periods_s.max():.2f} s'
            remedy = 'messages are lost: config/fastdds.xml for all publishers, a larger net.core.rmem_max for sensors'
            yield Finding(MEND if vital else NOTE, name, text, remedy)


def check_stamps(survey: Survey, vehicle: Vehicle) -> Iterator[Finding]:
    """Look for stamps that the stack refuses, and for clocks that do not agree."""
    spans = {}
    for name, stream in sorted(survey.streams.items()):
        if not stream.stamps_ns:
            continue
        yield from _of_stamps(name, stream)
        spans[name] = min(stream.stamps_ns), max(stream.stamps_ns)
    main = next((stream.name for stream in survey.of_kind(topics.LIDAR_RAW) if stream.name in spans), None)
    for name, (first, last) in spans.items():
        if main is None:
            break
        # single moments of a data set lie a few ms apart
        if max(first - spans[main][1], spans[main][0] - last) > OLDEST_S * SECOND_NS:
            apart_s = (first - spans[main][0]) / SECOND_NS
            yield Finding(
                MEND, name, f'its stamps lie {apart_s:+.1f} s from those of {main}',
                'set the clocks of the sensors by PTP, or have the drivers stamp with the time of this machine',
            )  # fmt: skip


def _of_stamps(name: str, stream: Stream) -> Iterator[Finding]:
    stamps = np.array(stream.stamps_ns)
    if zero := int((stamps == 0).sum()):
        yield Finding(MEND, name, f'{zero} of {len(stamps)} stamps are zero', 'have its driver fill header.stamp')
        return
    back = sum(b < a for a, b in pairwise(stream.stamps_ns))
    same = sum(b == a for a, b in pairwise(stream.stamps_ns))
    if back > GAPS_SHARE * len(stamps):
        remedy = 'two publishers on one topic, or a recording that was played in a loop: leave one of them'
        yield Finding(MEND, name, f'stamps go back {back} times', remedy)
    if same > GAPS_SHARE * len(stamps):
        text = f'{same} stamps come twice: dropped'
        yield Finding(MEND, name, text, 'stamp each message anew, and publish it once')
    age_s = float(np.median(np.array(stream.receive_ns) - stamps)) / SECOND_NS
    if age_s > OLDEST_S or age_s < -FUTURE_S:
        yield Finding(
            MEND, name, f'stamps are {age_s:+.2f} s old when received, {-FUTURE_S:g} to {OLDEST_S:g} s are taken',
            'set the clock of the sensor by PTP or NTP, or stamp with the time of this machine',
        )  # fmt: skip


def check_skew(survey: Survey, vehicle: Vehicle) -> Iterator[Finding]:
    """Look for a sensor whose stamps lie behind or ahead of those of the others, by when they are received."""
    ages_s = {
        name: float(np.median(np.array(stream.receive_ns) - stream.stamps_ns)) / SECOND_NS
        for name, stream in sorted(survey.streams.items())
        if len(stream.stamps_ns) >= FEW and all(stream.stamps_ns)
    }
    if len(ages_s) < FEW:
        return
    middle_s = float(np.median(list(ages_s.values())))
    for name, age_s in ages_s.items():
        taken = -FUTURE_S <= age_s <= OLDEST_S  # what is not, is told already
        if taken and abs(age_s - middle_s) > SKEW_S:
            text = f'stamps are {age_s - middle_s:+.2f} s older than those of the other sensors when received'
            yield Finding(NOTE, name, text, 'its clock is off, or it is late: set it by PTP, stamp when it measures')


def check_quality(survey: Survey, vehicle: Vehicle) -> Iterator[Finding]:
    """Look for publishers that do not fit what the stack requests, and for too many of them."""
    static = topics.TF_STATIC.name.lstrip('/')
    if not survey.live:
        if static in survey.types and static not in survey.latched:
            yield Finding(NOTE, static, 'recorded as volatile', '`ros2 bag play` gives it to nobody who comes later')
        return
    for name, offers in sorted(survey.offers.items()):
        topic = topics.find(name)
        if topic is None or topic.given_by not in ('vehicle', 'people'):
            continue
        if topic.qos != 'sensor' and any(not offer.reliable for offer in offers):
            text = f'{offers[0].node} offers best effort, the stack requests reliable: nothing arrives'
            yield Finding(MEND, name, text, 'publish it with ReliabilityPolicy.RELIABLE')
        if topic.qos in ('latched', 'health') and any(not offer.latched for offer in offers):
            text = f'{offers[0].node} offers volatile, the stack requests transient local: nothing arrives'
            yield Finding(MEND, name, text, 'publish it with DurabilityPolicy.TRANSIENT_LOCAL')
        if len(offers) > 1 and topic.qos != 'events' and name != static:
            nodes = ', '.join(sorted(offer.node for offer in offers))
            yield Finding(MEND, name, f'{len(offers)} publishers: {nodes}', 'leave one of them')


CHECKS: tuple[Check, ...] = (
    check_presence, check_rates, check_stamps, check_skew, check_quality, doctor_frames.check_frames,
    doctor_frames.check_mounts, doctor_frames.check_looks, doctor_contents.check_refused, doctor_contents.check_repeats,
    doctor_contents.check_clouds, doctor_contents.check_metres, doctor_gnss.check_fix,
    doctor_contents.check_cameras, doctor_contents.check_motion, doctor_motion.check_turns,
)  # fmt: skip


def lines(found: Iterable[Finding], survey: Survey) -> list[str]:
    """Return a line a finding, and one of what was heard."""
    heard: dict[str, Any] = {name: stream.count for name, stream in sorted(survey.streams.items())}
    told = ', '.join(f'{name} {count}' for name, count in heard.items()) or 'nothing'
    return [f'heard {told}', *(str(finding) for finding in found)]
