"""Large JSON label files, read an element at a time: memory is bounded whatever their size.

A label file of COCO's kind is one object whose values are arrays of small objects (`videos`,
`annotations`, `categories`). That of YouTube-VIS holds 230,000 masks, which would take
several gigabytes as Python objects.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tvseg_bench.benchmark.errors import DataError

MAX_ELEMENT = 16 << 20
"""Bytes that one element may have; an object's masks over a clip have a megabyte at most."""
CHUNK = 1 << 20
_BLANKS = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()
_BOM = "\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a top-level array, and where it stands."""

    key: str
    """Of the array."""
    value: Any
    start: int
    """Of its text, in bytes from the beginning of the file."""
    length: int


def elements(path: Path, name: str, keys: Collection[str]) -> Iterator[Element]:
    """Yield the elements of the arrays with these keys, in the order of the file.

    Args:
        name: how errors call the file.

    Raises:
        DataError: unreadable, not a JSON object, or a part of it is too large.
    """
    try:
        with path.open("rb") as file:
            yield from _Scanner(file, name).elements(keys)
    except OSError as error:
        raise DataError(f"{name} cannot be read ({error.strerror})") from error


def read_element(path: Path, name: str, start: int, length: int) -> Any:
    """Return the value of an element whose place is known.

    Raises:
        DataError: the file has changed since it was looked through.
    """
    try:
        with path.open("rb") as file:
            file.seek(start)
            return json.loads(file.read(length))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{name} was changed while it was in use") from error


class _Scanner:
    """A window on the text of a file; each byte is one character, so that places are bytes."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._file, self._name = file, name
        self._text, self._at, self._before = "", 0, 0

    def elements(self, keys: Collection[str]) -> Iterator[Element]:
        self._more()
        if self._text.startswith(_BOM):
            self._at = len(_BOM)
        self._expect("{")
        while self._peek() != "}":
            key = self._value().value
            self._expect(":")
            if key in keys and self._peek() == "[":
                yield from self._array(key)
            else:
                self._value()
            if self._peek() != "}":
                self._expect(",")

    def _array(self, key: str) -> Iterator[Element]:
        self._expect("[")
        while self._peek() != "]":
            found = self._value()
            yield Element(key, found.value, found.start, found.length)
            if self._peek() != "]":
                self._expect(",")
        self._expect("]")

    def _peek(self) -> str:
        """Return the next character that is not blank, "" at the end."""
        while True:
            blanks = _BLANKS.match(self._text, self._at)
            self._at = blanks.end() if blanks else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _expect(self, character: str) -> None:
        if self._peek() != character:
            self._refuse(f"expected {character!r}")
        self._at += 1

    def _value(self) -> Element:
        self._peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
                length = end - self._at
                if end + 2 < len(self._text) or not self._more():
                    break  # else a number may go on, as in 1e-6
            except (ValueError, RecursionError):
                if len(self._text) - self._at > MAX_ELEMENT or not self._more():
                    self._refuse("a value is damaged or too large")
        raw = self._text[self._at : self._at + length]
        start, self._at = self._before + self._at, self._at + length
        if not raw.isascii():
            try:
                value = json.loads(raw.encode("latin-1").decode())
            except ValueError:
                self._refuse("a text is not UTF-8")
        return Element("", value, start, length)

    def _more(self) -> bool:
        """Forget what was read and read on; return whether there was more."""
        rest = self._text[self._at :]
        chunk = self._file.read(max(CHUNK, len(rest)))
        self._before += self._at
        self._text, self._at = rest + chunk.decode("latin-1"), 0
        return bool(chunk)

    def _refuse(self, reason: str) -> None:
        raise DataError(
            f"{self._name} is not a JSON label file ({reason} at byte {self._before + self._at})"
        )
