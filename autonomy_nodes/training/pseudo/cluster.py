"""Who does the work: processes of this machine, or those of a Ray cluster (ray.io). The answers are the same.

Each piece of work stands for itself and gives bytes back, so that it does not matter who did it, nor in which order.
Machines of a cluster need this package, and the recording at the same path.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.common.types import DataError
from autonomy_nodes.evaluation.measures.task import in_processes

Item = TypeVar('Item')
Value = TypeVar('Value')
HERE, STARTS = '127.0.0.1', 3
BACKENDS = ('local', 'ray')


def shared_out(
    backend: str, address: str, jobs: int, work: Callable[[Item], Value], items: Sequence[Item]
) -> Iterator[Value]:
    """Yield what `work`, a function of a module, gives of each item in order; raises the first DataError.

    backend: of BACKENDS. address: of a Ray cluster that runs; '' starts one of `jobs` processes, which hears this
    machine alone.
    """
    if backend not in BACKENDS:
        raise SettingsError(f'backend={backend!r} must be one of {", ".join(BACKENDS)}')
    if address and backend != 'ray':
        raise SettingsError(f'address={address!r} is that of a Ray cluster; backend={backend!r} has none')
    local = backend == 'local'
    answers = in_processes(jobs, partial(_guarded, work), items) if local else _on_ray(address, jobs, work, items)
    for value, error in answers:
        if error:
            raise DataError(error)
        yield value  # type: ignore[misc]


def _guarded(work: Callable[[Item], Value], item: Item) -> tuple[Value | None, str]:
    try:
        return work(item), ''
    except DataError as error:
        return None, str(error)


def _on_ray(
    address: str, jobs: int, work: Callable[[Item], Value], items: Sequence[Item]
) -> Iterator[tuple[Value | None, str]]:
    with joined(address, max(jobs, 1)) as ray:
        task, what = ray.remote(num_cpus=1)(_guarded), ray.put(work)
        most = int(ray.cluster_resources().get('CPU', 1)) + 1  # so many at once, so that few answers wait
        waiting: deque[Any] = deque()
        for item in items:
            waiting.append(task.remote(what, item))
            if len(waiting) > most:
                yield ray.get(waiting.popleft())
        while waiting:
            yield ray.get(waiting.popleft())


@contextmanager
def joined(address: str, cpus: int, heard: bool = False) -> Iterator[Any]:
    """Yield the library, joined to the cluster at an address, or to one of this machine alone that so many CPUs share.

    heard: what the cluster's processes print is printed here.
    """
    os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')  # nothing is told to anybody
    try:
        import ray
    except ImportError as error:
        raise SettingsError('backend=ray needs Ray: pip install autonomy_nodes[cluster]') from error
    mine = {'num_cpus': cpus, 'include_dashboard': False, '_node_ip_address': HERE}
    _start(ray, {**({'address': address} if address else mine), 'log_to_driver': heard, 'configure_logging': False})
    try:
        yield ray
    finally:
        ray.shutdown()


def _start(ray: Any, how: Mapping[str, Any]) -> None:
    """Start, or join; raises SettingsError where that fails time and again."""
    for left in reversed(range(STARTS)):
        try:
            ray.init(**how)
            return
        except Exception as error:  # a plain one, where a busy machine needs longer than the 30 s that Ray waits
            ray.shutdown()
            if not left:
                raise SettingsError(f'Ray does not start: {error}') from error
