"""Wrong lines of training: steps, averages, going on, what is held out."""

from mutants.row import Mutant, of

MUTANTS: tuple[Mutant, ...] = (
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
        ("norms decay", "decays = parameter.ndim >= 2 and", "decays = parameter.ndim >= 1 and"),
    ),
    *of(
        "training/machine/muon.py",
        "training/test_muon.py",
        ("momentum alone", "return gradient.lerp(state[BUFFER], _MOMENTUM)", "return state[BUFFER]"),
        ("no momentum", "state[BUFFER].lerp_(gradient, 1 - _MOMENTUM)", "state[BUFFER].copy_(gradient)"),
        ("size of the smaller side", "max(ahead.shape) ** 0.5", "min(ahead.shape) ** 0.5"),
        ("matrices do not decay", "parameter.mul_(1 - rate * decay)", "parameter.mul_(1)"),
        ("left as it is", "return turned @ matrix", "return matrix"),
        ("one round", "for _ in range(_ROUNDS):", "for _ in range(1):"),
        ("squares stand still", "squares = step @ turned, step @ squares @ step", "squares = step @ turned, squares"),
        ("adamw forgets the rest", "            super().step()\n", "            pass\n"),
        ("groups are lost", "            self.param_groups = groups\n", "            pass\n"),
        ("nobody is told", "    distributed.all_reduce(together)", "    pass"),
        ("everybody makes all", "if owner == mine:", "if True:"),
        ("the cheap ones first", "key=lambda index: -costs[index]", "key=lambda index: costs[index]"),
        ("all by the first", "work[owners[index]] += costs[index]", "pass"),
    ),
    *of(
        "training/loop/optimizer.py",
        "training/test_muon.py",
        ("embeddings are turned", "spared = embeddings | {", "spared = {"),
        ("outputs are turned", 'getattr(module, "by_adamw", ())', "()"),
        ("always turned", 'config.kind == "muon" and parameter.ndim', "parameter.ndim"),
        ("vectors are turned", "parameter.ndim >= 2 and id(parameter) not in spared", "id(parameter) not in spared"),
        ("moments in a file", 'folder is not None and config.kind == "adamw"', "folder is not None"),
    ),
    *of(
        "training/loop/resuming.py",
        "training/test_muon.py",
        ("adamw's moments for muon", "(BUFFER,) if orthogonal else MOMENTS", "(BUFFER,) if orthogonal else (BUFFER,)"),
        ("shapes are not looked at", "moment.shape == parameter.shape and", ""),
    ),
    *of(
        "training/loop/supervised.py",
        "training/test_update.py training/test_trainer.py training/test_gradients.py training/test_average.py",
        ("gradients not averaged", "fabric.backward(made.total / cfg.grad_accum)", "fabric.backward(made.total)"),
        ("not clipped", "max_norm=limit", "max_norm=1e9"),
        ("average not updated", "            self._average.update()\n", "            pass\n"),
    ),
    *of(
        "training/sources.py",
        "training/test_parts.py training/test_jobs.py",
        ("test episodes train", 'training = dataset.select(split="train")', "training = dataset"),
    ),
    *of(
        "training/loop/supervised.py",
        "training/test_update.py training/test_resume.py training/test_trainer.py training/test_average.py "
        "training/test_micro_batches.py",
        ("micro-batches alone", "codebook.hold = cfg.grad_accum > 1", "codebook.hold = False"),
        ("same noise every step", 'self._cfg.seed, "train", k, part)', 'self._cfg.seed, "train", 0, part)'),
        (
            "data from the start",
            "first, workers = (k - 1) * cfg.grad_accum, cfg.n_data_workers",
            "first, workers = 0, cfg.n_data_workers",
        ),
        (
            "optimiser from the start",
            '        restore_optimizer(self._optimizer, state["optimizer"], model.path)\n',
            "",
        ),
        ("average from the start", '                self._average.restore(state["average"])', "                pass"),
        (
            "average goes on being trained",
            'load_weights_of(self._module, state["weights"] or model.state_dict, model.path)',
            "load_weights_of(self._module, model.state_dict, model.path)",
        ),
        (
            "precision measured anew",
            'self._precision, self._said = state["precision"], model.metadata',
            "self._said = model.metadata",
        ),
        ("gradients stay", "        self._optimizer.zero_grad(set_to_none=True)\n", ""),
        ("codebooks never settle", "            codebook.settle()\n", "            pass\n"),
        (
            "codebooks begin with one",
            "            self._begin_codebooks(k, batches)\n",
            "            self._begin_codebooks(k, batches[:1])\n",
        ),
        (
            "validates while training",
            "            self._module.eval()\n            if parts.validation",
            "            if parts.validation",
        ),
        (
            "saves the raw weights",
            "state = gathered(self._average.values if self._average else dict",
            "state = gathered(dict(self._module.state_dict()) if self._average else dict",
        ),
        (
            "frozen parts wake",
            "            module.training = training  # not",
            "            module.training = True  # not",
        ),
    ),
    *of(
        "training/loop/drive.py",
        "training/test_drive.py training/test_trainer.py training/test_resume.py",
        ("worst is best", "loss >= self.at.best_loss", "loss <= self.at.best_loss"),
        ("best forgotten", "self.at.best_loss, self.at.best_step = loss, step", "self.at.best_step = step"),
        ("one step more", "at.step >= loop.num_train_steps or", "at.step > loop.num_train_steps or"),
        (
            "time of this execution",
            "self._agree(before + time.perf_counter() - began)\n            stopping",
            "self._agree(time.perf_counter() - began)\n            stopping",
        ),
        ("not saved at the end", "step % loop.save_model_every == 0 or last:", "step % loop.save_model_every == 0:"),
    ),
    *of(
        "training/loop/randomness.py",
        "training/test_parts.py training/test_micro_batches.py nn/test_draws.py",
        (
            "micro-batches draw alike",
            "first = (part.micro * part.ranks + part.rank) * part.clips",
            "first = part.rank * part.clips",
        ),
        (
            "processes draw alike",
            "first = (part.micro * part.ranks + part.rank) * part.clips",
            "first = part.micro * part.ranks * part.clips",
        ),
        ("purposes alike", "seed, PURPOSES.index(purpose), step", "seed, 0, step"),
    ),
    *of(
        "training/loop/validation.py",
        "training/test_parts.py training/test_trainer.py training/test_micro_batches.py",
        ("one batch validated often", "batch = source.batch(k)", "batch = source.batch(0)"),
        ("validation of the seed's step", '"validate", k + 1, part)', '"train", k + 1, part)'),
        (
            "half the clips validated",
            "math.ceil(cfg.max_valid_size / (cfg.batch_size * fabric.world_size))",
            "cfg.max_valid_size // (2 * cfg.batch_size * fabric.world_size)",
        ),
    ),
    *of(
        "training/sources.py",
        "training/test_jobs.py training/test_parts.py",
        (
            "level on both sides",
            "out = np.isin(levels, levels[candidates[_evenly_spaced(len(candidates), count)]])",
            "out = np.isin(np.arange(len(levels)), candidates[_evenly_spaced(len(candidates), count)])",
        ),
        ("levels of all games", "np.stack([games, instances], 1)", "np.stack([instances, instances], 1)"),
        (
            "held out trains",
            "training.take(np.flatnonzero(~out)), training.take(np.flatnonzero(out))",
            "training, training.take(np.flatnonzero(out))",
        ),
        (
            "last games",
            "games[:n_envs] if n_envs > 0 else games[n_envs:]",
            "games[:n_envs] if n_envs > 0 else games[:-n_envs]",
        ),
        (
            "short episodes held out",
            "if int(declared.lengths.max()) >= num_frames:",
            "if int(declared.lengths.max()) >= 1:",
        ),
    ),
    *of(
        "training/clips.py",
        "training/test_parts.py training/test_jobs.py episodes/test_tokens.py",
        (
            "validation of another seed",
            "WindowSampler(held_out, *of, 0, *where)",
            "WindowSampler(held_out, *of, seed, *where)",
        ),
    ),
    *of(
        "training/loop/saves.py",
        "training/test_saves.py",
        ("oldest kept", "self.steps()[: -self.keep_last]", "self.steps()[self.keep_last :]"),
        (
            "steps as names",
            "return sorted(int(match.group(1)) for match in names if match)",
            "return [int(one) for one in sorted(match.group(1) for match in names if match)]",
        ),
    ),
)
