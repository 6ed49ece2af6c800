"""The one ROS node around every stage: lifecycle, subscriptions, what is reported, how it fails."""

import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

from autonomy_nodes.common.status import Level, Status
from autonomy_nodes.common.types import DataError
from autonomy_nodes.messages.store import prepare
from autonomy_nodes.messages.topics import Topic
from autonomy_nodes.nodes.asking import Asking
from autonomy_nodes.nodes.inputs import HEARTBEAT_S, PATIENCE, Inputs
from autonomy_nodes.nodes.parameters import read_config
from autonomy_nodes.nodes.port import Stage
from autonomy_nodes.nodes.publishing import RosPublisher, ros_type
from autonomy_nodes.nodes.qos import requested

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
STEADY = Clock(clock_type=ClockType.STEADY_TIME)
REPORT_IT = 'this is a bug: report the traceback of the log, with a clip; the node is started again by itself'
MEND_IT = 'correct what the text names (settings, map, model or file), then start the node again'
FOUND_NS = 5_000_000_000  # so long peers may take to find us; after that one of them is taken for missing


class RosPort(Inputs):
    """The port of a stage in a ROS node; connected only while active, since rclpy delivers to inactive nodes too."""

    def __init__(self, node: 'StageNode') -> None:
        self.node, self.active = node, False
        self._open: list[Callable[[], None]] = []
        self._close: list[Callable[[], object]] = []
        self._publishers: list[RosPublisher] = []
        self._alarm: Any = None
        self._opened_ns, self._opened_at_ns = 0, 0  # by a steady clock, and by the node's
        self._rung: set[str] = set()
        super().__init__(node.stage.name)

    def listen(self, role: str, topic: Topic, take: Callable[[bytes], None]) -> None:
        """Subscribe while active."""

        def heard(data: bytes) -> None:
            try:
                take(data)
            except DataError as error:
                self.drop(topic, str(error))

        def subscribe() -> None:
            profile, kind = requested(topic, role), ros_type(topic.type)
            callback = self.guarded(heard, topic.name)
            made = self.node.create_subscription(kind, topic.name, callback, profile, raw=True)
            self._close.append(lambda: self.node.destroy_subscription(made))

        prepare(topic.type)
        self.dropped[topic.name] += 0
        self._open.append(subscribe)

    def publisher(self, topic: Topic) -> RosPublisher:
        """See `Port`."""
        prepare(topic.type)
        self._publishers.append(RosPublisher(self.node, topic, lambda: self.active))
        return self._publishers[-1]

    def watch(self, topic: Topic, missing: Callable[[], None]) -> Callable[[], None]:
        """See `Inputs`."""
        timers: list[Any] = []

        def silent() -> None:
            if self._opened_at_ns or topic.name in self._rung:
                missing()
                return
            self._rung.add(topic.name)  # where no clock ran yet, its first leap rings every timer: that is no silence
            timers[-1].reset()

        if topic.rate_hz > 0.0:
            self._timer(PATIENCE / topic.rate_hz, silent, timers)
        return lambda: timers[-1].reset() if timers else None

    def every(self, period_s: float, tick: Callable[[int], int | None]) -> None:
        """See `Port`."""
        self._timer(period_s, lambda: self.ticked(tick), [])

    def activated(self, start: Callable[[], None]) -> None:
        """See `Port`."""
        self._open.append(start)

    def switch(self, name: str, handle: Callable[[bool], tuple[bool, str]]) -> None:
        """See `Port`."""

        def answer(request: Any, response: Any) -> Any:
            response.success, response.message = handle(request.data)
            return response

        def offer() -> None:
            made = self.node.create_service(ros_type('std_srvs/srv/SetBool'), name, answer)
            self._close.append(lambda: self.node.destroy_service(made))

        self._open.append(offer)

    def request(self, name: str) -> Asking:
        """See `Port`."""
        asking = Asking(self.node, ros_type('std_srvs/srv/SetBool'), name, self.guarded)
        self._open.append(lambda: self._close.append(asking.opened()))
        return asking

    def finish(self) -> None:
        """See `Port`."""
        for publisher in self._publishers:
            publisher.settled()
        self.node.context.try_shutdown()

    def now_ns(self) -> int:
        """See `Port`."""
        return self.node.get_clock().now().nanoseconds

    def waited_ns(self) -> int:
        """See `Inputs`: a steady clock, since a replay may pause."""
        return STEADY.now().nanoseconds

    def wake(self, wait_ns: int) -> None:
        """See `Inputs`."""
        self._alarm.timer_period_ns = wait_ns
        self._alarm.reset()

    def told(self, status: Status) -> None:
        """Add how old the sweep behind the step is by now."""
        if status.duration_ms is not None:
            age = (self.now_ns() - status.stamp_ns) / 1e6
            status = replace(status, values={**status.values, 'latency_ms': f'{age:.3f}'})
        super().told(status)

    def open(self) -> None:
        """Connect: publishers first, then inputs."""
        self.active = True
        self._alarm = self.node.create_timer(1.0, self.rung(self._settle_once, 'a wait'), clock=STEADY)
        self._alarm.cancel()
        self._opened_ns, self._opened_at_ns = self.waited_ns(), self.now_ns()
        self._rung.clear()
        life = self.node.create_timer(HEARTBEAT_S, self.rung(self._live, 'a sign of life'), clock=STEADY)
        self._close += [partial(self.node.destroy_timer, timer) for timer in (self._alarm, life)]
        for connect in self._open:
            connect()

    def close(self) -> None:
        """Disconnect inputs, then publishers; what was known before a pause is not known after it."""
        while self._close:
            self._close.pop()()
        self.flush()
        self.active = False

    def free(self) -> None:
        """Destroy the publishers too."""
        self.close()
        while self._publishers:
            self._publishers.pop().close()

    def guarded(self, call: Callable[..., None], name: str) -> Callable[..., None]:
        """Return `call` so that a bug is shown and raised, which ends the process."""

        def attempt(*values: Any) -> None:
            try:
                call(*values)
            except Exception as error:
                if not self.node.context.ok():
                    return  # we were told to stop: rclpy closes its context at once, and nothing can be published
                self.say(Level.ERROR, f'bug on {name}: {error!r}', remedy=REPORT_IT)
                self.tell(Level.OK, '')
                for publisher in self._publishers:
                    publisher.settled()
                raise

        return attempt

    def rung(self, call: Callable[[], None], name: str) -> Callable[[], None]:
        """Return `call` guarded for a timer: Kilted hands a TimerInfo to whatever could take one."""
        guarded = self.guarded(call, name)

        def attempt() -> None:
            guarded()

        return attempt

    def _timer(self, period_s: float, call: Callable[[], None], kept: list[Any]) -> None:
        def start() -> None:
            kept.append(self.node.create_timer(period_s, self.rung(call, 'a tick')))
            self._close.append(lambda: self.node.destroy_timer(kept.pop()))

        self._open.append(start)

    def _live(self) -> None:
        """Give a sign of life, the first one when the peers can hear what comes after it."""
        if self._opened_ns:
            peers = self.node.peers - {self.stage_name}
            late = self.waited_ns() - self._opened_ns > FOUND_NS
            if not late and not all(publisher.found_by(peers) for publisher in self._publishers):
                return
            self._opened_ns = 0
        self.beat(self.now_ns())

    def _settle_once(self) -> None:
        self._alarm.cancel()
        self.settle()


