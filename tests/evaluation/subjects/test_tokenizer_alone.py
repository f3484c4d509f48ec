"""A tokenizer by itself is measured as a world uses it, on clips of any length; what was kept of a set serves any part
of it."""

import numpy as np
import torch

from genieredux.evaluation.config import EvalConfig
from genieredux.evaluation.measuring.evaluate import world_bench
from genieredux.evaluation.measuring.loop import measure
from genieredux.evaluation.measuring.team import Alone
from genieredux.evaluation.measuring.truth import TruthCache
from genieredux.evaluation.metrics.psnr import Psnr
from genieredux.evaluation.subjects.drawn import Batch
from genieredux.evaluation.subjects.tokenizer import TokenizerSubject
from genieredux.evaluation.subjects.world import WorldSubject
from genieredux.models.build import build_model
from genieredux.models.tokenizers.st_vivit import STViViT, STViViTConfig
from genieredux.models.world.fake import FakeWorld
from genieredux.models.world.model import WorldModel


def test_beyond_the_frames_of_its_training_it_draws_what_a_world_draws() -> None:
    torch.manual_seed(0)
    tokenizer = STViViT(STViViTConfig(image_size=16, dim=16, blocks=1, heads=2, dim_head=8, clip_frames=4)).eval()
    config = {"architecture": "history_refiner", "dim": 16, "heads": 2, "group": 1}
    dynamics = build_model("genie_redux_guided", config, tokenizer=tokenizer, action_names=("A", "B"))
    world = WorldModel(tokenizer, dynamics, ("A", "B"))  # type: ignore[arg-type]
    frames = np.random.default_rng(0).integers(0, 256, (2, 12, 16, 16, 3), dtype=np.uint8)
    batch = Batch((0, 1), 2, frames, np.zeros((2, 11), np.int64), 2)
    alone = TokenizerSubject(tokenizer, "cpu", "32").draw(batch, 0)
    inside = WorldSubject(world, EvalConfig(eval_control=False)).draw(batch, 0)
    assert inside.true_tokens is not None
    assert alone.codes is not None
    assert torch.equal(alone.codes, inside.true_tokens)
    assert torch.equal(alone.frames("tokenizer_only"), inside.frames("tokenizer_only"))


def test_some_clips_take_over_their_own_numbers(tmp_path, make_clips) -> None:
    clips, config = make_clips(), EvalConfig(batch_size=3, resamples=10)
    bench = world_bench(WorldSubject(FakeWorld(), config), [Psnr()])
    cache = TruthCache(tmp_path, "fake")
    whole = measure(bench, clips, config, Alone(bench), cache=cache)
    some = measure(bench, clips, config, Alone(bench), cache=cache, chosen=(6, 1))
    again = measure(bench, clips, config, Alone(bench), cache=cache)
    for row, of in whole.values["psnr"].items():
        np.testing.assert_array_equal(of[:, [6, 1]], some.values["psnr"][row])
        np.testing.assert_array_equal(of, again.values["psnr"][row])
