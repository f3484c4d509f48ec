"""Policies: the same seed gives the same actions for a stream, whoever plays beside it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genieredux.episodes import DatasetSpec, DatasetWriter, Episode
from genieredux.errors import UserError
from genieredux.policies import NO_ACTION, VARIANTS, Policies, PolicySpec, Seen, spec_of
from genieredux.policies.recorded import RecordedPolicy
from genieredux.policies.scripted import HeldPolicy, RandomPolicy
from genieredux.policies.wrappers import WithRandomActions, WithStickyActions, WithTemperature

NUM_ACTIONS = 5


class Decided:
    """Prefers action 1, then 0; has logits."""

    name = "decided"
    plays_alone = True

    def logits(self, seen):
        return np.tile(np.array([1.0, 2.0, 0.0, 0.0, 0.0]), (len(seen.frames), 1))

    def act(self, seen):
        return self.logits(seen).argmax(axis=1)


class Remembers:
    """Recurrent: an action is the sum of the rewards and actions of its episode so far."""

    name = "remembers"
    plays_alone = False

    def __init__(self, num_actions=NUM_ACTIONS):
        self.state = np.zeros(0, np.int64)

    def act(self, seen):
        before = np.resize(self.state, len(seen.begun))
        told = before + seen.actions + seen.rewards.astype(np.int64)
        self.state = np.where(seen.begun, seen.seeds, told)
        return self.state % NUM_ACTIONS


MAKERS = {
    "random": lambda: RandomPolicy(NUM_ACTIONS),
    "held": lambda: HeldPolicy(NUM_ACTIONS),
    "random-gamma": lambda: WithRandomActions(HeldPolicy(NUM_ACTIONS), NUM_ACTIONS, gamma=0.3),
    "sticky": lambda: WithStickyActions(RandomPolicy(NUM_ACTIONS), NUM_ACTIONS, 0.4),
    "sticky-gamma": lambda: PolicySpec("held", NUM_ACTIONS, wrappers=(("gamma", 0.2), ("sticky", 0.3))).build(),
    "sampled": lambda: WithRandomActions(WithTemperature(Decided(), NUM_ACTIONS, 1.0), NUM_ACTIONS, gamma=0.1),
    "recorded": lambda: RecordedPolicy([np.array([1, 2, 0]), np.array([4, 3])], {7: 1}),
    "recurrent": lambda: WithStickyActions(Remembers(), NUM_ACTIONS, 0.2),
}


def begin(seeds):
    return Seen.first(np.zeros((len(seeds), 4, 4, 3), np.uint8), np.array(seeds))


def go_on(policy, seen, steps):
    """Plays on from what is seen, every action earning its number; the actions, and what is seen then."""
    taken = []
    for _ in range(steps):
        actions = policy.act(seen)
        n = len(actions)
        seen = Seen(seen.frames, actions.astype(np.float32), np.zeros(n, bool), actions, np.zeros(n, bool), seen.seeds)
        taken.append(actions)
    return np.array(taken), seen


def play(policy, seeds, steps):
    return go_on(policy, begin(seeds), steps)[0]


def run_lengths(actions):
    changes = np.flatnonzero(np.diff(actions)) + 1
    return np.diff(np.concatenate([[0], changes]))


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**61), n=st.integers(1, 9))
def test_a_stream_does_not_depend_on_how_many_there_are(make, seed, n):
    seeds = [seed + i for i in range(n)]
    together = play(make(), seeds, 40)
    assert together.dtype == np.int64
    assert together.min() >= 0
    assert together.max() < NUM_ACTIONS
    for i in range(n):
        np.testing.assert_array_equal(play(make(), [seeds[i]], 40)[:, 0], together[:, i])


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_new_episode_depends_on_its_seed_alone(make):
    policy = make()
    _, seen = go_on(policy, begin([1, 2, 3]), 17)
    seen.begun, seen.terminated = np.array([False, True, False]), np.array([False, True, False])
    seen.seeds, seen.actions = np.array([1, 42, 3]), np.where(seen.begun, NO_ACTION, seen.actions)
    later, _ = go_on(policy, seen, 30)
    np.testing.assert_array_equal(later[:, 1], play(make(), [42], 30)[:, 0])
    np.testing.assert_array_equal(later[:, 0], play(make(), [1], 47)[17:, 0])
    other = play(policy, [5, 6], 10)  # another number of streams, all of which begin
    np.testing.assert_array_equal(other, play(make(), [5, 6], 10))


def test_a_policy_that_no_episode_began_for_is_no_policy_to_ask():
    seen = begin([1, 2])
    seen.begun[:] = False
    with pytest.raises(ValueError, match="2 streams are shown, 0 have begun"):
        RandomPolicy(NUM_ACTIONS).act(seen)


def test_random_is_uniform_and_independent():
    actions = play(RandomPolicy(NUM_ACTIONS), range(8), 2000)
    counts = np.bincount(actions.ravel(), minlength=NUM_ACTIONS) / actions.size
    np.testing.assert_allclose(counts, 1 / NUM_ACTIONS, atol=0.015)
    assert abs((actions[1:] == actions[:-1]).mean() - 1 / NUM_ACTIONS) < 0.02


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_held_actions_last_at_least_the_shortest_hold(seed):
    actions = play(HeldPolicy(NUM_ACTIONS), [seed, seed + 1], 700)
    for stream in actions.T:
        assert run_lengths(stream).min() >= 4


def test_held_actions_last_4_to_8_steps_uniformly():
    # with very many actions none follows itself, so runs are holds
    lengths = np.concatenate([run_lengths(stream) for stream in play(HeldPolicy(10**6), range(4), 5000).T])
    assert lengths.min() == 4
    assert lengths.max() == 8
    counts = np.bincount(lengths, minlength=9)[4:] / len(lengths)
    np.testing.assert_allclose(counts, 0.2, atol=0.03)


def write_recordings(root, names=("A", "B", "C", "D", "E")):
    """Three episodes of one game; returns their folder."""
    with DatasetWriter(root / "played", DatasetSpec("played", 4, names)) as writer:
        for seed, split, actions in ((7, "train", [1, 2]), (8, "train", [3]), (9, "test", [0, 0, 1])):
            frames, rewards = np.zeros((len(actions) + 1, 4, 4, 3), np.uint8), np.zeros(len(actions), np.float32)
            facts = {"game": "G", "seed": seed, "split": split, "id": f"e{seed}"}
            writer.append(Episode(frames, np.array(actions), rewards, True, False, **facts))
    return str(root / "played")


def recorded(folder, names=("A", "B", "C", "D", "E"), **options):
    return PolicySpec("recorded", len(names), options={"dataset": folder, **options}, action_names=names).build()


def test_recordings_are_played_back_and_hold_their_last_action(tmp_path):
    folder = write_recordings(tmp_path)
    assert play(recorded(folder, episode="e9"), [1, 2], 4).T.tolist() == [[0, 0, 1, 1], [0, 0, 1, 1]]
    assert play(recorded(folder), [8, 7], 3).T.tolist() == [
        [3, 3, 3],
        [1, 2, 2],
    ]  # by their seeds
    drawn = play(recorded(folder, split="train"), range(100, 140), 2).T.tolist()
    assert {tuple(one) for one in drawn} == {(1, 2), (3, 3)}
    assert play(recorded(folder, ("E", "D", "C", "B", "A"), episode="e8"), [0], 1).tolist() == [[1]]  # D, by its name
    assert not recorded(folder).plays_alone


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"episode": "e1"}, "e1"),
        ({"split": "tset"}, "tset"),
        ({"names": ("A", "B")}, "A, B; set connector.action_names"),
    ],
)
def test_recordings_that_do_not_fit_are_refused(tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        recorded(write_recordings(tmp_path), **options)


def test_gamma_is_the_chance_of_a_random_action():
    four = RecordedPolicy([np.array([4])])
    policy = WithRandomActions(four, NUM_ACTIONS, gamma=0.25)
    assert abs((play(policy, range(10), 1000) != 4).mean() - 0.25 * 4 / 5) < 0.02
    assert (play(WithRandomActions(four, NUM_ACTIONS, 0.0), range(3), 50) == 4).all()


def test_temperature_samples_preferences():
    def shares(temperature):
        actions = play(WithTemperature(Decided(), NUM_ACTIONS, temperature), range(10), 1500)
        return np.bincount(actions.ravel(), minlength=NUM_ACTIONS) / actions.size

    expected = np.exp([1, 2, 0, 0, 0]) / np.exp([1, 2, 0, 0, 0]).sum()
    np.testing.assert_allclose(shares(1.0), expected, atol=0.02)
    assert shares(0.0)[1] == 1.0
    np.testing.assert_allclose(shares(1000.0), 0.2, atol=0.02)


@given(st.integers(0, 10**6), st.floats(0.0, 0.95))
@settings(max_examples=20, deadline=None)
def test_sticky_actions_are_the_policys_own_or_the_one_before(seed, probability):
    seeds = [seed, seed + 1, seed + 2]
    wanted = play(RandomPolicy(NUM_ACTIONS), seeds, 80)
    taken = play(WithStickyActions(RandomPolicy(NUM_ACTIONS), NUM_ACTIONS, probability), seeds, 80)
    np.testing.assert_array_equal(taken[0], wanted[0])  # an episode's first action has none before it
    assert ((taken[1:] == wanted[1:]) | (taken[1:] == taken[:-1])).all()


def test_sticky_actions_repeat_as_often_as_they_are_told():
    # with very many actions only a repeated one equals the one before
    taken = play(WithStickyActions(RandomPolicy(10**6), 10**6, 0.25), range(8), 4000)
    assert abs((taken[1:] == taken[:-1]).mean() - 0.25) < 0.015


@pytest.mark.parametrize("make", [RandomPolicy, HeldPolicy, Remembers])
def test_wrappers_play_alone_where_their_policy_does(make):
    wrapped = WithStickyActions(WithRandomActions(make(5), 5, 0.5), 5, 0.5)
    assert wrapped.plays_alone == make(5).plays_alone
    assert wrapped.name == make(5).name


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "random", "wrappers": (("sticky", 1.0),)}, "below 1"),
        ({"name": "randm"}, "did you mean random"),
        ({"name": "random", "wrappers": (("gamma", 1.5),)}, "from 0 to 1"),
        ({"name": "random", "wrappers": (("temperature", 1.0),)}, "means nothing"),
        ({"name": "random", "wrappers": (("temperature", -1.0),)}, "0 or more"),
        ({"name": "random", "checkpoint": "a.pt"}, "the policy 'random' has none"),
        ({"name": "held", "options": {"shortest": 0}}, "shortest is 0; it must be 1 or more"),
        ({"name": "held", "options": {"shortest": 9}}, "longest is 8; it must be 9 or more"),
        ({"name": "held", "options": {"shortest": "few"}}, "options.shortest is 'few'; it must be a whole number"),
        ({"name": "held", "options": {"short": 2}}, "no 'short': the policy 'held' takes shortest, longest"),
        ({"name": "recorded"}, "needs connector.agent.options.dataset"),
        ({"name": "agent57"}, "needs connector.agent.checkpoint_fpath=FILE"),
        ({"name": "no_such_module:load"}, "module no_such_module cannot be imported: ModuleNotFoundError"),
    ],
)
def test_bad_values_are_answered_in_one_line(values, message):
    with pytest.raises(UserError, match=message) as error:
        PolicySpec(num_actions=NUM_ACTIONS, **values).build()
    assert "\n" not in str(error.value)


OWN = """
from genieredux.policies.scripted import RandomPolicy

