"""What a node says of the engine that runs its network: which one serves, and aloud where another was asked for."""

from collections.abc import Mapping

from autonomy_nodes.common.status import Level
from autonomy_nodes.inference.backend import NONE, Backend, standing_of
from autonomy_nodes.nodes.port import Port


def say_engine(port: Port, backend: Backend | None, values: Mapping[str, str]) -> None:
    """Put the engine into the status of this step, with other values; a warning where it stands in for another."""
    if backend is None:
        port.say(Level.OK, '', engine=NONE, **values)
        return
    standing = standing_of(backend)
    port.say(Level.WARN if standing.degraded else Level.OK, standing.text, engine=standing.engine, **values)
