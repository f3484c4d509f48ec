"""Who plays: random, held and recorded actions behind one protocol, and wrappers that add variety to any of
them.
"""

from genieredux.policies.policy import NO_ACTION, Actions, Generators, Policy, Seen, stream_generator
from genieredux.policies.registry import VARIANTS, Policies, PolicySpec, check_variant, spec_of
from genieredux.policies.wrappers import HasLogits

__all__ = [
    "NO_ACTION",
    "VARIANTS",
    "Actions",
    "Generators",
    "HasLogits",
    "Policies",
    "Policy",
    "PolicySpec",
    "Seen",
    "check_variant",
    "spec_of",
    "stream_generator",
]
