"""`hub:REPO:ENTRY`: an entry of a torch.hub repository that is on this machine.

REPO is `owner/name`, as torch.hub keeps it in its folder after an earlier `torch.hub.load`, or
the path of a folder with a `hubconf.py`. Its code is run, as with a plugin file; nothing is
downloaded: weights come from `--weights FILE` or from torch's cache. The features are found by
what the model offers (`networks.hub_features`).
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from tvseg_bench.benchmark.errors import ModelError, UsageError
from tvseg_bench.benchmark.plugins.weights.locate import torch_cache
from tvseg_bench.benchmark.registry import ModelEntry, Registry
from tvseg_bench.benchmark.types import FeatureModel

_REST = re.compile(r"(?P<repo>.+):(?P<entry>[A-Za-z_]\w*)")
_GITHUB = re.compile(r"(?P<owner>[\w.-]+)/(?P<name>[\w.-]+)")


def register(models: Registry[ModelEntry]) -> None:
    """Add the scheme to a registry."""
    models.scheme("hub", resolve)


def resolve(rest: str) -> ModelEntry:
    """Turn what follows `hub:` into an entry; whether it is there shows when it is built.

    Raises:
        UsageError: if it is not a repository and an entry.

    Example:
        >>> resolve("facebookresearch/dinov2:dinov2_vits14").takes_weights
        True
    """
    match = _REST.fullmatch(rest)
    if match is None:
        raise UsageError(f"'hub:{rest}' is not a reference; expected hub:OWNER/NAME:ENTRY")
    return ModelEntry(
        card=None,
        build=partial(build, match["repo"], match["entry"]),
        takes_weights=True,
    )


def build(repo: str, entry: str, weights: Path | None = None) -> FeatureModel:
    """Build an entry with the weights it finds in torch's cache, or those of a file.

    Raises:
        ModelError: if the repository is not on this machine or has no such entry, the entry
            wants to download, or its model has no dense features.
    """
    from tvseg_bench.models.networks.hub_features import load_entry

    return load_entry(find_folder(repo), repo, entry, weights)


def find_folder(repo: str) -> Path:
    """Return the folder of a repository: the one named, or torch.hub's copy of it.

    Raises:
        ModelError: if there is none, or there are several copies.
    """
    given = Path(repo).expanduser()
    if (given / "hubconf.py").is_file():
        return given.resolve()
    match = _GITHUB.fullmatch(repo)
    place = torch_cache().parent
    name = f"{match['owner']}_{match['name']}_" if match else None
    copies = sorted(place.glob(f"{name}*/hubconf.py")) if name else []
    if len(copies) == 1:
        return copies[0].parent
    if copies:
        found = ", ".join(path.parent.name for path in copies)
        raise ModelError(
            f"hub:{repo} is in {place} several times ({found}); type hub: and the folder you mean"
        )
    raise ModelError(
        f"hub:{repo} is not on this machine: neither a folder with a hubconf.py nor in {place}; "
        "nothing is downloaded here, so load it once with torch.hub.load or clone it"
    )
