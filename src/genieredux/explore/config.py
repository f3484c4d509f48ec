"""The knobs of exploration, by the names of the published commands where they have one. Imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from genieredux.checking import at_least, require, within
from genieredux.config import FilePath
from genieredux.errors import UserError
from genieredux.explore.loop_config import LoopSettings
from genieredux.explore.reward_config import RewardConfig
from genieredux.settings import Range, Seed, Settings, Width, check_values

Count = Annotated[int, Range(1, 1_000_000)]
CountOrNone = Annotated[int, Range(0, 1_000_000)]
Chance = Annotated[float, Range(0, 1)]


@dataclass(frozen=True)
class CommonConfig:
    """The run."""

    root_dpath: FilePath = "checkpoints/auto_explore"
    """The folder of all runs; each is called by its number and its name, such as 001_auto_explore."""
    name: str = "auto_explore"
    """What a new run is called after its number."""
    epochs: Count | None = None
    """Epochs of a training (null: 300, as P25), or episodes of an evaluation (null: 20)."""
    device: Literal["auto", "cpu", "gpu", "cuda"] = "auto"
    """auto: a GPU where there is one."""
    seed: Seed = 0
    """Of everything that is drawn."""
    resume_id: int | None = None
    """The number of a run to go on with, or to evaluate; null: a new run (evaluation: the newest)."""
    resume_ckpt_id: str | None = None
    """The checkpoint of that run, such as model_best_reward or model-300; null: the newest (evaluation: the best)."""

    def __post_init__(self) -> None:
        check_values(CommonConfig, vars(self), "common")
        at_least("common.resume_id", self.resume_id, 1)


@dataclass(frozen=True)
class WorldModelConfig:
    """The world whose doubt is the reward: root_dpath/model_dname/model_fname, or model_fpath."""

    root_dpath: FilePath = "checkpoints/genie_redux_guided"
    """The folder of the runs of worlds."""
    model_dname: str | None = None
    """The run in it."""
    model_fname: str | None = None
    """The checkpoint in that."""
    model_fpath: FilePath | None = None
    """A world by its path, or one that ships by its name (coinrun, jumper); instead of the other three."""

    @property
    def path(self) -> str:
        """The file. Raises UserError where none is named."""
        if self.model_fpath:
            return self.model_fpath
        if not (self.model_dname and self.model_fname):
            raise UserError(
                "no world is named: set world_model.model_fpath (a path, or coinrun for the one that ships), or "
                "world_model.model_dname and world_model.model_fname below world_model.root_dpath"
            )
        return f"{self.root_dpath.rstrip('/')}/{self.model_dname}/{self.model_fname}"


@dataclass(frozen=True)
class PlayConfig:
    """How much is played in an epoch, and how."""

    ALIASES: ClassVar[Mapping[str, str]] = {"episilon": "epsilon"}

    num_steps: Count = 200
    """Steps of every environment."""
    num_envs: Annotated[int, Range(1, 4096)] = 8
    """Environments side by side."""
    epsilon: Chance = 0.1
    """The chance of a random action, drawn for each environment by itself, in the first epoch."""
    epsilon_final: Chance | None = 0.01
    """The same after epsilon_epochs, falling linearly; null: epsilon stays."""
    epsilon_epochs: Count = 150
    """Epochs of the fall."""
    temperature: Annotated[float, Range(1e-3, 1e3)] = 1.0
    """Of the policy's distribution when it acts."""
    n_preds: Annotated[int, Range(1, 64)] = 3
    """Frames that the world predicts for the reward `entropy`, of which the last counts."""

    def __post_init__(self) -> None:
        check_values(PlayConfig, vars(self), "collection.train.config")

    def chance(self, epoch: int) -> float:
        """epsilon in epoch 1, 2, ..."""
        if self.epsilon_final is None:
            return self.epsilon
        share = min(1.0, (epoch - 1) / self.epsilon_epochs)
        return self.epsilon + (self.epsilon_final - self.epsilon) * share


@dataclass(frozen=True)
class TrainPlay:
    """Play that is learned from."""

    config: PlayConfig = field(default_factory=PlayConfig)


@dataclass(frozen=True)
class LookedPlay:
    """Play that is only looked at."""

    num_steps: Count = 1000
    """Steps of an episode, at the most."""
    num_envs: Annotated[int, Range(1, 4096)] = 4
    """Episodes of an evaluation while training; `auto_explore eval` plays one after the other."""
    start_level: int | None = None
    """The first level that is evaluated on; null: right after those of training, or 100000 where these are all."""