def load(num_actions, checkpoint, greedy: bool = False, **more):
    if more:
        raise RuntimeError(f"what are {sorted(more)}?")
    policy = RandomPolicy(num_actions)
    policy.name, policy.told = "own", (checkpoint, greedy)
    return policy

def nothing(num_actions):
    raise ZeroDivisionError("of mine")
"""


def test_a_policy_of_the_users_own_is_found_where_the_command_runs(tmp_path, monkeypatch):
    (tmp_path / "my_own_policy.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    spec = PolicySpec("my_own_policy:load", 3, "agent.pt", {"greedy": True})
    assert spec.build().told == ("agent.pt", True)
    with pytest.raises(UserError, match=r"needs connector.agent.checkpoint_fpath=FILE"):
        PolicySpec("my_own_policy:load", 3).build()
    with pytest.raises(UserError, match=r"what are \['size'\]\? \(.*my_own_policy.py:6\)"):
        PolicySpec("my_own_policy:load", 3, "agent.pt", {"size": 3}).build()
    with pytest.raises(UserError, match=r"ZeroDivisionError: of mine \(.*my_own_policy.py:12\)"):
        PolicySpec("my_own_policy:nothing", 3).build()
    with pytest.raises(UserError, match=r"there is no 'lod' in .*my_own_policy.py"):
        PolicySpec("my_own_policy:lod", 3).build()


OWN_ACTS = """
import numpy as np

