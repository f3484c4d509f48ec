"""The losses of one batch of sequences: values (Agent57, section 3.1), embedding and distillation (NGU, section 2).

Q_e learns r_e and Q_i learns r_i, both towards one greedy policy of their mixture. Knows no optimiser and no game.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from genieredux.agent57.config import LearnConfig, ReplayConfig
from genieredux.agent57.meme import ErrorSizes, trusted
from genieredux.agent57.replay import Sequence
from genieredux.agent57.returns import n_step, retrace, sequence_priority, traces_of
from genieredux.models.agent57.agent import Agent, States
from genieredux.models.agent57.networks import Inputs, RecurrentQ
from genieredux.models.agent57.values import inverse_transform


@dataclass(frozen=True)
class Batch:
    """Sequences on a device, time first: T steps and the frame after them. inputs: (T + 1, B, ...).

    actions, extrinsic, intrinsic, behaviour: (T, B). valid: the step is there. learned: it is no burn-in either.
    discount: 1, or 0 where the game ended. states: of every head. begins: (B,). members: (B,).
    """

    inputs: Inputs
    actions: Tensor
    extrinsic: Tensor
    intrinsic: Tensor
    behaviour: Tensor
    valid: Tensor
    learned: Tensor
    discount: Tensor
    states: States
    begins: Tensor
    members: Tensor

    @classmethod
    def of(cls, sequences: Sequence, burn_in: int, device: torch.device) -> "Batch":
        """The stacked sequences of a replay, cut to the longest of them."""
        steps = int(sequences["length"].max())
        tensors = {name: torch.from_numpy(values).to(device) for name, values in sequences.items()}
        names = ("frames", "previous_actions", "extrinsic_rewards", "intrinsic_rewards")
        frames, actions, extrinsic, intrinsic = (tensors[name].transpose(0, 1)[: steps + 1] for name in names)
        members = tensors["member"]
        inputs = Inputs(frames, actions, extrinsic, intrinsic, members.expand(steps + 1, -1))
        at = torch.arange(steps, device=device)[:, None]
        valid = at < tensors["length"]
        over = tensors["ended"] & (at == tensors["length"] - 1)
        begins = tensors["begins"]
        states = tensors["states"]
        return cls(
            inputs=inputs,
            actions=actions[1:],
            extrinsic=extrinsic[1:],
            intrinsic=intrinsic[1:],
            behaviour=tensors["behaviour"].transpose(0, 1)[:steps],
            valid=valid,
            learned=valid & (begins | (at >= burn_in)),
            discount=(valid & ~over).float(),
            states=tuple((states[:, head, 0], states[:, head, 1]) for head in range(states.shape[1])),
            begins=begins,
            members=members,
        )


def unrolled(head: RecurrentQ, batch: Batch, state: tuple[Tensor, Tensor], burn_in: int) -> Tensor:
    """Values (T + 1, B, A) from the stored states.

    In sequences that begin within an episode no gradient passes from the steps after the burn-in into it (R2D2, 3.2).
    """
    steps = len(batch.inputs.frames)
    if not 0 < burn_in < steps or bool(batch.begins.all()):
        return head(batch.inputs, state)[0]
    early, state = head(batch.inputs.steps(0, burn_in), state)
    through = batch.begins[:, None]
    state = (
        torch.where(through, state[0], state[0].detach()),
        torch.where(through, state[1], state[1].detach()),
    )
    return torch.cat([early, head(batch.inputs.steps(burn_in, steps), state)[0]])


@dataclass(frozen=True)
class ValueLosses:
    """losses: of each head, and priorities (B,) of the sequences."""

    losses: tuple[Tensor, ...]
    priorities: Tensor


def value_losses(
    agent: Agent,
    target: Agent,
    batch: Batch,
    weights: Tensor,
    learn: LearnConfig,
    replay: ReplayConfig,
    sizes: ErrorSizes | None = None,
) -> ValueLosses:
    """Half the squared errors of every head, weighted (B,): the sum over the learned steps, the mean over sequences.

    target: the agent whose values are bootstrapped from. sizes: with them errors are divided by their running size.
    """
    online = tuple(
        unrolled(head, batch, state, replay.burn_in) for head, state in zip(agent.heads, batch.states, strict=True)
    )
    with torch.no_grad():
        delayed = tuple(
            unrolled(head, batch, state, replay.burn_in) for head, state in zip(target.heads, batch.states, strict=True)
        )
        greedy = agent.greedy_values(online, batch.inputs.policy_index).argmax(-1)
        discounts = batch.discount * agent.gammas[batch.members]
        traces = traces_of(greedy[:-1], batch.actions, batch.behaviour, learn.retrace_lambda) * batch.valid
    losses, errors = [], []
    for k, (values, late, rewards) in enumerate(zip(online, delayed, _rewards(agent, batch), strict=True)):
        source = values.detach() if learn.trust_region is not None else late
        taken = _at(values[:-1], batch.actions)
        with torch.no_grad():
            expected = inverse_transform(_at(source[1:], greedy[1:]))
            if learn.target == "retrace":
                goal = retrace(_at(source[:-1], batch.actions), expected, rewards, discounts, traces)
            else:
                goal = n_step(expected, rewards, discounts, batch.valid, learn.n_steps)
        error = goal - taken
        counted = batch.learned
        if sizes is not None:
            size = sizes.update(k, error.detach(), batch.members, batch.learned)
            if learn.trust_region is not None:
                late_taken = _at(late[:-1], batch.actions)
                counted = counted & trusted(taken.detach(), late_taken, goal, learn.trust_region * size)
            error = error / size
        losses.append((0.5 * error.square() * counted * weights).sum() / len(batch.members))
        errors.append(error.detach().abs())
    total = errors[0] if len(errors) == 1 else errors[0] + agent.betas[batch.members] * errors[1]
    return ValueLosses(tuple(losses), sequence_priority(total, batch.learned, replay.max_share))


def _rewards(agent: Agent, batch: Batch) -> tuple[Tensor, ...]:
    """What each head learns: r_e and r_i, or r_e + beta r_i where one has both (NGU). Nothing where no step is."""
    extrinsic, intrinsic = batch.extrinsic * batch.valid, batch.intrinsic * batch.valid
    if agent.int_q is None:
        return (extrinsic + agent.betas[batch.members] * intrinsic,)
    return extrinsic, intrinsic


def _at(values: Tensor, actions: Tensor) -> Tensor:
    """Values (T, B, A) of actions (T, B)."""
    return values.gather(-1, actions[..., None]).squeeze(-1)


def curiosity_losses(agent: Agent, batch: Batch, steps: int) -> Mapping[str, Tensor]:
    """Of the last `steps` transitions of every sequence: `inverse`, the cross-entropy of the action between two frames,
    and `distillation`, the error of the life-long predictor at the second; whose running moments take them in."""
    at = torch.arange(len(batch.valid), device=batch.valid.device)[:, None]
    chosen = batch.valid & (at >= batch.valid.sum(0) - steps)
    frames = batch.inputs.frames
    before, after = frames[:-1][chosen], frames[1:][chosen]
    both = agent.embedding(torch.cat([before, after])).chunk(2)
    inverse = F.cross_entropy(agent.embedding.inverse(*both), batch.actions[chosen])
    lifelong = agent.lifelong
    lifelong.pixels.update(after.float())
    error = lifelong.error(after)
    lifelong.errors.update(error.detach())
    return {"inverse": inverse, "distillation": error.mean()}
