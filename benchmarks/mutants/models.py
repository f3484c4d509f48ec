"""Wrong lines of models and their mathematics: sampling, losses, codebooks, positions, caches."""

from mutants.row import Mutant, of

MUTANTS: tuple[Mutant, ...] = (
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
        "models/dynamics/test_losses.py models/dynamics/test_maskgit.py models/dynamics/test_history_refiner.py models/world",
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
        "models/dynamics/test_losses.py models/dynamics/test_maskgit.py models/dynamics/test_history_refiner.py models/world",
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
        "models/latent/test_joint_loss.py models/latent/test_actions.py models/latent/test_genie_redux.py",
        ("latent loss dropped", "total = total + self.config.lam_weight * own.total", "total = total + 0 * own.total"),
        ("frozen parts train", "            self.lam.eval()\n", "            pass\n"),
    ),
    *of(
        "models/latent/actions.py",
        "models/test_totals.py models/latent/test_joint_loss.py models/latent/test_actions.py models/latent/test_genie_redux.py",
        ("latent target", "error = F.mse_loss(drawn, frames[:, 1:])", "error = F.mse_loss(drawn, frames[:, :-1])"),
        ("latent codebook loss", "total = error + self.config.vq_weight * quantised.loss", "total = error"),
    ),
    *of(
        "models/tokenizers/conv.py",
        "models/test_totals.py models/tokenizers/test_conv.py",
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
        "models/sampling.py",
        "models/test_sampling_order.py models/test_sampling.py evaluation/test_precision.py",
        ("scores in half", "given, scores = answer, answer.float()", "given, scores = answer, answer"),
        (
            "mean under autocast",
            "torch.autocast(probabilities.device.type, enabled=False)",
            "torch.autocast(probabilities.device.type, dtype=torch.bfloat16)",
        ),
        ("published hides the surest", "doubt.topk(count, dim=1)", "(-doubt).topk(count, dim=1)"),
        ("published never hides a decided one", "torch.where(hidden, 1 - sure.exp(), _NEVER)", "1 - sure.exp()"),
        (
            "published share of the step",
            "count = int(mask_ratio(sampling.schedule, (step + 1) / sampling.steps, total) * total)",
            "count = int(mask_ratio(sampling.schedule, step / sampling.steps, total) * total)",
        ),
    ),
    *of(
        "models/latent/mapping.py",
        "models/latent/test_mapping.py",
        (
            "most frequent for an action",
            "share = self._share_of_action()\n        return share / np",
            "share = self.counts\n        return share / np",
        ),
        ("rare codes speak", "share[:, a] >= min(MIN_SHARE, share[:, a].max())", "share[:, a] >= 0"),
        ("unseen code is the first action", "row if row.sum() else total", "row"),
        (
            "accuracy by codes",
            "list(self.to_true)].sum() / max(1, counted.sum())",
            "list(self.to_true)].sum() / max(1, counted.max())",
        ),
        (
            "information of the code",
            "-(action[action > 0] * np.log(action[action > 0])).sum()",
            "-(code[code > 0] * np.log(code[code > 0])).sum()",
        ),
        (
            "counted crosswise",
            "np.add.at(counts, (codes.ravel(), actions.ravel()), 1)",
            "counts[codes.ravel(), actions.ravel()] = 1",
        ),
    ),
    *of(
        "nn/positions.py",
        "nn/test_positions.py nn/test_transformer.py nn/test_published_blocks.py",
        ("slopes from 1", "-8.0 * (i + 1) / power", "-8.0 * i / power"),
        (
            "window one longer",
            "bias.masked_fill(age >= hidden, -torch.inf)",
            "bias.masked_fill(age > hidden, -torch.inf)",
        ),
        (
            "future is seen",
            "bias = bias.masked_fill(age < 0, -torch.inf)",
            "bias = bias.masked_fill(age < -1, -torch.inf)",
        ),
        ("draft sees its own frame", "age >= drafted[:, None])", "age >= 0)"),
        ("peg sees ahead", "((2, 0) if self.causal else (1, 1))", "((1, 1) if self.causal else (2, 0))"),
        ("grid upside down", "row = y[:, None] - y + height - 1", "row = y - y[:, None] + height - 1"),
        ("draft's past", "past = torch.stack([before, known], 2)", "past = torch.stack([known, before], 2)"),
    ),
    *of(
        "nn/cache.py",
        "nn/test_transformer.py nn/test_attention.py models/world/test_maskgit_world.py",
        ("cache window one longer", "self.stop - self.window + 1)", "self.stop - self.window)"),
        (
            "past of a convolution",
            "torch.cat([past, x], 1)[:, -self.length :]",
            "torch.cat([past, x], 1)[:, : self.length]",
        ),
        (
            "draft is kept",
            "        if keep:\n            self.stop = end",
            "        if end:\n            self.stop = end",
        ),
        ("sliding forgets a frame", "self.start, self.stop = 0, held", "self.start, self.stop = 1, held"),
    ),
    *of(
        "nn/attention.py",
        "nn/test_attention.py nn/test_published_blocks.py",
        ("scale of the norm", "QK_NORM_SCALE = 8.0", "QK_NORM_SCALE = 10.0"),
        ("keys of the normalised", "self.to_kv(join_beside(x, beside))", "self.to_kv(y)"),
        (
            "values for keys",
            "k, v = self._split(self.to_kv(join_beside(x, beside)), 2)",
            "v, k = self._split(self.to_kv(join_beside(x, beside)), 2)",
        ),
    ),
    *of(
        "nn/precision.py",
        "training/test_trainer.py evaluation/test_precision.py models/world/test_model.py",
        (
            "autocast where 32 is asked",
            'if precision == "bf16":\n        if device',
            'if precision != "bf16":\n        if device',
        ),
    ),
    *of(
        "models/checkpoint.py",
        "models/test_checkpoint.py",
        ("step lost", 'step=payload["step"]', "step=0"),
    ),
)
