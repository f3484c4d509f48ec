"""What most people need from Python, one call each: the names of `import genieredux as gr`.

Each call is a verb of the command line or one object of the rooms below, with the same settings, names and errors; the
objects it returns have all the rest. It knows no command line.

>>> import genieredux as gr
>>> played = gr.generate("coinrun", kind="procgen", episodes=20, steps=24, levels=20, workers=1)
>>> played.spec.action_names
('RIGHT', 'LEFT', 'DOWN', 'UP', 'RIGHT_UP')
>>> small = {"architecture": "conv", "encoder_width": 8, "decoder_width": 8, "codebook_size": 16}
>>> brief = {"num_train_steps": 2, "num_frames": 2, "batch_size": 2, "samples": 0, "precision": "32"}
>>> made = gr.train("tokenizer", played, tokenizer=small, train=brief)
>>> made.last_step
2
>>> gr.evaluate(made.model_path, played, horizon=4, compare_at=2, resamples=20, metrics=[]).results.name
'results.json'

A dream, and a number, in three lines each:

>>> world = gr.load("coinrun")
>>> env = gr.dream(world)
>>> frame, info = env.reset(seed=0)

>>> found = gr.evaluate(world, played, num_clips=2, horizon=2, compare_at=1, resamples=20, metrics=[])
>>> found.results.name
'results.json'
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

if TYPE_CHECKING:
    from genieredux.dreams.env import DreamEnv
    from genieredux.episodes import Dataset
    from genieredux.evaluation.headline import Evaluated
    from genieredux.models.world.model import WorldModel
    from genieredux.models.world.protocol import World
    from genieredux.policies import Policy
    from genieredux.training import RunResult

_SPLITS = ({"name": "train", "share": 0.8}, {"name": "validation", "share": 0.1}, {"name": "test", "share": 0.1})


def load(
    world: str | Path = "coinrun",
    device: str = "cpu",
    *,
    revision: str | None = None,
    local_files_only: bool = False,
) -> "WorldModel":
    """A world: "coinrun", which ships with the package, the file of one (world.pt, or a model-N.pt of a dynamics), a
    folder that `save_pretrained` wrote, or a repository on the Hub, "org/name" (extra: hub).

    It has `encode`, `decode`, `rollout` and `dream` (models/world/protocol.py); `save_pretrained` and `push_to_hub`
    give it away. revision: a branch, tag or commit of a repository; local_files_only: what was downloaded before
    serves. Raises UserError for another file, and where there is no such repository.

    >>> load("coinrun").action_names
    ('RIGHT', 'LEFT', 'DOWN', 'UP', 'RIGHT_UP')
    """
    from genieredux.models.world.file import find_world
    from genieredux.models.world.model import WorldModel

    return WorldModel.load(find_world(world, revision, local_files_only), device)


def dream(world: "str | Path | World" = "coinrun", render_mode: str | None = None, **settings: Any) -> "DreamEnv":
    """A world as a Gymnasium environment, whose episodes begin at the frames that travel in its file.

    world: one that `load` gave, or what it takes. settings: those of `DreamEnv`: prompts, sampling, heads, reward,
    ends. Observations are uint8 (S, S, 3), actions the world's; info["entropy"] says how unsure it was, in nats.

    >>> env = dream(load("coinrun"))
    >>> frame, info = env.reset(seed=0)
    >>> frame, _, _, _, info = env.step(env.action_names.index("RIGHT"))
    >>> frame.shape, info["entropy"] > 0
    ((64, 64, 3), True)
    """
    from genieredux.dreams.env import DreamEnv

    return DreamEnv(world, render_mode=render_mode, **settings)


def open_dataset(path: str | Path) -> "Dataset":
    """A data set by its folder (anything that fsspec reads): `len`, `episode(i)`, `select(split=...)`, `windows`.

    Raises UserError where there is none.
    """
    from genieredux.episodes import Dataset

    return Dataset.open(path)


def generate(
    game: str,
    *,
    kind: Literal["gymnasium", "procgen", "retro", "ale", "fake"] = "gymnasium",
    policy: str = "random",
    episodes: int = 20,
    steps: int = 500,
    levels: int = 1,
    root: str | Path = "datasets",
    seed: int = 0,
    workers: int | None = None,
    **connector: Any,
) -> "Dataset":
    """Play a game and store the episodes, split 8:1:1 into train, validation and test; a second call plays what lacks.

    game: its name in the library `kind`; of gymnasium an id, or "module:Class". policy: random, held, or
    "module:function". steps: actions of an episode, at most. levels: played in turn, where a game has some. workers:
    processes, by default one a core. connector: further keys of `genieredux generate --help` below config.connector.
    Raises UserError for what does not fit, and GamesFailed where the game breaks.
    """
    from genieredux.collect import CollectConfig, ConnectorConfig, collect
    from genieredux.config import from_plain

    amounts = {"n_sessions": episodes, "n_steps_max": steps, "n_instances": levels, "n_workers": workers}
    values = {"name": kind, "kind": kind, "games": [game], "variant": policy, "splits": list(_SPLITS)}
    config = from_plain(ConnectorConfig, {**values, "generator_config": amounts, **connector}, "connector")
    return open_dataset(collect(CollectConfig(config, str(root), seed)).path)


def train(model: str, dataset: "str | Path | Dataset", **settings: Any) -> "RunResult":
    """Train a tokenizer, latent_action_model, genie_redux or genie_redux_guided; the result names its checkpoints.

    settings: keys of `genieredux genie_redux train --help`, groups as mappings: `train={"num_train_steps": 100}`,
    `tokenizer={"architecture": "conv"}`, `run_name="mine"`, `tokenizer_fpath=...`. Called again, it resumes. Raises
    UserError for what does not fit, before anything is written.
    """
    from genieredux.config import from_plain
    from genieredux.training import JobConfig
    from genieredux.training import train as run

    root, _, name = _path(dataset).rstrip("/").rpartition("/")
    place = {"dataset_root_dpath": root or ".", "dataset_name": name}
    plain = {key: str(value) if isinstance(value, Path) else value for key, value in settings.items()}
    return run(from_plain(JobConfig, {**plain, "model": model, "train": {**settings.get("train", {}), **place}}, ""))


def evaluate(
    model: "str | Path | WorldModel", dataset: "str | Path | Dataset", *, out: str | Path | None = None, **settings: Any
) -> "Evaluated":
    """Measure a world (or a tokenizer, or a latent action model) on the test splits of a data set.

    model: a world that `load` gave, or what it takes. out: the folder of results, by default
    outputs/evaluation/MODEL/DATASET. settings: keys of `genieredux genie_redux eval --help` below eval: `horizon`,
    `num_clips`, `metrics`. `lines` of the result say what was found, `results` is results.json. Raises UserError for
    what does not fit.
    """
    from genieredux.config import from_plain
    from genieredux.evaluation.config import EvalJobConfig
    from genieredux.evaluation.job import evaluate_file
    from genieredux.models.world.file import find_world

    path = getattr(model, "path", None) or find_world(cast("str | Path", model))
    config = from_plain(EvalJobConfig, {**settings, "model_fpath": str(path)}, "eval")
    return evaluate_file(config, open_dataset(_path(dataset)), folder=Path(out) if out is not None else None)


def make_policy(name: str, num_actions: int, checkpoint: str | None = None, **options: Any) -> "Policy":
    """Who plays: random, held, recorded, or "module:function". Its `act(seen)` gives an action for every game.

    >>> make_policy("held", num_actions=5, shortest=2, longest=4).name
    'held'
    """
    from genieredux.policies import PolicySpec

    return PolicySpec(name, num_actions, checkpoint, options).build()


def _path(dataset: "str | Path | Dataset") -> str:
    return str(dataset if isinstance(dataset, str | Path) else dataset.path)
