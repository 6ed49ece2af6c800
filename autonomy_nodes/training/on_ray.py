"""The same training on a Ray cluster (ray.io): processes that find one another by what torchrun would tell them.

Ray gives each its place, its CPUs and its GPU, and ends all as soon as one fails. The first works on this machine,
where the checkpoint is left; to go on from a checkpoint its folder must be one that all machines see.
"""

import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from autonomy_nodes.common.settings import SettingsError
from autonomy_nodes.training.pseudo.cluster import HERE, joined

ALONE = {'GLOO_SOCKET_IFNAME': 'lo'}  # processes of one machine need no other way to each other

Work = Callable[..., Path]


class Worker:
    """One process of a training."""

    def meeting(self) -> tuple[str, int]:
        """Return where this process can be met by the others: its machine's address and a free port."""
        import ray

        host = ray.util.get_node_ip_address()
        with socket.socket() as free:
            free.bind((host, 0))
            return host, int(free.getsockname()[1])

    def work(self, places: Mapping[str, str], work: Work, arguments: Mapping[str, Any]) -> Path:
        """Return what `work` gives with some environment."""
        os.environ.update(places)
        return work(**arguments)


def train_on_ray(work: Work, arguments: Mapping[str, Any], workers: int, address: str = '', threads: int = 1) -> Path:
    """Call `work`, such as `train`, in so many processes of a cluster at once, and return what the first gives.

    address: of a cluster that runs, '' for one of this machine. threads: CPUs of each. Raises what the first that fails
    raised; SettingsError where the cluster is too small.
    """
    if workers < 1 or threads < 1:
        raise SettingsError(f'workers={workers} and threads={threads} must be at least 1')
    with joined(address, workers * threads, heard=True) as ray:
        has = ray.cluster_resources()
        if (cpus := int(has.get('CPU', 0))) < workers * threads:
            raise SettingsError(f'the cluster has {cpus} CPUs, {workers} workers need {workers * threads}')
        each = {'num_cpus': threads, 'num_gpus': 1 if has.get('GPU', 0) >= workers else 0}
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=True
        )
        make = ray.remote(Worker)
        actors = [make.options(**each, **({} if rank else {'scheduling_strategy': here})).remote()
                  for rank in range(workers)]  # fmt: skip
        host, port = ray.get(actors[0].meeting.remote())
        same = {'WORLD_SIZE': f'{workers}', 'LOCAL_RANK': '0', 'MASTER_ADDR': host, 'MASTER_PORT': f'{port}'}
        same |= ALONE if host == HERE else {}
        calls = [actor.work.remote({'RANK': f'{rank}', **same}, work, arguments) for rank, actor in enumerate(actors)]
        return _first(ray, calls)


def _first(ray: Any, calls: list[Any]) -> Path:
    """Return what the first call gives when all are over; raises at once what any of them raised."""
    left = list(calls)
    while left:
        done, left = ray.wait(left, num_returns=1)
        try:
            ray.get(done[0])
        except ray.exceptions.RayTaskError as error:
            raise (error.cause or error) from error
    return Path(ray.get(calls[0]))
