"""The table of `mutations.py`: single wrong lines. `file` is below src/genieredux, `tests` below tests."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """`old` stands once in `file`; `new` stands there instead, and one of `tests` must fail."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def of(file: str, tests: str, *rows: tuple[str, str, str]) -> list[Mutant]:
    """Rows (name, old, new) of one file that the same tests watch."""
    return [Mutant(name, file, old, new, tuple(tests.split())) for name, old, new in rows]


RECOMPUTED = "reliability/test_recomputed.py"
MUTANTS: tuple[Mutant, ...] = (
    *of(
        "evaluation/metrics/ssim.py",
        "evaluation/metrics/test_ssim.py evaluation/test_independent.py",
        ("ssim luminance", "2 * level_x * level_y + _SSIM_C1", "level_x * level_y + _SSIM_C1"),
        ("ssim covariance", "cov = blur(x * y) - mean_x * mean_y", "cov = blur(x * y)"),
        ("ssim border", "2 * (size - 1) - place", "2 * size - 1 - place"),
    ),
    *of(
        "evaluation/metrics/delta_psnr.py",
        "evaluation/test_independent.py evaluation/measuring/test_evaluate.py",
        ("delta sign", "capped(psnr(predicted, truth)) - capped", "capped(psnr(predicted, truth)) + capped"),
    ),
    *of(
        "evaluation/metrics/gain.py",
        f"{RECOMPUTED} evaluation/measuring/test_evaluate.py",
        ("gain sign", "{row: model - quality(drawn, row).double()", "{row: quality(drawn, row).double() - model"),
    ),
    *of(
        "evaluation/bootstrap.py",
        "evaluation/test_bootstrap.py evaluation/metrics/test_calibration.py",
        ("bootstrap of clips", "share, size=resamples)", "share * 0 + share[::-1], size=1).repeat(resamples, 0)"),
        ("bootstrap level", "(50 * (1 - level), 100 - 50 * (1 - level))", "(100 * (1 - level), 100 * level)"),
        ("bootstrap weights", "above.sum(0) / below.sum(0)", "above.mean(0)"),
        ("ranks of ties", "(ends - (counts - 1) / 2)", "ends"),
    ),
    *of(
        "evaluation/metrics/calibration.py",
        "evaluation/metrics/test_calibration.py evaluation/metrics/test_token_errors.py",
        ("calibration wrong", "(tokens != true)", "(tokens == true)"),
        ("calibration first frame", "first = slice(0, 1)", "first = slice(0, 2)"),
        ("calibration bins", 'side="right") - 1', 'side="right") - 2'),
    ),
    *of(
        "evaluation/clips/counterfactual.py",
        "evaluation/clips/test_counterfactual.py evaluation/measuring/test_evaluate.py",
        ("random prompt actions", "first = prompt_frames - 1", "first = 0"),
        ("same last action", ".integers(1, num_actions))", ".integers(0, num_actions))"),
        ("one noise for all", "return int(_rng(seed, clip, _ROLLOUT)", "return int(_rng(seed, 0, _ROLLOUT)"),
    ),
    *of(
        "models/sampling.py",
        "models/test_sampling.py models/test_sampling_order.py",
        ("surest last", "torch.inf).argsort(dim=-1, descending=True", "torch.inf).argsort(dim=-1, descending=False"),
        ("decided again", "torch.where(hidden & (rank", "torch.where((rank"),
        ("all at once", "0 if last else int(mask_ratio", "0 if True else int(mask_ratio"),
        (
            "schedule step",
            "0 if last else int(mask_ratio(sampling.schedule, (step + 1)",
            "0 if last else int(mask_ratio(sampling.schedule, step",
        ),
        ("noise stays", "(sampling.steps - 1 - step) / sampling.steps", "(sampling.steps - step) / sampling.steps"),
        ("mean takes the mode", "return expected_token(log_p.exp(), codes)", "return scores.argmax(-1)"),
        ("mean without norm", "- codes.square().sum(-1) / 2", ""),
        ("entropy sign", "first = -(log_p.exp() * log_p)", "first = (log_p.exp() * log_p)"),
        ("entropy of the last step", "        if first is None:", "        if step == sampling.steps - 1:"),
        ("cosine schedule", "ratio = math.cos(math.pi / 2 * progress)", "ratio = math.sin(math.pi / 2 * progress)"),
    ),
    *of(
        "models/dynamics/history_refiner.py",
        "models/dynamics models/world",
        ("loss of all tokens", "(loss * hide).sum() / usual_count(hide, every[:, 0])", "loss.mean()"),
        (
            "refiner hides little",
            "(uniform((clips, *target.shape[1:]), generator, target.device) < ratio) | whole",
            "whole",
        ),
        (
            "refiner sees itself",
            "past, target = batch.tokens[:, :-1], batch.tokens[:, 1:]",
            "past, target = batch.tokens[:, 1:], batch.tokens[:, 1:]",
        ),
        ("memory forgets the frame", "memory.last = vectors[:, -1:]", "memory.last = vectors[:, :1]"),
    ),
    *of(
        "models/dynamics/corruption.py",
        "models/dynamics/test_hidden_share.py models/dynamics",
        ("cosine chance", "torch.cos(drawn * (math.pi / 2))", "torch.cos(drawn * math.pi)"),
        ("uniform chance", "0.5 + drawn / 2", "drawn / 2"),
        ("noise everywhere", "return torch.where(wrong, other, tokens)", "return torch.where(wrong, tokens, other)"),
    ),
    *of(
        "models/dynamics/losses.py",
        "models/dynamics",
        ("tdce of the likeliest", "* logits.softmax(-1)", "* logits.log_softmax(-1)"),
        ("tdce similarity", "return 1 - unit @ unit.t()", "return unit @ unit.t()"),
    ),
    *of(
        "models/dynamics/maskgit.py",
        "models/dynamics models/world",
        ("tdce dropped", 'total = total + config.tdce_weight * parts["token_distance"]', "total = total + 0.0"),
        ("decoder loss dropped", 'total = total + config.decoder_weight * parts["decoded"]', "total = total + 0.0"),
        ("maskgit weight", "total = (entropy * made.weight).sum() / made.count", "total = entropy.mean()"),
        ("prefix hidden", "hidden &= number >= clean_frames", "hidden &= number <= clean_frames"),
        (
            "recent frames",
            "memory.recent = torch.cat([recent, tokens], 1)[:, -2:]",
            "memory.recent = tokens[:, -1:].expand(-1, 2, -1, -1)",
        ),
    ),
    *of(
        "models/latent/genie_redux.py",
        "models/latent/test_joint_loss.py models/latent",
        ("latent loss dropped", "total = total + self.config.lam_weight * own.total", "total = total + 0 * own.total"),
        ("frozen parts train", "            self.lam.eval()\n", "            pass\n"),
    ),
    *of(
        "models/latent/actions.py",
        "models/latent/test_joint_loss.py models/latent",
        ("latent target", "error = F.mse_loss(drawn, frames[:, 1:])", "error = F.mse_loss(drawn, frames[:, :-1])"),
        ("latent codebook loss", "total = error + self.config.vq_weight * quantised.loss", "total = error"),
    ),
    *of(
        "models/tokenizers/conv.py",
        "models/tokenizers",
        (
            "conv codebook loss",
            "total = reconstruction + self.config.vq_weight * quantised.loss",
            "total = reconstruction",
        ),
        ("conv grey", "return self.decoder(x).float() + 0.5", "return self.decoder(x).float()"),
    ),
    *of(
        "models/tokenizers/st_vivit.py",
        "models/tokenizers",
        ("vivit codebook loss", "total = error + self.config.vq_weight * quantised.loss", "total = error"),
    ),
    *of(
        "nn/quantize.py",
        "nn/test_quantize.py nn/test_codebook_follows.py",
        ("codes jump", "self.code_sum.lerp_(sums, 1 - self.config.decay)", "self.code_sum.lerp_(sums, 1.0)"),
        (
            "sizes jump",
            "self.cluster_size.lerp_(counts, 1 - self.config.decay)",
            "self.cluster_size.lerp_(counts, 1.0)",
        ),
        ("no revival", "dead = self.cluster_size < self.config.revive_below * mean", "dead = self.cluster_size < 0"),
        (
            "commitment dropped",
            "loss = self.config.commitment * F.mse_loss(unit, chosen.detach())",
            "loss = 0 * F.mse_loss(unit, chosen.detach())",
        ),
        ("no straight-through", "self.project_out(unit + (chosen - unit).detach())", "self.project_out(chosen)"),
        (
            "perplexity",
            "torch.special.entr(share).sum().exp()\n\n    @torch.no_grad()\n    def _start",
            "torch.special.entr(share).sum()\n\n    @torch.no_grad()\n    def _start",
        ),
    ),
    *of(
        "training/loop/ema.py",
        "training/test_parts.py training/test_average.py",
        ("average ignores decay", "average.lerp_(value.detach().to(average.dtype), 1 - decay)", "average.copy_(value)"),
        (
            "average decays at once",
            "decay = min(self.decay, (1 + self.updates) / (10 + self.updates))",
            "decay = self.decay",
        ),
        ("average stays", "            self._model.load_state_dict(own)\n", "            pass\n"),
    ),
    *of(
        "training/loop/optimizer.py",
        "training/test_optimizer.py",
        ("warm-up", "(1 - warmup.start_factor) * position / warmup.steps", "(1 - warmup.start_factor) * 0"),
        ("cosine", "(1 + math.cos(math.pi * fallen)) / 2", "(1 - fallen)"),
        (
            "rises again",
            "fallen = min(1.0, (position - warmup.steps) / span)",
            "fallen = (position - warmup.steps) / span",
        ),
        ("norms decay", "is_matrix = parameter.ndim >= 2 and", "is_matrix = parameter.ndim >= 1 and"),
    ),
    *of(
        "training/loop/supervised.py",
        "training/test_update.py training/test_trainer.py training/test_gradients.py training/test_average.py",
        ("gradients not averaged", "fabric.backward(made.total / cfg.grad_accum)", "fabric.backward(made.total)"),
        ("not clipped", "max_norm=limit", "max_norm=1e9"),
        ("micro-batches alone", "codebook.hold = cfg.grad_accum > 1", "codebook.hold = False"),
        ("average not updated", "            self._average.update()\n", "            pass\n"),
    ),
    *of(
        "training/sources.py",
        "training/test_parts.py training/test_jobs.py",
        ("test episodes train", 'training = dataset.select(split="train")', "training = dataset"),
    ),
    *of(
        "episodes/sampler.py",
        "episodes/test_sampler.py",
        ("last window lost", "(frames - num_frames) // stride + 1, 0)", "(frames - num_frames) // stride, 0)"),
        (
            "ranks alike",
            "(step * self.world_size + self.rank) * self.batch_size",
            "step * self.world_size * self.batch_size",
        ),
        ("one epoch's order", "[abs(self.seed), int(self.seed < 0), epoch]", "[abs(self.seed), int(self.seed < 0), 0]"),
        ("stride ignored", "(windows - before) * self.stride", "(windows - before)"),
    ),
    *of(
        "episodes/alignment.py",
        "episodes/test_alignment.py",
        (
            "actions late",
            "slice(start, start + num_actions(frames))",
            "slice(start + 1, start + 1 + num_actions(frames))",
        ),
    ),
    *of(
        "episodes/track.py",
        "episodes/test_alignment.py",
        ("reward lost", "self._rewards[-1] += float(reward)", "self._rewards[-1] += 0.0"),
    ),
    *of(
        "envs/frame.py",
        "envs/test_frame.py",
        ("off centre", "top, left = (side - height) // 2, (side - width) // 2", "top, left = 0, 0"),
        ("not by area", "cv2.INTER_AREA", "cv2.INTER_LINEAR"),
    ),
    *of(
        "frames.py",
        "test_frames.py evaluation/test_independent.py",
        ("psnr factor", "return -10 * torch.log10(mse)", "return -20 * torch.log10(mse)"),
        (
            "psnr absolute",
            ".square().mean(dim=(-3, -2, -1))\n    return -10",
            ".abs().mean(dim=(-3, -2, -1))\n    return -10",
        ),
        ("psnr cap", "decibel.clamp(max=PSNR_CAP_DB)", "decibel.clamp(max=50.0)"),
        ("scale 256", "frames.float().div_(255)", "frames.float().div_(256)"),
        ("cut not rounded", "* 255).round()", "* 255).floor()"),
    ),
    *of(
        "models/world/dream.py",
        "models/world models/test_sampling_order.py",
        ("noise of one frame", "[seed * 1_000_003 + frame + k", "[seed * 1_000_003 + k"),
        (
            "first action twice",
            "taken = torch.cat([self._taken, actions[:, :1]], 1)",
            "taken = torch.cat([self._taken, actions[:, :1] * 0], 1)",
        ),
    ),
    *of(
        "models/latent/mapping.py",
        "models/latent/test_joint_loss.py models/latent",
    ),
    *of(
        "envs/actions.py",
        "envs/test_actions.py",
        (
            "jump key",
            "part if part in _DIRECTIONS else _jump_button(console)",
            '"UP" if part not in _DIRECTIONS else part',
        ),
    ),
)
