"""Wrong lines of agents: explorers and what they are rewarded for, Agent57."""

from mutants.row import Mutant, of

MUTANTS: tuple[Mutant, ...] = (
    *of(
        "explore/returns.py",
        "explore/test_returns.py explore/test_learner.py",
        ("value of now twice", "discount * next_values[t] - values[t]", "discount * values[t] - values[t]"),
        ("advantage over an end", "trace * following * ~ended[t]", "trace * following"),
        ("trace undiscounted", "surprise + discount * trace * following", "surprise + trace * following"),
    ),
    *of(
        "explore/reward.py",
        "explore/test_returns.py explore/test_watching.py explore/test_learner.py",
        ("entropy in bits", "(2 / math.log(logits.shape[-1]))", "(2 / math.log2(logits.shape[-1]))"),
        ("all places count", "int(places.shape[-1] * top))", "int(places.shape[-1]))"),
        ("surest places count", "places.topk(count, -1)", "places.topk(count, -1, largest=False)"),
        ("no floor", "(motion(before, after) + floor)", "(motion(before, after) + floor**4)"),
        ("spread of batches apart", " + apart**2 * self.count * count / total", ""),
        ("sums over an end", "total = total * ~end", "total = total * 1"),
    ),
    *of(
        "agent57/returns.py",
        "agent57/test_returns.py agent57/test_losses.py",
        ("traces of now", "following = torch.cat([traces[1:], torch.zeros_like(traces[:1])])", "following = traces"),
        (
            "retrace untransformed",
            "return transform(v + torch.stack(steps[::-1]))",
            "return v + torch.stack(steps[::-1])",
        ),
        ("retrace backwards", "torch.stack(steps[::-1])", "torch.stack(steps)"),
        ("errors undiscounted", "corrections = delta + discount * trace", "corrections = delta + trace"),
        ("n steps and one", "for _ in range(n - 1):", "for _ in range(n):"),
        ("chances not cut", "(1 / behaviour).clamp(max=1.0)", "(1 / behaviour)"),
        ("other actions pass", "torch.zeros_like(behaviour))", "torch.ones_like(behaviour))"),
        (
            "random is never greedy",
            "(1 - epsilon) * greedy + epsilon / num_actions",
            "(1 - epsilon) * greedy + epsilon / num_actions * (not greedy)",
        ),
        ("mean and largest exchanged", "share * sizes.amax(0) + (1 - share)", "(1 - share) * sizes.amax(0) + share"),
        ("burn-in in the mean", "sizes.sum(0) / valid.sum(0).clamp(min=1)", "sizes.mean(0)"),
    ),
    *of(
        "agent57/replay.py",
        "agent57/test_replay.py agent57/test_learner.py",
        ("newest makes room", "slot = self.added % self.capacity", "slot = min(self.added, self.capacity - 1)"),
        ("priorities of one", "self.priorities[: len(self)] ** self.exponent", "self.priorities[: len(self)] ** 1.0"),
        ("drawn alike", "generator.random(batch) * bounds[-1]", "generator.random(batch) ** 2 * bounds[-1]"),
        ("nobody crosses", "generator.random(len(members)) < share", "generator.random(len(members)) > share"),
        ("weights upside down", "1e-12)) ** -exponent", "1e-12)) ** exponent"),
        (
            "priorities not restored",
            'self.priorities[: len(self)] = state["priorities"].numpy()',
            "self.priorities[: len(self)] = 1.0",
        ),
    ),
    *of(
        "agent57/bandit.py",
        "agent57/test_bandit.py",
        ("window of a life", "deque(maxlen=window)", "deque()"),
        ("sum for mean", "return counts, sums / np.maximum(counts, 1)", "return counts, sums"),
        ("unknown arms last", "unknown = np.inf if beta", "unknown = -np.inf if beta"),
        ("explores the other times", "drawn if explores else", "drawn if not explores else"),
    ),
    *of(
        "agent57/losses.py",
        "agent57/test_losses.py agent57/test_learner.py",
        ("burn-in learns", "learned=valid & (begins | (at >= burn_in))", "learned=valid"),
        ("beginnings not learned", "valid & (begins | (at >= burn_in))", "valid & (at >= burn_in)"),
        ("ends bootstrap", "discount=(valid & ~over).float()", "discount=valid.float()"),
        ("gradient through the burn-in", "torch.where(through, state[0], state[0].detach())", "state[0]"),
        ("curiosity for play", "return extrinsic, intrinsic", "return extrinsic, extrinsic"),
        ("first steps of curiosity", "(at >= batch.valid.sum(0) - steps)", "(at < steps)"),
    ),
)
