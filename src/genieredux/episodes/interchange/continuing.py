"""Opening a data set that an import fills: a new one, or the same import continued. Knows no source format."""

from collections.abc import Mapping
from typing import Any

from genieredux.episodes.schema import DatasetSpec, check_continues
from genieredux.episodes.writer import DatasetWriter
from genieredux.runs.environment import describe_environment
from genieredux.runs.places import user_path


def open_writer(root: str, spec: DatasetSpec, settings: Mapping[str, Any], facts: Mapping[str, Any]) -> DatasetWriter:
    """The writer of `<root>/<spec.name>`.

    settings: what must be equal for a second run to continue the first. facts: more to be kept in dataset.json.
    Raises UserError where the folder holds a data set of another kind, source or setting.
    """
    path = user_path(root) / spec.name
    created_by = {**settings, **facts, "environment": describe_environment()}
    writer = DatasetWriter(path, DatasetSpec(spec.name, spec.image_size, spec.action_names, created_by))
    check_continues(path, writer.spec.created_by, settings)
    return writer