@dataclass(frozen=True)
class CollectionConfig:
    """What is played."""

    games: tuple[str, ...] = ()
    """One game, by its name in the library: '["SuperMarioBros-Nes"]'."""
    kind: str = "retro"
    """Where it comes from: retro, ale, procgen, gymnasium or fake."""
    action_names: tuple[str, ...] | None = None
    """The actions; null: the world's."""
    image_size: int | None = None
    """Side of the frames in pixels; null: the world's."""
    n_skip_frames: int | None = None
    """Game frames that an action is held; null: 4 on consoles, else 1."""
    max_episode_steps: int | None = 500
    """After so many steps an episode is cut."""
    num_levels: int = 0
    """Levels to draw from; 0: all."""
    start_level: int = 0
    """The first of them."""
    distribution_mode: str = "hard"
    """Procgen's difficulty."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further keyword arguments for the game's library."""
    n_workers: int | None = None
    """Emulator processes; null: as the kind has it."""
    train: TrainPlay = field(default_factory=TrainPlay)
    test: LookedPlay = field(default_factory=LookedPlay)

    @property
    def game(self) -> str:
        """The game. Raises UserError unless it is one."""
        if len(self.games) != 1:
            said = f"names {len(self.games)} games" if self.games else "names none"
            raise UserError(f"collection.games {said}; an agent explores one: collection.games='[\"NAME\"]'")
        return self.games[0]


@dataclass(frozen=True, kw_only=True)
class NetworkConfig(Settings):
    """The agent's network (explore/network.py)."""

    where: ClassVar[str] = "training.actor_critic.network"

    channels: tuple[Width, ...] = (32, 32, 64, 64)
    """Of the convolutions, each of which halves the picture (the papers' numbers)."""
    hidden: Width = 256
    """Values that the LSTM remembers (the papers' 512 makes a file of 13 MB)."""
    sees_action: bool = True
    """Whether the action before is an input too: where actions are random at times it is not what the agent chose."""


@dataclass(frozen=True)
class ActorCriticConfig:
    """How the agent learns: recurrent PPO on the epoch's own play (explore/learner.py says why)."""

    start_after: CountOrNone = 0
    """Epochs of play alone, while rewards that learn settle and their scale is found."""
    steps_per_epoch: Count = 200
    """Updates an epoch."""
    batch_size: Count = 32
    """Segments of an update."""
    sequence: Annotated[int, Range(1, 4096)] = 20
    """Steps of a segment."""
    burn_in: Annotated[int, Range(0, 4096)] = 20
    """Steps before a segment that only bring the memory up to date."""
    learning_rate: Annotated[float, Range(1e-8, 1)] = 1e-4
    """Of Adam."""
    discount: Chance = 0.995
    """Of a reward that comes a step later."""
    trace: Chance = 0.95
    """lambda: how far advantages look ahead before the critic's word is taken."""
    entropy_weight: Annotated[float, Range(0, 10)] = 0.001
    """Of the bonus for an undecided policy."""
    value_weight: Annotated[float, Range(0, 100)] = 0.5
    """Of the critic's squared error."""
    clip: Annotated[float, Range(1e-3, 1)] = 0.2
    """How far the chance of an action may move in an epoch: to 1 +- clip times what it was."""
    max_grad_norm: Annotated[float, Range(1e-6, 1e6)] = 0.5
    """The gradient of an update is clipped to it."""
    network: NetworkConfig = field(default_factory=NetworkConfig)

    def __post_init__(self) -> None:
        check_values(
            ActorCriticConfig, {k: v for k, v in vars(self).items() if k != "network"}, "training.actor_critic"
        )


@dataclass(frozen=True)
class TrainingConfig:
    """What learns."""

    actor_critic: ActorCriticConfig = field(default_factory=ActorCriticConfig)
    save_every: Count = 10
    """Epochs from checkpoint to checkpoint."""
    keep_last: Count = 2
    """Checkpoints that stay, besides the best."""
    time_limit_s: float | None = None
    """Seconds of training after which the run is over too."""
    tensorboard: bool = True
    """Whether numbers are written for TensorBoard."""
    wandb: Literal["disabled", "offline", "online"] = "disabled"
    """Weights & Biases: offline leaves files, online sends them."""
    wandb_project: str = "genieredux"
    """The project there."""


@dataclass(frozen=True)
class EvaluationConfig:
    """How the agent is looked at."""

    every: Count = 20
    """Epochs from evaluation to evaluation while training."""
    film_steps: Count = 300
    """Steps of an episode that its film shows, at the most."""
    temperature: Annotated[float, Range(0, 1e3)] = 1.0
    """Of the policy when it is looked at; 0: always the likeliest action."""


@dataclass(frozen=True)
class ExploreConfig:
    """auto_explore train | eval | loop. The few to change: collection.games, world_model.model_fpath, reward.kind,
    common.epochs."""

    common: CommonConfig = field(default_factory=CommonConfig)
    world_model: WorldModelConfig = field(default_factory=WorldModelConfig)
    collection: CollectionConfig = field(default_factory=CollectionConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    loop: LoopSettings = field(default_factory=LoopSettings)

    def __post_init__(self) -> None:
        within("collection.test.num_steps", self.collection.test.num_steps, 1, 1_000_000)
        steps = self.collection.train.config.num_steps
        sequence = self.training.actor_critic.sequence
        require(sequence <= steps, "training.actor_critic.sequence", sequence, f"at most num_steps, {steps}")
