"""`auto_explore train`: the agent learns in the folder of its run, under training's driver."""

import logging
from collections.abc import Sequence
from pathlib import Path

from genieredux.explore.config import ExploreConfig
from genieredux.explore.learner import ExploreLearner
from genieredux.explore.looking import Looker
from genieredux.explore.runs import ExploreSaves, find_checkpoint, find_run, folder_of, new_run
from genieredux.explore.setting import setting_of
from genieredux.training.config import LogConfig, LoopConfig
from genieredux.training.loop.drive import RunResult, drive

log = logging.getLogger(__name__)

EPOCHS = 300
"""Of a training (P25 A.3)."""


def train(config: ExploreConfig, command: Sequence[str] = (), path: Path | None = None) -> RunResult:
    """Train until common.epochs, in a new run's folder or, with common.resume_id, in that of a run that is gone on
    with.

    command: the words that go on with it, as they were typed. path: the folder, where the command itself knows it.
    Raises UserError for what does not fit, before the folder is made, and as `drive` does.
    """
    common, training = config.common, config.training
    numbered = path is None
    path = path or (new_run(common) if common.resume_id is None else find_run(common))
    resume = str(find_checkpoint(path, common.resume_ckpt_id)) if common.resume_id and common.resume_ckpt_id else "auto"
    loop = LoopConfig(
        num_train_steps=common.epochs or EPOCHS,
        save_model_every=training.save_every,
        validate_every=config.evaluation.every,
        log_every=1,
        keep_last=training.keep_last,
        seed=common.seed,
        time_limit_s=training.time_limit_s,
        resume=resume,
    )
    records = LogConfig(tensorboard=training.tensorboard, wandb=training.wandb, wandb_project=training.wandb_project)
    setting = setting_of(config)
    test = config.collection.test
    looker = Looker(
        setting.test, test.num_envs, common.seed, config.evaluation.temperature, config.evaluation.film_steps
    )
    reward = setting.reward(config)
    learner = ExploreLearner(config, setting.env, setting.action_names, reward, looker, setting.device)
    run = folder_of(path, list(command), config, numbered)
    log.info("the run's folder is %s", path)
    return drive(learner, loop, run, log=records, saves=ExploreSaves(path, training.keep_last))
