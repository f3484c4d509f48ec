"""Who plays: random, held and recorded actions behind one protocol, and a wrapper that adds variety to any of
them.
"""

from genieredux.policies.policy import Policy
from genieredux.policies.registry import VARIANTS, make_policy
from genieredux.policies.scripted import HeldPolicy, RandomPolicy, RecordedPolicy
from genieredux.policies.wrappers import WithRandomActions

__all__ = [
    "VARIANTS",
    "HeldPolicy",
    "Policy",
    "RandomPolicy",
    "RecordedPolicy",
    "WithRandomActions",
    "make_policy",
]
