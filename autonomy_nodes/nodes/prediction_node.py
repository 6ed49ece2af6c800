"""Prediction node: tracked objects become what each will probably do, and what a driver like ours would."""

from autonomy_nodes.common.grid import Grid
from autonomy_nodes.common.lanes import LanePieces
from autonomy_nodes.common.objects import Objects
from autonomy_nodes.common.status import Level
from autonomy_nodes.common.types import EgoState
from autonomy_nodes.inference.backend import Backend
from autonomy_nodes.inference.opening import wanted
from autonomy_nodes.messages import topics
from autonomy_nodes.messages.grids import read_grid
from autonomy_nodes.messages.motion import read_ego, read_goal
from autonomy_nodes.messages.objects import read_tracked, write_predictions
from autonomy_nodes.messages.roads import read_route, read_traffic_lights
from autonomy_nodes.messages.tables import read_lane_pieces, write_ego_proposals, write_intents, write_scene_modes
from autonomy_nodes.nodes.engines import say_engine
from autonomy_nodes.nodes.port import Join, Port, Stage
from autonomy_nodes.prediction.learned import NETWORK, LearnedPrediction
from autonomy_nodes.prediction.predictor import Predictor, PredictorConfig
from autonomy_nodes.prediction.warmup import warm


class Prediction(Stage):
    """Map, terrain and lights help where they are; tracks and odometry are enough."""

    name = 'prediction'
    config_type = PredictorConfig
    backend: Backend | None = None

    def build(self, port: Port, config: PredictorConfig) -> None:
        """Create the predictor and connect it."""
        asked = config.model, NETWORK, config.backend, config.require_backend, config.threads, config.engines
        _, self.backend = wanted(*asked)
        backend = self.backend
        warm(config, backend)
        learned = None if backend is None else LearnedPrediction(backend, config.vehicle)
        self.port, self.predictor = port, Predictor(config, learned)
        self.lights = port.latest(topics.TRAFFIC_LIGHTS, read_traffic_lights)
        self.route = port.latest(topics.ROUTE, read_route)
        self.goal = port.latest(topics.GOAL, read_goal)
        self.modes_out = port.publisher(topics.SCENE_MODES)
        self.intents_out = port.publisher(topics.INTENTS)
        self.proposals_out = port.publisher(topics.EGO_PROPOSALS)
        self.predictions_out = port.publisher(topics.PREDICTIONS)
        partners = [
            Join(topics.ODOMETRY, read_ego, must=True),
            Join(topics.LOCAL_VECTORS, read_lane_pieces),
            Join(topics.TERRAIN, read_grid),
        ]
        port.trigger(topics.TRACKS, read_tracked, self.predict, partners)

    def predict(self, tracks: Objects, ego: EgoState, pieces: LanePieces | None, terrain: Grid | None) -> None:
        """Predict one scene; the predictions go last, for they start the planner."""
        found = self.predictor.predict(tracks, ego, pieces, terrain, self.lights(), self.route(), self.goal())
        if found.guarded or self.backend is not None:
            self.port.say(Level.OK, '', guarded=str(found.guarded))
        if self.backend is not None:
            say_engine(self.port, self.backend, {'learned': str(found.learned)})
        if found.trouble:
            self.port.say(Level.WARN, f'the network tells nothing, physics and lanes do: {found.trouble}')
        self.modes_out.publish(write_scene_modes(found.scene_modes))
        self.intents_out.publish(write_intents(found.intents))
        self.proposals_out.publish(write_ego_proposals(found.proposals))
        self.predictions_out.publish(write_predictions(found.predictions))

    def free(self) -> None:
        """Give back what the engine holds."""
        if self.backend is not None:
            self.backend.close()
