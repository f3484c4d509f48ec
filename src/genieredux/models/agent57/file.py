"""The file of a trained agent: its networks with their running moments, and what it was trained to play."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import random as torch_random

from genieredux.config import from_plain
from genieredux.errors import UserError
from genieredux.models.agent57.agent import KIND, Agent
from genieredux.models.agent57.settings import AgentConfig
from genieredux.models.checkpoint import load_model

SHIPPED = Path(__file__).parents[2] / "agents"
"""The agents that ship with the package, by name."""


def find_agent(name: str | Path) -> Path:
    """The file of an agent: by the name of one that ships with the package, such as "coinrun", or by its own path."""
    path = Path(name)
    shipped = SHIPPED / f"{path}.pt"
    return shipped if len(path.parts) == 1 and shipped.is_file() and not path.exists() else path


@dataclass(frozen=True)
class AgentFile:
    """agent: ready to play. action_names, game: of what it was trained on, empty where the file does not say.
    best_member: which returned most lately. distance: the mean distance by which its episodic memories judge."""

    agent: Agent
    action_names: tuple[str, ...]
    game: str
    best_member: int
    distance: float


def load_agent(path: str | Path) -> AgentFile:
    """A `model-<step>.pt` that `agent57 train` wrote. Raises UserError for a missing, damaged or foreign one."""
    data = load_model(path, expect=KIND)
    config: dict[str, Any] = dict(data.config)
    num_actions = config.pop("num_actions", None)
    facts: Mapping[str, Any] = data.metadata
    member, distance = facts.get("best_member", 0), facts.get("distance", 0.0)
    names = facts.get("action_names", [])
    right = (
        isinstance(num_actions, int)
        and 1 <= num_actions <= 4096
        and isinstance(names, list)
        and len(names) in (0, num_actions)
        and isinstance(member, int)
        and isinstance(distance, int | float)
    )
    if not right:
        raise UserError(f"{path} is no whole agent: its actions or what it says of its play are damaged; copy it again")
    settings = from_plain(AgentConfig, config, f"{path}: agent")
    with torch_random.fork_rng(devices=[]):
        agent = Agent(settings, num_actions)
    try:
        agent.load_state_dict(data.state_dict)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: its weights do not fit its settings ({reason}); copy it again") from error
    member = min(max(member, 0), settings.policies - 1)
    return AgentFile(
        agent.eval().requires_grad_(False), tuple(map(str, names)), str(facts.get("game", "")), member, float(distance)
    )
