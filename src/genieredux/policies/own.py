"""A policy that a user wrote, held to what `Policy` promises: what it does wrong is one line with the cause."""

from typing import Any

import numpy as np

from genieredux import own_code
from genieredux.errors import UserError
from genieredux.policies.policy import Actions, Policy, Seen


class OwnPolicy:
    """Plays `policy`, which `said` (module:function) made, and looks at each of its answers. Other attributes are the
    policy's.

    Raises `UserError` where it has no name, does not say whether it plays alone, fails, or answers with something that
    is not an action for each stream.
    """

    def __init__(self, policy: Policy, said: str, num_actions: int) -> None:
        self._called, self._policy, self._num_actions = f"the policy '{said}'", policy, num_actions
        for attribute, kind in (("name", str), ("plays_alone", bool)):
            if not isinstance(getattr(policy, attribute, None), kind):
                raise UserError(f"{self._called} must have an attribute {attribute}, a {kind.__name__}")
        if not callable(getattr(policy, "act", None)):
            raise UserError(f"{self._called} must have a method act(seen)")
        self.name, self.plays_alone = policy.name, policy.plays_alone

    def act(self, seen: Seen) -> Actions:
        """See `Policy.act`."""
        with own_code.blamed(f"{self._called}: its act failed"):
            actions = np.asarray(self._policy.act(seen))
        if actions.shape != (len(seen.frames),) or actions.dtype.kind not in "iu":
            raise UserError(
                f"{self._called}: act must give a whole number for each of the {len(seen.frames)} streams; "
                f"it gives {actions.dtype} {actions.shape}"
            )
        if actions.min() < 0 or actions.max() >= self._num_actions:
            wrong = int(actions.min() if actions.min() < 0 else actions.max())
            raise UserError(f"{self._called}: act gives action {wrong}; there are 0 to {self._num_actions - 1}")
        return actions.astype(np.int64, copy=False)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._policy, name)
