"""Episodes compressed elsewhere: the same bytes as the writer's own, and refused where they do not fit."""

import pickle

import pytest

from genieredux.episodes import Dataset, DatasetSpec, DatasetWriter, encode_episode
from genieredux.episodes.fake import ACTION_NAMES, fake_episode
from genieredux.errors import UserError


def named(length, seed):
    episode = fake_episode(length, seed, 32)
    object.__setattr__(episode, "id", f"episode-{seed}")
    return episode


SPEC = DatasetSpec("encoded", 32, ACTION_NAMES)


@pytest.mark.parametrize("length", [1, 2, 16, 17, 100])
def test_the_file_is_the_one_that_append_writes(tmp_path, length):
    episode = named(length, 7)
    with DatasetWriter(tmp_path / "a", SPEC) as writer:
        writer.append(episode)
    with DatasetWriter(tmp_path / "b", SPEC) as writer:
        sent = pickle.loads(pickle.dumps(encode_episode(episode, len(ACTION_NAMES))))
        assert writer.append_encoded(sent) == episode.id
        assert (len(writer), writer.num_frames) == (1, length)
    file = f"episodes/{episode.id}.parquet"
    assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert (tmp_path / "a" / "index.parquet").read_bytes() == (tmp_path / "b" / "index.parquet").read_bytes()
    assert Dataset.open(tmp_path / "b", verify=True).episode(0).same_as(episode)


def test_what_does_not_fit_is_refused_and_nothing_is_left(tmp_path):
    with DatasetWriter(tmp_path / "a", SPEC) as writer:
        writer.append(named(5, 1))
        with pytest.raises(UserError, match="exists already"):
            writer.append_encoded(encode_episode(named(5, 1), len(ACTION_NAMES)))
        with pytest.raises(UserError, match="do not fit"):
            writer.append_encoded(encode_episode(named(5, 2), len(ACTION_NAMES) + 1))
        with pytest.raises(UserError, match="letters, digits"):
            encode_episode(fake_episode(5, 3, 32), len(ACTION_NAMES))
    assert len(list((tmp_path / "a" / "episodes").iterdir())) == 1
