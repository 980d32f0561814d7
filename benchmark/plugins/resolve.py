"""What a model reference points to: parsing it, and importing somebody else's code with care.

A reference is a registered name (`dino/vits16`), `timm:NAME`, `file:./my_model.py:build`,
`file:FOLDER` that training left behind, or `pkg.module:build` (`build` is the default attribute:
a function or a class), with an optional `@sha256:…` that pins the weights. Importing this module
loads no torch.

A `file:` plugin is one file: it is imported under a name of its own and `sys.path` stays as it
is, so it can import every installed package but not its neighbours. Several files are a package,
which is installed or put on `PYTHONPATH` and named `pkg.module:build`. That way the hash of the
file identifies the code, and changed code is never served features of the old one.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import packages_distributions, version
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from tvseg_bench.benchmark.errors import ModelError, TvsegError, UsageError
from tvseg_bench.benchmark.registry import ModelEntry, adopt_model, models

T = TypeVar("T")

Origin = Mapping[str, str | None]
"""`package` and `version` of the distribution that holds the code; `file_sha256` of code that no
installed distribution vouches for (of a package: over the hashes of its files)."""

_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_PIN = re.compile(r"[0-9a-f]{8,64}…?")


@dataclass(frozen=True, kw_only=True)
class ResolvedModel:
    """What a reference points to, before anything is built."""

    target: str
    """The reference without its pin."""
    entry: ModelEntry
    origin: Origin
    pin: str | None = None
    """The first 8 to 64 hexadecimal digits of the sha256 of the weights that are wanted."""
    registered: bool = False
    """Whether the target is a name of the registry."""


def find_model(reference: str) -> ResolvedModel:
    """Resolve a reference without building the model: enough for `info` and `plan`.

    Raises:
        UsageError: if the reference names nothing.
        ModelError: if the code behind it cannot be imported.
    """
    target, pin = split_pin(reference)
    prefix, colon, rest = target.partition(":")
    if not colon or prefix in models.schemes:
        entry, name = models[target], models.origin(target)
        package, _, number = ("tvseg-bench" if colon else name).partition(" ")
        origin = _origin(package, number or None)
        return ResolvedModel(
            target=target, entry=entry, origin=origin, pin=pin, registered=not colon
        )
    if prefix == "file" and Path(rest).expanduser().is_dir():
        entry = models[f"trained:{rest}"]
        return ResolvedModel(
            target=target, entry=entry, origin=_origin("tvseg-bench", None), pin=pin
        )
    if prefix == "file":
        path, attribute = split_file(rest)
        module, origin = import_file(path)
    elif _DOTTED.fullmatch(prefix) and (not rest or _DOTTED.fullmatch(rest)):
        module, attribute = _import_dotted(prefix), rest or "build"
        origin = _code_origin(prefix.partition(".")[0])
    else:
        known = ", ".join(f"{scheme}:" for scheme in ("file", *models.schemes))
        raise UsageError(
            f"the model reference {reference!r} has the unknown scheme {prefix + ':'!r}; "
            f"expected a registered name, {known} or pkg.module:build"
        )
    value = _attribute(module, attribute, target)
    try:
        entry = adopt_model(target, value)
    except TypeError as error:
        raise UsageError(str(error)) from error
    return ResolvedModel(target=target, entry=entry, origin=origin, pin=pin)


def split_pin(reference: str) -> tuple[str, str | None]:
    """Split `NAME@sha256:…` into the name and the digits.

    Raises:
        UsageError: if the pin is not the beginning of a sha256.

    Example:
        >>> split_pin("dino/vits16@sha256:0123abcd")
        ('dino/vits16', '0123abcd')
        >>> split_pin("dino/vits16")
        ('dino/vits16', None)
    """
    target, at, pin = reference.rpartition("@")
    if not at or (reference.startswith("file:") and not pin.startswith("sha256:")):
        return reference, None
    digits = pin.removeprefix("sha256:").lower()
    if not pin.startswith("sha256:") or not _PIN.fullmatch(digits):
        raise UsageError(
            f"the model reference {reference!r} ends in {at + pin!r}; expected @sha256: and 8 to "
            "64 hexadecimal digits of the weights that are wanted"
        )
    return target, digits.rstrip("…")


def split_file(rest: str) -> tuple[Path, str]:
    """Split `./my_model.py:build`; a drive letter is not a path.

    Example:
        >>> split_file("plugins/net.py:Net")[1]
        'Net'
        >>> split_file("plugins/net.py")[1]
        'build'
        >>> split_file("C:net.py")[0].name
        'C:net.py'
    """
    head, colon, tail = rest.rpartition(":")
    if colon and len(head) > 1 and _DOTTED.fullmatch(tail):
        return Path(head), tail
    return Path(rest), "build"


def file_sha256(path: Path) -> str:
    """Return the hexadecimal sha256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


