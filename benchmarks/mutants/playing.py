"""Wrong lines of play and data: plans, players, policies, episodes, frames, actions, dreams as environments."""

from mutants.row import Mutant, of

MUTANTS: tuple[Mutant, ...] = (
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
        (
            "windows of the next episode",
            'np.searchsorted(self._ends, windows, side="right")',
            "np.searchsorted(self._ends, windows)",
        ),
        ("first of an episode", "np.where(episodes > 0, self._ends[episodes - 1], 0)", "self._ends[episodes - 1] * 0"),
    ),
    *of(
        "episodes/tokens.py",
        "episodes/test_tokens.py",
        (
            "actions of the frame before",
            "self.actions[first + np.arange(num_actions(num_frames))]",
            "self.actions[first - 1 + np.arange(num_actions(num_frames))]",
        ),
        (
            "tokens of the next episode",
            "self.offsets = np.cumsum(lengths) - lengths",
            "self.offsets = np.cumsum(lengths)",
        ),
        (
            "windows may leave",
            "np.any(starts + num_frames > self.lengths[episodes])",
            "np.any(starts > self.lengths[episodes])",
        ),
        (
            "actions end early",
            "actions[lo:hi] = np.append(episode.actions, -1)",
            "actions[lo:hi] = np.append(-1, episode.actions)",
        ),
        (
            "other content's tokens",
            "if checks.pop(episode.id, episode.checksum) != episode.checksum:",
            "if checks.pop(episode.id, None) is None:",
        ),
        (
            "a select of a cache",
            "offsets = dict(zip(dataset.ids,",
            "offsets = dict(zip(sorted(dataset.ids, reverse=True),",
        ),
    ),
    *of(
        "episodes/token_build.py",
        "episodes/test_tokens.py",
        ("changed episodes stay", "            stale.append(name)\n            continue\n", "            pass\n"),
        (
            "clips end to end",
            "np.concatenate([np.arange(count) for count in counts]) * clip_frames",
            "np.concatenate([np.arange(count) for count in counts])",
        ),
        (
            "end of an episode lost",
            "counts = -(-lengths // clip_frames)",
            "counts = np.maximum(lengths // clip_frames, 1)",
        ),
    ),
    *of(
        "training/clips.py",
        "training/test_jobs.py training/test_parts.py",
        (
            "tokens of other windows",
            "tokens, actions = self.tokens.windows(*windows)",
            "tokens, actions = self.tokens.windows(windows[0], windows[1] * 0, windows[2])",
        ),
        (
            "training of one seed",
            "WindowSampler(training, *of, seed, *where)",
            "WindowSampler(training, *of, 0, *where)",
        ),
        (
            "one rank's windows",
            "where = (place.rank, place.world_size, stride)",
            "where = (0, place.world_size, stride)",
        ),
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
        "envs/actions.py",
        "envs/test_actions.py",
        (
            "jump key",
            '_jump_button(console) if part == "ACTION_JUMP" else part',
            '"UP" if part == "ACTION_JUMP" else part',
        ),
    ),
    *of(
        "collect/plan.py",
        "collect/test_plan.py",
        ("one level for all", "int(order[number % self.num_levels])", "int(order[0])"),
        ("levels from 0", "level = self.start_level + int(", "level = int("),
        (
            "splits play alike",
            "(str(self.seed), self.facts.game, self.split, self.variant, purpose)",
            "(str(self.seed), self.facts.game, self.variant, purpose)",
        ),
        (
            "levels unshuffled",
            ".permutation(self.num_levels)",
            ".permutation(self.num_levels) * 0 + np.arange(self.num_levels)",
        ),
        ("policy of the connector", "variant=split.variant or connector.variant", "variant=connector.variant"),
    ),
    *of(
        "collect/ledger.py",
        "collect/test_ledger.py",
        ("frames counted as episodes", "return length if self._group.num_frames else 1", "return 1"),
        ("amount overshot", "while bound < self.total and", "while bound <= self.total and"),
        (
            "given back last",
            "heapq.heappop(self._returned)[1] if self._returned else",
            "self._returned.pop()[1] if self._returned else",
        ),
        ("level not looked at", "if found.instance != planned.start.instance:", "if False:"),
    ),
    *of(
        "collect/player.py",
        "collect/test_player.py collect/test_collect.py",
        ("first frame of the next", 'np.where(ended[:, None, None, None], info_after["final_obs"], after)', "after"),
        (
            "ends exchanged",
            "            terminated & ended,\n            truncated & ended,",
            "            truncated & ended,\n            terminated & ended,",
        ),
        ("action of before", "np.where(begun, -1, actions)", "actions"),
        ("seed of the first", "stream.now, stream.deaths = stream.then, 0", "stream.deaths = 0"),
        ("lost goes on", "                begun[i] = True\n", "                begun[i] = False\n"),
        ("truth of the next episode", 'truth = _chosen(ended, _truth(info_after["final_info"]), truth)', "pass"),
    ),
    *of(
        "collect/worker.py",
        "collect/test_collect.py collect/test_player.py",
        (
            "one step more a game",
            "not terminated and steps == self._max_steps)",
            "not terminated and steps > self._max_steps)",
        ),
        (
            "policy sees the first frame",
            "seen.frames, seen.rewards[0], seen.actions[0], seen.begun[0] = shown[None], reward, action, False",
            "seen.rewards[0], seen.actions[0], seen.begun[0] = reward, action, False",
        ),
        (
            "policy sees a beginning",
            "seen.begun[0] = shown[None], reward, action, False",
            "seen.begun[0] = shown[None], reward, action, True",
        ),
        ("last reward lost", "                track.end_unseen(reward)\n", ""),
    ),
    *of(
        "policies/wrappers.py",
        "policies/test_policies.py",
        ("sticks to before the episode", "(draws < self.probability) & ~seen.begun", "(draws < self.probability)"),
        ("gamma the other way", "draws[:, 0] < self.gamma", "draws[:, 0] >= self.gamma"),
        ("colder is warmer", "scaled = logits / self.temperature", "scaled = logits * self.temperature"),
        (
            "random action never the last",
            "self.num_actions).astype(np.int64), self.num_actions - 1)",
            "(self.num_actions - 1)).astype(np.int64), self.num_actions - 1)",
        ),
    ),
    *of(
        "policies/scripted.py",
        "policies/test_policies.py",
        (
            "held one step less",
            "generator.integers(self.shortest, self.longest + 1, size=holds)",
            "generator.integers(self.shortest, self.longest, size=holds)",
        ),
        ("block of the stream before", "iter(()) if new else block", "block"),
    ),
    *of(
        "policies/policy.py",
        "policies/test_policies.py",
        (
            "streams alike",
            "stream_generator(int(seen.seeds[i]), self._purpose)",
            "stream_generator(int(seen.seeds[0]), self._purpose)",
        ),
    ),
    *of(
        "episodes/track.py",
        "episodes/test_alignment.py episodes/test_info.py",
        ("late key from the start", "[_NOT_SAID] * length + [said[key]]", "[said[key]] * (length + 1)"),
        ("info not repeated", "said[key] if key in said else values[-1]", "said.get(key, 0.0)"),
        ("frame before the action", "self._frames[length] = frame", "self._frames[length - 1] = frame"),
        (
            "room not copied",
            "self._frames = np.concatenate([self._frames, np.empty_like(self._frames)])",
            "self._frames = np.concatenate([np.zeros_like(self._frames), self._frames])",
        ),
    ),
    *of(
        "episodes/reader.py",
        "episodes/test_reader.py episodes/test_alignment.py",
        ("actions of the block", "actions[:] = taken[acted]", "actions[:] = taken[: len(actions)]"),
        (
            "blocks from the first",
            "block[max(-at, 0) : len(frames) - at]",
            "block[: min(len(block), len(frames) - max(at, 0))]",
        ),
        ("any of the conditions", "mask &= pc.is_in(", "mask |= pc.is_in("),
        (
            "taken in order",
            "self.index.take(pa.array(episodes, pa.int64()))",
            "self.index.take(pa.array(sorted(episodes), pa.int64()))",
        ),
        (
            "checksums not compared",
            "if checksum(self.episode(i)) != row.meta.checksum:",
            "if checksum(self.episode(i)) is None:",
        ),
        (
            "windows of one episode",
            "self.read_into(episode, start, frames[slot], actions[slot])",
            "self.read_into(int(episodes[0]), start, frames[slot], actions[slot])",
        ),
    ),
    *of(
        "episodes/store.py",
        "episodes/test_reader.py episodes/test_verify.py episodes/test_compact.py",
        (
            "last block's actions",
            "taken = min(BLOCK_FRAMES, row.meta.length - 1 - begin)",
            "taken = min(BLOCK_FRAMES - 1, row.meta.length - 1 - begin)",
        ),
        (
            "first rows of a shard",
            "i, begin = row.row + block, block * BLOCK_FRAMES",
            "i, begin = block, block * BLOCK_FRAMES",
        ),
        ("any episode of the id", "if there != (row.row, row.meta.length, row.meta.checksum):", "if there is None:"),
    ),
    *of(
        "episodes/block_file.py",
        "episodes/test_writer.py episodes/test_verify.py",
        (
            "checksum without rewards",
            "for array in (episode.frames, episode.actions, episode.rewards):",
            "for array in (episode.frames, episode.actions):",
        ),
        (
            "checksum without ends",
            "repr((episode.frames.shape, bool(episode.terminated), bool(episode.truncated)))",
            "repr(episode.frames.shape)",
        ),
        (
            "unknown actions counted",
            "known = episode.actions[episode.actions != UNKNOWN_ACTION]",
            "known = np.abs(episode.actions)",
        ),
    ),
    *of(
        "dreams/env.py",
        "dreams/test_env.py dreams/test_env_checks.py",
        ("dream one step longer", "self._steps >= self._max_steps", "self._steps > self._max_steps"),
        ("steps go on", "        self._steps[rows] = 0\n", ""),
        ("cut and ended", "        cut &= ~judged.ends\n", ""),
        ("dreams of one seed", "[seed + k for k in range(self.num_envs)]", "[seed for k in range(self.num_envs)]"),
        (
            "first frame of the prompt",
            "[prompt.frames[-1] for prompt in chosen]",
            "[prompt.frames[0] for prompt in chosen]",
        ),
        (
            "frame after the action",
            "made = Transitions(before, actions, self._frames.copy(),",
            "made = Transitions(self._frames.copy(), actions, self._frames.copy(),",
        ),
        (
            "ends begin nothing",
            "            self._begin(over)\n",
            "            self._begin(cut) if cut.any() else None\n",
        ),
        (
            "actions of longer prompts",
            "prompt.actions[len(prompt.actions) - given + 1 :]",
            "prompt.actions[: given - 1]",
        ),
        (
            "shown frame of the next",
            'self._shown = infos["final_obs"][0] if ends[0] else frames[0]',
            "self._shown = frames[0]",
        ),
    ),
    *of(
        "envs/actions.py",
        "envs/test_actions.py",
        ("left and right", '    "LEFT": 1,\n', '    "LEFT": 7,\n'),
        ("jump of the Snes", '"Snes": "B"', '"Snes": "A"'),
        ("fire for up", 'ATARI_ACTIONS = ("NOOP", "FIRE", *_ATARI', 'ATARI_ACTIONS = ("FIRE", "NOOP", *_ATARI'),
        ("only the last button", "masks[row, buttons.index(", "masks[row] = 0\n            masks[row, buttons.index("),
    ),
)
