"""Training an agent and measuring one: what the verb calls, and what Python may."""

import torch

from genieredux.agent57.config import Agent57Config
from genieredux.agent57.learner import AgentLearner
from genieredux.agent57.measure import STICKY, Score, chooser, held_player, played, random_player, streams_for
from genieredux.agent57.policy import open_player
from genieredux.envs.factory import describe
from genieredux.errors import UserError
from genieredux.runs import RunFolder
from genieredux.training import RunResult, drive
from genieredux.training.config import MachineConfig
from genieredux.training.machine.devices import make_fabric


def train(cfg: Agent57Config) -> RunResult:
    """Train an agent in cfg.folder. Raises UserError, before the folder is made, for a game that cannot be played or a
    replay that memory has no room for; else as `training.drive` does.
    """
    facts = describe(cfg.env.env())
    fabric = make_fabric(MachineConfig(accelerator=cfg.train.accelerator))
    learner = AgentLearner(cfg, facts, torch.device(fabric.device))
    return drive(learner, cfg.train, RunFolder(cfg.folder, settings=cfg), log=cfg.train, fabric=fabric)


def evaluate(cfg: Agent57Config) -> list[Score]:
    """The agent of cfg.eval.agent_fpath in the game of cfg.env: its score, then those of play that sees nothing
    (`baselines`).

    Raises UserError where there is no file, or it does not fit the game.
    """
    if cfg.eval.agent_fpath is None:
        raise UserError(
            "eval.agent_fpath is null: name the agent: coinrun, or checkpoints/agent57/coinrun/model-best.pt"
        )
    facts = describe(cfg.env.env())
    player = open_player(cfg.eval.agent_fpath, facts.action_names, facts.game)
    streams = streams_for(cfg.env, cfg.eval)
    member = player.member(cfg.eval.member)
    returns = played(cfg.env, cfg.eval, chooser(player.acting(streams), member, cfg.eval.epsilon), streams)
    scores = [Score(f"member {member} of {player.agent.config.policies}", returns)]
    if cfg.eval.baselines:
        names = facts.action_names
        players = {
            "random": random_player(len(names), 0.0),
            f"sticky random ({STICKY})": random_player(len(names), STICKY),
        }
        scores += [Score(name, played(cfg.env, cfg.eval, choose, streams)) for name, choose in players.items()]
        held = [
            Score(f"{name} held", played(cfg.env, cfg.eval, held_player(k), streams)) for k, name in enumerate(names)
        ]
        scores.append(max(held, key=lambda score: score.mean))
    return scores
