"""What goes into the prediction network and what comes out: the names and shapes of all tensors.

What goes in is what `common/scene.py` tells of a moment, under its names with _ for a dot; indices and masks come as
float32 like all else, so that every engine takes them. Knots are places in the frame of each agent.
"""

from collections.abc import Mapping

import numpy as np

from autonomy_nodes.common.scene import NEIGHBOURS
from autonomy_nodes.common.scene_ground import CELL, CELLS, LANE_TRAITS, LANES, POINT
from autonomy_nodes.common.scene_loops import RELATIONS
from autonomy_nodes.common.scene_tracks import STATE, STATES, TRAITS

AGENTS = 32  # at most; with fewer the rest is masked
POINTS = 20
MODES, KNOTS, KNOT_S = 6, 16, 0.5
SPREAD = ('log_along', 'log_across')  # of a Laplace distribution, in the frame of the agent [log m]

_PAIRS = {'index': (), 'there': (), 'relations': (len(RELATIONS),)}
INPUTS: dict[str, tuple[int, ...]] = {
    'agents_states': (AGENTS, STATES, len(STATE)),
    'agents_told': (AGENTS, STATES),
    'agents_traits': (AGENTS, len(TRAITS)),
    'lanes_points': (LANES, POINTS, len(POINT)),
    'lanes_told': (LANES, POINTS),
    'lanes_traits': (LANES, len(LANE_TRAITS)),
    'cells_values': (CELLS, len(CELL)),
    'cells_told': (CELLS, len(CELL)),
    **{
        f'agents_{others}_{name}': (AGENTS, NEIGHBOURS, *more)
        for others in ('agents', 'lanes', 'cells')
        for name, more in _PAIRS.items()
    },
}
FROM_SCENE = tuple('.'.join(name.rsplit('_', 1)) for name in INPUTS)  # as `Scene.tensors` names them
SPREAD_BOUNDS = (-5.0, 5.0)  # beyond them nothing is learned
OUTPUTS: dict[str, tuple[int, ...]] = {
    'knots': (MODES, AGENTS, KNOTS, 2),  # x, y [m] after 0.5, 1.0, ... 8.0 s, in the frame of the agent
    'spread': (MODES, AGENTS, KNOTS, len(SPREAD)),
    'mode': (MODES, AGENTS),  # logits of each agent's futures
    'scene': (MODES,),  # logits of the futures of all
}


def fed(scene: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return {input: (1, ...) float32} of the tensors of a scene of AGENTS agents."""
    named = {name.replace('.', '_'): value for name, value in scene.items()}
    return {name: np.ascontiguousarray(named[name], np.float32)[None] for name in INPUTS}
