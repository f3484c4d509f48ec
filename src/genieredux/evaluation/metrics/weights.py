"""What a network metric does where its weights are not here: a file that somebody named must serve, one that nobody
named is only missing.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from genieredux.errors import UserError
from genieredux.evaluation.metrics.metric import Missing


@contextmanager
def named_or_missing(name: str, named: str | None) -> Iterator[None]:
    """Turn a UserError of opening weights into Missing, or name the metric in it where the user named the file."""
    try:
        yield
    except UserError as error:
        raise (UserError(f"{name}: {error}") if named else Missing(str(error))) from error
