"""From a configured name (`connector.variant`) to a policy."""

from collections.abc import Callable
from difflib import get_close_matches

from genieredux.errors import UserError
from genieredux.policies.policy import Policy
from genieredux.policies.scripted import HeldPolicy, RandomPolicy
from genieredux.policies.wrappers import WithRandomActions

VARIANTS: dict[str, Callable[[int], Policy]] = {"random": RandomPolicy, "held": HeldPolicy}
"""Policies that need nothing but the number of actions."""


def make_policy(variant: str, num_actions: int, gamma: float = 0.0, temperature: float | None = None) -> Policy:
    """The policy named `variant`, wrapped where a chance of random actions or a temperature is asked for.

    Raises `UserError` at an unknown name.
    """
    if variant not in VARIANTS:
        near = get_close_matches(variant, VARIANTS, n=1, cutoff=0.0)[0]
        raise UserError(f"connector.variant '{variant}' is unknown; nearest: '{near}'; all: {', '.join(VARIANTS)}")
    policy = VARIANTS[variant](num_actions)
    if gamma == 0.0 and temperature is None:
        return policy
    return WithRandomActions(policy, num_actions, gamma, temperature)
