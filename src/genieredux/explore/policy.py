"""The policy `auto_explore`: a trained agent plays, for data, for evaluation, for anybody (policies/registry.py finds
it by its name).
"""

from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from genieredux.config import from_plain
from genieredux.errors import UserError
from genieredux.explore.acting import draw
from genieredux.explore.config import NetworkConfig
from genieredux.explore.network import ActorCritic, State
from genieredux.frames import to_tensor
from genieredux.models.checkpoint import CheckpointData, load_model
from genieredux.policies.policy import Actions, Generators, Seen

KIND = "auto_explore"
_SHIPPED_FOLDER = Path(str(files("genieredux") / "agents" / "auto_explore"))


class AutoExplorePolicy:
    """Draws actions from the agent's distribution, each stream with the random numbers of its episode; a temperature is
    put around it (policies/wrappers.py). What it remembers begins anew where an episode does."""

    name, plays_alone = "auto_explore", True

    def __init__(self, net: ActorCritic) -> None:
        self._net = net
        self._generators = Generators(purpose=5)
        self._state: State | None = None

    @torch.no_grad()
    def logits(self, seen: Seen) -> NDArray[np.float32]:
        """Unnormalised log-probabilities float32 (N, A). Raises UserError for frames of another size."""
        count = len(seen.frames)
        _check_size(self._net, seen.frames.shape[1:3])
        if self._state is None or len(self._state[0]) != count:
            self._state = self._net.begin(count)
        device = self._net.actor.weight.device
        before = torch.from_numpy(np.where(seen.begun, -1, seen.actions))[None].to(device)
        begun = torch.from_numpy(seen.begun.copy())[None].to(device)
        judged = self._net(to_tensor(seen.frames)[None].to(device), before, begun, self._state)
        self._state = judged.state
        logits: NDArray[np.float32] = judged.logits[0].float().cpu().numpy()
        return logits

    def act(self, seen: Seen) -> Actions:
        """See `Policy.act`."""
        likely = torch.from_numpy(self.logits(seen)).double().softmax(-1).numpy()
        return draw(likely, np.array([generator.random() for generator in self._generators.of(seen)]))


def load(
    num_actions: int, checkpoint: str, action_names: tuple[str, ...] = (), image_size: int | None = None
) -> AutoExplorePolicy:
    """The policy of an agent's file, or of an agent that ships by its name. Raises UserError where the file is none, or
    was trained with other actions than those of the game, or on frames of another size."""
    data = load_model(find_agent(checkpoint), expect=KIND)
    names = tuple(data.config.get("action_names", ()))
    if (action_names and names != tuple(action_names)) or len(names) != num_actions:
        raise UserError(
            f"{data.path} was trained with the actions {', '.join(names)}; the game now has "
            f"{', '.join(action_names) or num_actions}: set connector.action_names=[{','.join(names)}]"
        )
    net = restored(data)
    if image_size is not None:
        _check_size(net, (image_size, image_size))
    return AutoExplorePolicy(net)


def _check_size(net: ActorCritic, shown: tuple[int, ...]) -> None:
    """Raises UserError for frames of another height and width than the agent's."""
    size = net.image_size
    if shown != (size, size):
        raise UserError(
            f"the agent sees frames of {size}x{size}, the game shows {shown[1]}x{shown[0]}; set "
            f"connector.image_size={size}"
        )


def find_agent(name: str) -> Path:
    """The file of an agent: its path, or that of one that ships by its name, such as "coinrun". A path that leads
    nowhere is for the opening to name."""
    path, shipped = Path(name), _SHIPPED_FOLDER / f"{name}.pt"
    return shipped if len(path.parts) == 1 and not path.exists() and shipped.is_file() else path


def restored(data: CheckpointData) -> ActorCritic:
    """The network of an agent's file. Raises UserError where it is damaged."""
    config = data.config
    network = from_plain(NetworkConfig, config.get("network", {}), f"{data.path}: network")
    try:
        net = ActorCritic(network, int(config["image_size"]), len(config["action_names"]))
        net.load_state_dict(data.state_dict)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{data.path} is damaged: {' '.join(str(error).split())[:200]}; train it again") from error
    return net.eval()