class StageNode(LifecycleNode):
    """The ROS node of a stage: managed, and started by itself unless `autostart` is false."""

    def __init__(self, stage: Stage, **node_options: Any) -> None:
        super().__init__(stage.name, automatically_declare_parameters_from_overrides=True, **node_options)
        self.stage = stage
        self.port: RosPort | None = None
        self.peers = {*self.get_parameter_or('peers', Parameter('peers', value=[''])).value}

    def start(self) -> bool:
        """Configure and activate, unless `autostart` is false because someone else will; return whether that worked."""
        if not self.get_parameter_or('autostart', Parameter('autostart', value=True)).value:
            return True
        return self.trigger_configure() == SUCCESS and self.trigger_activate() == SUCCESS

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Read the parameters and build the stage."""
        self.port = port = RosPort(self)
        return self._attempt(lambda: self.stage.build(port, read_config(self, self.stage.config_type)), self._release)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Connect."""
        assert self.port is not None
        result = self._attempt(self.port.open, self.port.close)
        super().on_activate(state)
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Disconnect."""
        if self.port is not None:
            self.port.close()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything, ready to be configured anew."""
        return self._attempt(self._release)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything, for good."""
        return self._attempt(self._release)

    def _attempt(self, action: Callable[[], Any], undo: Callable[[], Any] = lambda: None) -> TransitionCallbackReturn:
        """Run one lifecycle step; rclpy hides its exceptions, so we show them."""
        try:
            action()
        except Exception as error:
            known = isinstance(error, ValueError)  # settings, maps and files that say what is wrong
            self.get_logger().error(str(error) if known else traceback.format_exc())
            if self.port is not None:
                self.port.say(Level.ERROR, str(error), remedy=MEND_IT if known else REPORT_IT)
                self.port.tell(Level.OK, '')
            undo()
            return FAILURE
        return SUCCESS

    def _release(self) -> None:
        if self.port is not None:
            self.port.free()
            self.stage.free()
        self.port = None
