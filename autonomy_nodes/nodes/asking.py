"""Asks a switch of another node: the client of a service of type std_srvs/SetBool, while its own node is active."""

from collections.abc import Callable
from typing import Any


class Asking:
    """Give it to a stage as a function: `ask(wanted, answered)`, see `Port.request`."""

    def __init__(self, node: Any, kind: Any, name: str, guarded: Callable[..., Callable[..., None]]) -> None:
        self._node, self._kind, self._name, self._guarded = node, kind, name, guarded
        self._made: Any = None

    def opened(self) -> Callable[[], None]:
        """Connect; return what ends that."""
        self._made = self._node.create_client(self._kind, self._name)
        return self.close

    def close(self) -> None:
        """Disconnect."""
        self._node.destroy_client(self._made)
        self._made = None

    def __call__(self, wanted: bool, answered: Callable[[bool, str], None]) -> bool:
        """Ask; return whether there was somebody to hear it."""
        if self._made is None or not self._made.service_is_ready():
            return False

        def heard(call: Any) -> None:
            answered(call.result().success, call.result().message)

        self._made.call_async(self._kind.Request(data=wanted)).add_done_callback(self._guarded(heard, self._name))
        return True
