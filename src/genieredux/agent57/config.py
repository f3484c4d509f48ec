"""The job of training an Agent57: where it plays, who plays, what is remembered, how it is learned. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from genieredux.checking import at_least, one_of, require
from genieredux.config import FilePath
from genieredux.envs.adapters import KINDS, adapter
from genieredux.envs.config import EnvConfig
from genieredux.models.agent57.settings import AgentConfig
from genieredux.runs.places import inside
from genieredux.settings import Range, Seed, Share, check_values
from genieredux.training.config import LogConfig, LoopConfig

Count = Annotated[int, Range(1, 1_000_000)]
CountOrNone = Annotated[int, Range(0, 1_000_000)]
Rate = Annotated[float, Range(1e-9, 1)]


@dataclass
class GameConfig:
    """The game that is played, as environments have it."""

    kind: str = "gymnasium"
    """`procgen`, `retro` (stable-retro), `ale` (Atari through ale-py), `gymnasium` or `fake`."""
    game: str = "genieredux.agent57.tasks:RandomCoin"
    """The library's own name; a Gymnasium id, or `module:Class`."""
    action_names: tuple[str, ...] | None = None
    """The actions to offer, in order; null = the game's defaults."""
    frame_skip: int | None = None
    """How many game frames an action is held; null = 4 for retro and ale, 1 for the others."""
    start_frames: int = 0
    """retro: emulator frames that pass, with no button held, before an episode's first frame."""
    max_episode_steps: int | None = None
    """After this many steps an episode is cut; null = only the game ends it."""
    num_levels: int = 0
    """Levels to draw from; 0 = no limit."""
    start_level: int = 0
    """The first of these levels."""
    distribution_mode: str = "hard"
    """Procgen's difficulty: easy, hard, extreme or memory."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further keyword arguments for the game's library."""

    def __post_init__(self) -> None:
        one_of("env.kind", self.kind, KINDS)
        self.env()

    def env(self) -> EnvConfig:
        """As environments take it. Its own frames are not looked at, so they are small."""
        return EnvConfig(image_size=8, **vars(self))


@dataclass
class ActorsConfig:
    """Who plays while there is something to learn."""

    processes: Annotated[int, Range(0, 4096)] = 0
    """Processes that play; 0 = the learner plays itself, between its updates. It changes no number that is learned
    where the same lanes play in as many actors."""
    backend: Literal["local", "ray"] = "local"
    """Where they run: `local`, on this machine, or `ray`, on a Ray cluster, one CPU each. It changes no number."""
    ray_address: str = "auto"
    """`auto` (the cluster that this machine belongs to), the head's `HOST:PORT`, or `local` (one started for this
    command)."""
    lanes: Annotated[int, Range(1, 1024)] = 8
    """Games that each actor plays side by side (1 for retro, which has one emulator in a process)."""
    steps: Count = 8
    """Steps of every lane from update to update."""
    pull: Count = 10
    """Updates after which actors get the new weights."""
    epsilon: Share = 0.4
    """Chance of a random action: lane i of L has epsilon ** (1 + alpha i / (L - 1)) (R2D2, section 2.3)."""
    alpha: Annotated[float, Range(0, 100)] = 7.0
    """See epsilon."""
    bandit_window: Count = 30
    """Episodes that the bandit of an actor looks back (the paper: 90)."""
    bandit_beta: Annotated[float, Range(0, 1e6)] = 1.0
    """Weight of its bonus for members that were seldom tried."""
    bandit_epsilon: Share = 0.5
    """How often it draws a member at random."""


@dataclass
class ReplayConfig:
    """What is remembered of play."""

    capacity: Annotated[int, Range(1, 10**9)] = 5_000
    """Sequences; the oldest make room."""
    min_size: Count = 200
    """Sequences that must be there before the first update."""
    trace: Count = 40
    """Steps of a sequence (the paper: 160)."""
    period: Count = 20
    """Steps from the beginning of one to that of the next (the paper: 80)."""
    burn_in: CountOrNone = 10
    """Steps in front, of a sequence that begins within an episode, that only bring the state up to date."""
    exponent: Share = 0.9
    """Of priorities."""
    max_share: Share = 0.9
    """Share of the largest error of a sequence in its priority; the rest is the mean's."""
    importance: Share = 0.0
    """Exponent of the weights that make up for drawing by priority."""
    save: bool = True
    """Whether checkpoints hold the replay. Without it a run that goes on plays `min_size` sequences first, and is not
    the run to the bit."""


