"""Who plays: random, held and recorded actions behind one protocol, and wrappers that add variety to any of
them.
"""

from genieredux.policies.policy import Policy
from genieredux.policies.registry import VARIANTS, PolicySpec, make_policy
from genieredux.policies.scripted import HeldPolicy, RandomPolicy, RecordedPolicy
from genieredux.policies.wrappers import WithRandomActions, WithStickyActions

__all__ = [
    "VARIANTS",
    "HeldPolicy",
    "Policy",
    "PolicySpec",
    "RandomPolicy",
    "RecordedPolicy",
    "WithRandomActions",
    "WithStickyActions",
    "make_policy",
]