class Own:
    name, plays_alone = "own", True

    def __init__(self, num_actions, answer: str = "one"):
        self.answer = answer

    def act(self, seen):
        return {"one": np.ones(len(seen.frames), int), "none": None, "few": np.array([0]), "half": np.array([0.5, 1.0]),
                "many": np.array([0, 3]), "below": np.array([-1, 0])}[self.answer]

class Nameless:
    def __init__(self, num_actions):
        pass
"""


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("none", r"a whole number for each of the 2 streams; it gives object \(\)"),
        ("few", r"it gives int64 \(1,\)"),
        ("half", r"it gives float64 \(2,\)"),
        ("many", "act gives action 3; there are 0 to 2"),
        ("below", "act gives action -1; there are 0 to 2"),
        ("?", r"its act failed: KeyError: '\?' \(.*my_acts.py:\d+\)"),
    ],
)
def test_what_a_policy_of_the_users_own_answers_is_looked_at(tmp_path, monkeypatch, answer, message):
    (tmp_path / "my_acts.py").write_text(OWN_ACTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    seen = Seen.first(np.zeros((2, 4, 4, 3), np.uint8), np.arange(2))
    assert PolicySpec("my_acts:Own", 3).build().act(seen).tolist() == [1, 1]
    with pytest.raises(UserError, match=message):
        PolicySpec("my_acts:Own", 3, options={"answer": answer}).build().act(seen)
    with pytest.raises(UserError, match="'my_acts:Nameless' must have an attribute name, a str"):
        PolicySpec("my_acts:Nameless", 3).build()


def test_each_policy_of_a_collection_gets_what_it_takes(tmp_path, monkeypatch):
    (tmp_path / "my_other_policy.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    specs = spec_of(["random", "held", "my_other_policy:load"], "a.pt", {"shortest": 2, "greedy": True})
    assert specs["random"] == PolicySpec("random", 0)
    assert specs["held"] == PolicySpec("held", 0, options={"shortest": 2})
    assert specs["my_other_policy:load"].checkpoint == "a.pt"
    with pytest.raises(UserError, match="checkpoint_fpath is set, but the policy 'random' has none"):
        spec_of(["random", "held"], "a.pt", {})
    with pytest.raises(UserError, match="no 'size': the policy 'random' takes no options; 'held' takes shortest"):
        spec_of(["random", "held"], None, {"size": 2})


def test_every_named_policy_is_built_once():
    policies = Policies()
    specs = [PolicySpec(name, 5) for name in VARIANTS if name not in ("recorded", "auto_explore", "agent57")]
    built = [policies.get(spec) for spec in specs]
    assert [policy.name for policy in built] == [spec.name for spec in specs]
    assert [policies.get(PolicySpec(spec.name, 5)) for spec in specs] == built
    assert policies.get(PolicySpec("held", 5, options={"shortest": 2})) is not policies.get(PolicySpec("held", 5))
