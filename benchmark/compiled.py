"""Loops compiled by numba, and cached so that an edit invalidates all that may call them.

numba's cache looks at the file of a kernel alone, although a kernel holds those that it calls from
other files inside it: `compiled` names them by the text of all files with kernels in the folder.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import numba

_F = TypeVar("_F", bound=Callable[..., Any])
FINITE = {
    "error_model": "numpy",
    # input is finite and padding a large finite number, so NaN and infinity do not occur
    "fastmath": {"nnan", "ninf", "nsz", "contract", "reassoc"},
}
"""Options of kernels over finite floats: sums may be made in any order, fixed once compiled."""


@lru_cache
def fingerprint(folder: Path) -> str:
    """Return eight hexadecimal digits that change with any file of a folder that holds kernels."""
    digest = sha256()
    for path in sorted(folder.glob("*.py")):
        text = path.read_bytes()
        if b"\n@compiled" in text:
            digest.update(path.name.encode() + b"\0" + text + b"\0")
    return digest.hexdigest()[:8]


def compiled(**options: Any) -> Callable[[_F], _F]:
    """Compile to code that releases the GIL, cached wherever a cache folder can be written.

    The cache's files are named after the function and the text of all kernels in its folder.

    Args:
        options: of `numba.njit`.
    """

    def compile_(function: _F) -> _F:
        folder = Path(function.__code__.co_filename).parent
        function.__qualname__ += f"-{fingerprint(folder)}"
        try:
            kernel: _F = numba.njit(cache=True, nogil=True, **options)(function)
        except RuntimeError:  # no folder to cache in: every process compiles again
            kernel = numba.njit(nogil=True, **options)(function)
        return kernel

    return compile_