# ----------------------------------------------------------------------------- imports


def import_file(path: Path) -> tuple[ModuleType, Origin]:
    """Run one file as a module named by its place and content, leaving `sys.path` as it is.

    The bytes that are hashed are the bytes that are run: no byte code is read or written.
    """
    if not path.is_file():
        raise UsageError(
            f"the plugin file {path} does not exist or is not a file; expected file:PATH.py:build"
        )
    source = path.read_bytes()
    content = hashlib.sha256(source).hexdigest()
    origin = _origin(None, None, content)
    place = hashlib.sha256(str(path.resolve()).encode()).hexdigest()
    name = f"tvseg_bench_plugin_{place[:8]}_{content[:8]}"
    if name in sys.modules:
        return sys.modules[name], origin
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        code = partial(compile, source, str(path), "exec", dont_inherit=True)
        guarded(f"file:{path}", "imported", lambda: exec(code(), module.__dict__))
    except TvsegError as error:
        del sys.modules[name]
        _explain_neighbour(path, error.__cause__)
        raise
    return module, origin


def _explain_neighbour(path: Path, cause: BaseException | None) -> None:
    if not isinstance(cause, ModuleNotFoundError) or not cause.name:
        return
    neighbour = path.parent / cause.name.partition(".")[0]
    if neighbour.is_dir() or neighbour.with_suffix(".py").is_file():
        raise ModelError(
            f"the plugin file {path} imports its neighbour {neighbour.name!r}, but a file: plugin "
            f"is one file; put the folder {path.parent} on PYTHONPATH and name the model "
            f"{path.stem}:build"
        ) from cause


def _import_dotted(name: str) -> ModuleType:
    top = name.partition(".")[0]
    if top not in sys.modules and importlib.util.find_spec(top) is None:
        raise UsageError(
            f"there is no module {top!r} to take a model from; install its package, put its "
            "folder on PYTHONPATH, or use file:PATH.py:build"
        )
    return guarded(name, "imported", partial(importlib.import_module, name))


def _attribute(module: ModuleType, dotted: str, target: str) -> Any:
    try:
        return attrgetter(dotted)(module)
    except AttributeError:
        public = [n for n, v in vars(module).items() if n[0] != "_" and callable(v)]
        raise UsageError(
            f"{target!r}: there is no {dotted!r} in it; expected a function or class that builds "
            f"the model, it has: {', '.join(public) or 'none'}"
        ) from None


def _code_origin(top: str) -> Origin:
    """Name the distribution of an imported package, or the hash of its code if it has none."""
    owners = packages_distributions().get(top)
    if owners:
        return _origin(owners[0], version(owners[0]))
    module = sys.modules[top]
    folders = [Path(folder) for folder in vars(module).get("__path__", ())]
    files = [file for folder in folders for file in sorted(folder.rglob("*.py"))]
    if not folders and module.__file__:
        files = [Path(module.__file__)]
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name} {file_sha256(file)}\n".encode())
    return _origin(None, None, digest.hexdigest())


def _origin(package: str | None, number: str | None, sha256: str | None = None) -> Origin:
    return {"package": package, "version": number, "file_sha256": sha256}


# ------------------------------------------------------------------------------ errors


def guarded(target: str, doing: str, action: Callable[[], T]) -> T:
    """Run somebody else's code; whatever it raises becomes one sentence.

    Raises:
        ModelError: naming the file, the line and the exception; our own errors pass unchanged.
    """
    try:
        return action()
    except TvsegError:
        raise
    except (Exception, SystemExit) as error:
        raise plugin_error(target, doing, error) from error


def plugin_error(target: str, doing: str, error: BaseException) -> ModelError:
    """Return the sentence for an exception in a model's code: file, line and exception.

    Example:
        >>> str(plugin_error("file:net.py", "built", ValueError("no such size")))
        "the model 'file:net.py' could not be built: ValueError: no such size"
    """
    if isinstance(error, SyntaxError):
        where = f" at {error.filename}, line {error.lineno}"
        text = error.msg
    else:
        where = _where(error)
        text = " ".join(str(error).split())
    cause = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return ModelError(f"the model {target!r} could not be {doing}{where}: {cause}")


def _where(error: BaseException) -> str:
    """Return the innermost line in the file in which the model's code begins."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__ and "importlib" not in frame.filename
    ]
    if not frames:
        return ""
    inner = [frame for frame in frames if frame.filename == frames[0].filename][-1]
    return f" at {inner.filename}, line {inner.lineno}"
