"""From a configured name (`connector.variant`) to a policy, here or in another process.

A policy is made by a function `(num_actions, ...) -> Policy`. What else the function takes is what the user may set:
`checkpoint` is the agent's file, `action_names` and `game_name` are the game's, and every other parameter an option of
that name. It is imported when it is asked for, so that policies of rooms above this one stand in the table too.
"""

import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, make_dataclass
from typing import Any

from genieredux import own_code
from genieredux.checking import one_of
from genieredux.config import from_plain
from genieredux.errors import UserError
from genieredux.policies.own import OwnPolicy
from genieredux.policies.policy import Policy
from genieredux.policies.wrappers import WithRandomActions, WithStickyActions, WithTemperature

VARIANTS = {
    "random": "genieredux.policies.scripted:RandomPolicy",
    "held": "genieredux.policies.scripted:HeldPolicy",
    "recorded": "genieredux.policies.recorded:recorded",
    "agent57": "genieredux.agent57.policy:agent57",
    "auto_explore": "genieredux.explore.policy:load",
}
"""Name -> "module:function" that makes the policy. Another `module:function` may be named in its place."""

TRAINED_VARIANTS = ("auto_explore", "agent57")
"""Published players that need a trained agent."""

WRAPPERS: Mapping[str, Callable[[Policy, int, float], Policy]] = {
    "temperature": WithTemperature,
    "gamma": WithRandomActions,
    "sticky": WithStickyActions,
}
"""What may be put around any policy: name -> from the policy, the number of actions and a number."""

_GIVEN = ("num_actions", "action_names", "game_name", "checkpoint")
_GIVEN_TO_OURS = (*_GIVEN, "image_size")
"""Of policies in the table; a function of the user's own may call an option so."""
_OPTIONS = "connector.agent.options"


@dataclass(frozen=True)
class PolicySpec:
    """What a policy is made from: plain values, so that a worker process or another machine can make the same one.

    name: one of `VARIANTS`, or `module:function`. checkpoint: the agent's file, for policies that take one. options:
    the function's own. wrappers: (name in `WRAPPERS`, value) each, the innermost first. action_names: the game's
    `num_actions` actions, game_name: its own, and image_size: pixels of a side of the frames, where they are known.
    """

    name: str
    num_actions: int
    checkpoint: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    wrappers: tuple[tuple[str, float], ...] = ()
    action_names: tuple[str, ...] = ()
    game_name: str = ""
    image_size: int | None = None

    def build(self) -> Policy:
        """The policy. Raises `UserError` at an unknown name, at what it does not take, and at a value out of range."""
        maker = _Maker(self.name)
        maker.check(self.checkpoint, self.options)
        arguments = {name: getattr(self, name) for name in maker.given if name in maker.parameters}
        with own_code.blamed(f"the policy '{self.name}' cannot be made"):
            policy = maker.function(**arguments, **maker.typed(self.options))
        for name, value in self.wrappers:
            policy = WRAPPERS[name](policy, self.num_actions, value)
        return OwnPolicy(policy, self.name, self.num_actions) if ":" in self.name else policy


class Policies:
    """Policies that were built, one for each specification."""

    def __init__(self) -> None:
        self._built: list[tuple[PolicySpec, Policy]] = []

    def get(self, spec: PolicySpec) -> Policy:
        """The policy of a specification, built at the first call."""
        for known, policy in self._built:
            if known == spec:
                return policy
        self._built.append((spec, spec.build()))
        return self._built[-1][1]


def spec_of(names: Iterable[str], checkpoint: str | None, options: Mapping[str, Any]) -> dict[str, PolicySpec]:
    """Specifications of several policies that share one checkpoint and options: each gets what it takes.

    Their `num_actions` is 0, to be filled in. Raises `UserError` where one is unknown, lacks what it needs, or a value
    is set that none of them takes.
    """
    makers = {name: _Maker(name) for name in names}
    if checkpoint is not None and not any(maker.takes_checkpoint for maker in makers.values()):
        one = next(iter(makers.values()))
        raise UserError(f"connector.agent.checkpoint_fpath is set, but the policy '{one.name}' has none; leave it out")
    known = [option for maker in makers.values() for option in maker.options]
    for option in options:
        if option not in known and not any(maker.takes_all for maker in makers.values()):
            said = "; ".join(f"'{maker.name}' takes {maker.says()}" for maker in makers.values())
            raise UserError(f"{_OPTIONS} has no '{option}': the policy {said}")
    specs = {}
    for name, maker in makers.items():
        own = {key: value for key, value in options.items() if key in maker.options or maker.takes_all}
        maker.check(checkpoint if maker.takes_checkpoint else None, own)
        specs[name] = PolicySpec(name, 0, checkpoint if maker.takes_checkpoint else None, own)
    return specs


def check_variant(name: str) -> None:
    """Raises `UserError` where a policy of that name cannot be found."""
    _Maker(name)


class _Maker:
    """The function that makes a policy, and what it takes."""

    def __init__(self, name: str) -> None:
        self.name = name
        if ":" not in name:
            if name in TRAINED_VARIANTS and name not in VARIANTS:
                raise UserError(
                    f"connector.variant '{name}' plays a trained agent, which this version does not have yet; "
                    f"it has: {', '.join(VARIANTS)}"
                )
            one_of("connector.variant", name, VARIANTS)
        self.function = own_code.load(VARIANTS.get(name, name), "connector.variant")
        if not callable(self.function):
            raise UserError(f"connector.variant '{name}' is no function that makes a policy")
        signature = inspect.signature(self.function)
        self.takes_all = any(one.kind is one.VAR_KEYWORD for one in signature.parameters.values())
        self.parameters = {
            key: one
            for key, one in signature.parameters.items()
            if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)
        }
        self.given = _GIVEN if ":" in name else _GIVEN_TO_OURS
        self.options = {key: one for key, one in self.parameters.items() if key not in self.given}

    @property
    def takes_checkpoint(self) -> bool:
        return "checkpoint" in self.parameters

    def says(self) -> str:
        """The names of its options, for an error."""
        return ", ".join(self.options) or "no options"

    def check(self, checkpoint: str | None, options: Mapping[str, Any]) -> None:
        """Raises `UserError` where something is missing, or of the wrong type, or not known."""
        if checkpoint is not None and not self.takes_checkpoint:
            raise UserError(f"connector.agent.checkpoint_fpath: the policy '{self.name}' has none; leave it out")
        needs = self.parameters.get("checkpoint")
        if checkpoint is None and needs is not None and needs.default is needs.empty:
            raise UserError(f"the policy '{self.name}' needs connector.agent.checkpoint_fpath=FILE")
        for key, one in self.options.items():
            if one.default is one.empty and key not in options:
                raise UserError(f"the policy '{self.name}' needs {_OPTIONS}.{key}; it takes {self.says()}")
        self.typed(options)

    def typed(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options as the types that the function declares."""
        function = self.function.__init__ if inspect.isclass(self.function) else self.function
        hints = typing.get_type_hints(function)
        own = {key: value for key, value in options.items() if key in self.options or not self.takes_all}
        names = [(key, hints.get(key, Any)) for key in self.options if key in own]
        unknown = [key for key in own if key not in self.options]
        if unknown:
            raise UserError(f"{_OPTIONS} has no '{unknown[0]}': the policy '{self.name}' takes {self.says()}")
        return {**options, **vars(from_plain(make_dataclass("Options", names), own, _OPTIONS))}