@dataclass
class LearnConfig:
    """How it is learned."""

    batch: Annotated[int, Range(1, 65_536)] = 16
    """Sequences of an update."""
    learning_rate: Rate = 3e-4
    """Adam's, of the values (the paper: 1e-4)."""
    curiosity_rate: Rate = 5e-4
    """Adam's, of the embedding and of random distillation."""
    adam_epsilon: Rate = 1e-4
    """Adam's epsilon."""
    clip: Annotated[float, Range(1e-6, 1e9)] = 40.0
    """The gradient of each network is clipped to it."""
    target_update: Count = 300
    """Updates from one copy of the values to the target network to the next (the paper: 1,500)."""
    target: Literal["retrace", "n_step"] = "retrace"
    """What values are trained towards."""
    retrace_lambda: Share = 0.95
    """Of the traces of retrace."""
    n_steps: Annotated[int, Range(1, 1000)] = 5
    """For target=n_step."""
    curiosity_steps: Count = 5
    """The last steps of each sequence, which the embedding and random distillation learn from (NGU)."""
    cross_mixture: Share = 0.0
    """Share of the drawn sequences from which a member of the family drawn at random learns, instead of the one that
    played (MEME's cross-mixture training: there all members learn from every sequence, by weights). Curious members
    then teach the one that exploits."""
    normalise: bool = False
    """Divide errors by their running size, per head and member, in losses and priorities (MEME, section 3)."""
    trust_region: Annotated[float, Range(1e-6, 1e6)] | None = None
    """Bootstrap from the online values, and leave out steps that would lead further than so many error sizes from the
    target network's (MEME, section 3; 2 there; needs normalise)."""


@dataclass
class RunConfig(LogConfig, LoopConfig):
    """How long, and what is written down. Steps are updates."""

    num_train_steps: Annotated[int, Range(1, 10**10)] = 20_000
    """Updates, after which the run is over."""
    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    """Where values are learned: cpu, cuda, or auto: a GPU where there is one. Actors play on CPUs."""

    def __post_init__(self) -> None:
        LoopConfig.__post_init__(self)
        LogConfig.__post_init__(self)
        one_of("train.accelerator", self.accelerator, ("auto", "cpu", "cuda"))
        require(self.schedule == "steps", "train.schedule", self.schedule, "steps: the rate of an agent is constant")
        require(
            self.ema_decay is None, "train.ema_decay", self.ema_decay, "null: an agent has a target network instead"
        )
        require(self.trainable == "all", "train.trainable", self.trainable, "all")


@dataclass
class EvalConfig:
    """How an agent is measured."""

    agent_fpath: FilePath | None = None
    """Its file: a model-<step>.pt of a run, or a published Agent57_<Game>.ckpt; or `coinrun`, which ships with the
    package."""
    episodes: Count = 20
    """Episodes that are played."""
    member: CountOrNone | None = None
    """Which member of the family plays; null = the one that returned most lately in training."""
    epsilon: Share = 0.0
    """How often its action is random."""
    start_level: int | None = None
    """The first level; null = that of env."""
    num_levels: int | None = None
    """Levels to draw from; null = that of env."""
    seed: Seed = 1
    """Of the levels and of everything random."""
    baselines: bool = True
    """Whether random play, sticky random play and the best of holding one action throughout are measured beside it
    (`eval` only)."""


@dataclass
class Agent57Config:
    """agent57 train | eval. The few you will want to change: env.game, train.num_train_steps, actors.processes."""

    run_name: str = "agent57"
    """The run's folder is checkpoints_dpath/agent57/run_name."""
    checkpoints_dpath: FilePath = "checkpoints"
    """The folder of all runs."""
    env: GameConfig = field(default_factory=GameConfig)
    agent: AgentConfig = field(default_factory=AgentConfig)
    actors: ActorsConfig = field(default_factory=ActorsConfig)
    replay: ReplayConfig = field(default_factory=ReplayConfig)
    learn: LearnConfig = field(default_factory=LearnConfig)
    train: RunConfig = field(default_factory=RunConfig)
    eval: EvalConfig = field(default_factory=EvalConfig)

    def __post_init__(self) -> None:
        for name in ("actors", "replay", "learn", "eval"):
            part = getattr(self, name)
            check_values(type(part), vars(part), name)
        self.agent.ladder()
        replay, actors = self.replay, self.actors
        require(replay.period <= replay.trace, "replay.period", replay.period, f"{replay.trace} (replay.trace) or less")
        overlap = replay.trace - replay.period
        require(
            replay.burn_in <= overlap,
            "replay.burn_in",
            replay.burn_in,
            f"{overlap} (replay.trace - replay.period) or less, else steps in between are never learned",
        )
        at_least("replay.capacity", replay.capacity, max(replay.min_size, self.learn.batch))
        if adapter(self.env.kind).processes == "each":
            require(actors.lanes == 1, "actors.lanes", actors.lanes, f"1 for env.kind={self.env.kind}")
            at_least(f"actors.processes (for env.kind={self.env.kind})", actors.processes, 1)
        if self.actors.backend == "ray":
            at_least("actors.processes (for actors.backend=ray)", self.actors.processes, 1)
        if self.learn.trust_region is not None:
            require(self.learn.normalise, "learn.normalise", self.learn.normalise, "true where trust_region is set")
        if self.eval.member is not None:
            within = self.eval.member < self.agent.policies or self.eval.agent_fpath is not None
            require(within, "eval.member", self.eval.member, f"below agent.policies ({self.agent.policies})")

    @property
    def folder(self) -> Path:
        """The run folder."""
        return inside(Path(self.checkpoints_dpath) / "agent57", self.run_name, "run_name")
