"""Worlds on the Hugging Face Hub, in the conventions of its ModelHubMixin (extra: hub).

A repository holds what `export_folder` writes (model.safetensors, config.json), a card, and nothing that runs. The
network is asked where a name of a repository is given, and never else. HF_ENDPOINT, HF_HUB_OFFLINE, HF_TOKEN and
HF_HOME mean what they mean to everybody.
"""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from genieredux.errors import UserError
from genieredux.models.folder import CONFIG, WEIGHTS, export_folder
from genieredux.models.world.card import FOLDER_CARD, USE, Card, card_path, read_card

README = "README.md"
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class Shareable:
    """What a world is given away by. path: the file or folder that it was loaded from; it is never changed, so what is
    there is what it is."""

    path: Path | None = None

    def save_pretrained(self, folder: str | Path, card: Card | None = None) -> Path:
        """Write model.safetensors, config.json and README.md, whole or not at all; `gr.load(folder)` opens it.

        card: None takes that which lies beside the world. Raises UserError where there is something at `folder`, or
        the world is of no file.
        """
        if self.path is None:
            raise UserError("this world was loaded from no file; save it as a checkpoint first")
        card = card or read_card(card_path(self.path))
        beside = {} if card is None else {README: card.to_markdown(), FOLDER_CARD: card.to_json()}
        return export_folder(self.path, folder, beside or {README: _PLAIN_CARD.format(name=Path(folder).name, use=USE)})

    def push_to_hub(
        self,
        repo_id: str,
        *,
        card: Card | None = None,
        private: bool | None = None,
        branch: str | None = None,
        commit_message: str = "Upload a world with genieredux",
        token: str | None = None,
    ) -> str:
        """Upload what `save_pretrained` writes to a repository, which is made where it lacks; the address of the
        commit. Raises UserError where the Hub cannot be reached, or refuses."""
        _check_repository(repo_id)
        hub = _library()
        with tempfile.TemporaryDirectory() as aside, _said(repo_id, branch):
            folder = self.save_pretrained(Path(aside) / repo_id.rpartition("/")[2], card)
            api = hub.HfApi(token=token, library_name="genieredux")
            api.create_repo(repo_id, private=private, exist_ok=True)
            if branch is not None:
                api.create_branch(repo_id, branch=branch, exist_ok=True)
            made = api.upload_folder(
                repo_id=repo_id, folder_path=folder, revision=branch, commit_message=commit_message
            )
        return str(made.commit_url)


def is_repository(name: str | Path) -> bool:
    """Whether a name can only mean a repository: "org/name" where there is no such file, and no folder "org"."""
    text = str(name)
    fits = _REPOSITORY.fullmatch(text) is not None and not text.endswith((".pt", ".json"))
    return fits and not Path(text).exists() and not Path(text).parent.is_dir()


def fetch(repo_id: str, revision: str | None = None, local_files_only: bool = False) -> Path:
    """The folder of a repository, downloaded where it is not here yet.

    revision: a branch, tag or commit. Raises UserError where there is none, it is no world, or nothing can be reached.
    """
    _check_repository(repo_id)
    hub = _library()
    with _said(repo_id, revision):
        path = hub.snapshot_download(
            repo_id,
            revision=revision,
            local_files_only=local_files_only,
            allow_patterns=[WEIGHTS, CONFIG, README, FOLDER_CARD],
            library_name="genieredux",
        )
    folder = Path(path)
    if not (folder / CONFIG).is_file():
        raise UserError(f"{repo_id} is no world of genieredux: it has no {CONFIG}; give another repository")
    return folder


def _check_repository(repo_id: str) -> None:
    if not _REPOSITORY.fullmatch(repo_id):
        raise UserError(f"'{repo_id}' is no name of a repository; it must be ORG/NAME")


def _library() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise UserError(f"the Hub needs its library ({error}): pip install 'genieredux[hub]'") from error
    return huggingface_hub


@contextmanager
def _said(repo_id: str, revision: str | None) -> Iterator[None]:
    """Turns what the library says into one line that names the way out."""
    errors: Any = import_module("huggingface_hub.errors")
    at = f"{repo_id} at {revision}" if revision else repo_id
    try:
        yield
    except errors.GatedRepoError as error:
        raise UserError(f"{at} on the Hub is for those whom its owner let in; log in with `hf auth login`") from error
    except errors.RevisionNotFoundError as error:
        raise UserError(f"{repo_id} on the Hub has no revision '{revision}'; give a branch, tag or commit") from error
    except errors.RepositoryNotFoundError as error:
        raise UserError(
            f"there is no file {repo_id} here and no repository of that name on the Hub (or it is private: "
            f"`hf auth login`)"
        ) from error
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, errors.CachedRepoTreeNotFoundError) as error:
        raise UserError(
            f"{at} is not on this machine, and the Hub cannot be reached or may not be asked (HF_HUB_OFFLINE); give a "
            f"file or folder, or connect"
        ) from error
    except (errors.HTTPError, errors.HFValidationError, errors.RevisionResolutionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"the Hub did not give or take {at} ({reason}); try again, or log in with `hf auth login`"
        ) from error


_PLAIN_CARD = """---
library_name: genieredux
pipeline_tag: reinforcement-learning
tags:
- world-model
- genie
- interactive-environment
---

# {name}

A world to walk in, made with genieredux. Nobody wrote down what it was made from.

{use}
"""
