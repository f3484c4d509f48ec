"""From a configured name (`connector.variant`) to a policy, here or in another process."""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

from genieredux.errors import UserError
from genieredux.policies.policy import Policy
from genieredux.policies.scripted import HeldPolicy, RandomPolicy
from genieredux.policies.wrappers import WithRandomActions, WithStickyActions

VARIANTS: dict[str, Callable[[int], Policy]] = {"random": RandomPolicy, "held": HeldPolicy}
"""Policies that need nothing but the number of actions."""


@dataclass(frozen=True)
class PolicySpec:
    """What a policy is made from: plain values, so that a worker process or another machine can make the same one.

    gamma: probability of a random action, 0 to 1. temperature: None, or 0 and above, for policies with preferences.
    sticky: probability that the action before is repeated, 0 to below 1.
    """

    variant: str
    num_actions: int
    gamma: float = 0.0
    temperature: float | None = None
    sticky: float = 0.0

    def build(self) -> Policy:
        """The policy. Raises `UserError` at an unknown name or a value out of range."""
        return make_policy(self.variant, self.num_actions, self.gamma, self.temperature, self.sticky)


def make_policy(
    variant: str, num_actions: int, gamma: float = 0.0, temperature: float | None = None, sticky: float = 0.0
) -> Policy:
    """The policy named `variant`, wrapped where a chance of random or repeated actions or a temperature is asked for.

    Raises `UserError` at an unknown name or a value out of range.
    """
    if variant not in VARIANTS:
        near = get_close_matches(variant, VARIANTS, n=1, cutoff=0.0)[0]
        raise UserError(f"connector.variant '{variant}' is unknown; nearest: '{near}'; all: {', '.join(VARIANTS)}")
    policy = VARIANTS[variant](num_actions)
    if gamma != 0.0 or temperature is not None:
        policy = WithRandomActions(policy, num_actions, gamma, temperature)
    return policy if sticky == 0.0 else WithStickyActions(policy, sticky)
