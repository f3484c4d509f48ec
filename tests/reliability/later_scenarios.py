"""More commands that leave files: heads, folders and pages to give away, agents that explore, and recorded play."""

import json
from pathlib import Path

from scenarios import Scenario, episodes_of, losses_of, of_model, trained

EXPLORE = """
common.device=cpu common.epochs=2 world_model.model_fpath=coinrun
collection.kind=procgen collection.games=[coinrun] collection.n_workers=1 collection.max_episode_steps=6
collection.train.config.num_steps=6 collection.train.config.num_envs=2 collection.test.num_steps=4
collection.test.num_envs=1 reward.kind=next_entropy training.save_every=1 training.tensorboard=false
training.actor_critic.sequence=4 training.actor_critic.burn_in=2 training.actor_critic.steps_per_epoch=2
training.actor_critic.network.channels=[4,4] training.actor_critic.network.hidden=8 evaluation.every=1
"""
AGENT57 = """
run_name=w env.game=genieredux.agent57.tasks:RandomCoin env.options.size=3 env.options.steps=12 env.options.pixels=4
agent.image_size=5 agent.torso=compact agent.hidden=8 agent.policies=3 agent.embedding=4 agent.rnd_features=4
actors.lanes=2 actors.steps=4 actors.pull=2 replay.capacity=40 replay.min_size=8 replay.trace=6 replay.period=3
replay.burn_in=2 learn.batch=4 learn.target_update=3 train.num_train_steps=4 train.save_model_every=2
train.validate_every=2 train.log_every=1 train.tensorboard=false train.accelerator=cpu eval.episodes=2
"""
RUNTIME = Path("node_modules/onnxruntime-web/dist")


def world_and_rewards() -> None:
    """A world, and a data set of the same game whose steps earn something."""
    import numpy as np

    from genieredux.episodes import Dataset, DatasetWriter

    trained()
    plain = Dataset.open("datasets/toy")
    with DatasetWriter(Path("datasets/earned"), plain.spec) as writer:
        for index in range(len(plain)):
            episode = plain.episode(index)
            episode.rewards[:] = np.arange(len(episode.rewards)) % 3 == 0
            writer.append(episode)


def networks_can_run() -> None:
    """Files by the names of onnxruntime-web's."""
    from genieredux.play.web.folder import RUNTIME as NAMES

    RUNTIME.mkdir(parents=True)
    for name in NAMES:
        (RUNTIME / name).write_text("of others")


def explored() -> str:
    """The last checkpoint and the losses of the newest run."""
    newest = max(Path("checkpoints/auto_explore").iterdir())
    return json.dumps([losses_of(newest / "log.jsonl"), of_model(newest / "checkpoints/model-2.pt")])


def played() -> str:
    """The agent and its losses."""
    folder = Path("checkpoints/agent57/w")
    return json.dumps([losses_of(folder / "log.jsonl"), of_model(folder / "model-4.pt")])


def folder_of(name: str) -> str:
    """Every file of a folder, and how large it is."""
    return json.dumps(sorted([str(path), path.stat().st_size] for path in Path(name).rglob("*") if path.is_file()))


def give_away() -> None:
    """The world that ships, as a folder in the Hub's convention with its card."""
    import genieredux as gr

    gr.load("coinrun").save_pretrained("given")


def record() -> None:
    """Two takes of a dream, as a person at the page leaves them."""
    from genieredux.models.world.fake import FakeWorld
    from genieredux.play import Scene
    from genieredux.play.seat import Seat
    from playing import prompts_for

    world = FakeWorld(image_size=16)
    seat = Seat(Scene("Tiles", world, prompts_for(world)), Path("datasets"))
    try:
        for take in (2, 3):
            seat.begin()
            seat.record(True)
            for action in (0, 1, take):
                seat.step(action)
    finally:
        seat.close()


def takes() -> str:
    """The different takes that there are: a run that was ended has left some of them already."""
    episodes = json.loads(episodes_of("play_Tiles_dream")())
    return json.dumps(sorted({frames for *_, frames in episodes}))


SCENARIOS = {
    "heads": Scenario(
        (
            *("heads", "train", "world=checkpoints/genie_redux_guided/w/model-4.pt", "dataset=datasets/earned"),
            *("out=made.pt", "steps=4", "batch_size=4", "width=8", "dreamed=4", "horizon=1"),
        ),
        world_and_rewards,
        lambda: of_model(Path("made.pt")),
        (("checkpoint", "info", "made.pt"),),
    ),
    "hub": Scenario((), lambda: None, lambda: folder_of("given"), (("checkpoint", "info", "given"),), call=give_away),
    "web": Scenario(("export", "web", "world=coinrun", "out=page"), networks_can_run, lambda: folder_of("page")),
    "auto_explore": Scenario(("auto_explore", "train", *EXPLORE.split()), lambda: None, explored),
    "agent57": Scenario(
        ("agent57", "train", *AGENT57.split()),
        lambda: None,
        played,
        (("checkpoint", "info", "checkpoints/agent57/w/model-4.pt"),),
    ),
    "takes": Scenario((), lambda: None, takes, (("data", "info", "datasets/play_Tiles_dream"),), call=record),
}
