"""JSON files read entry by entry, for those that are larger than memory."""

from __future__ import annotations

import codecs
import json
import os
import re
from collections.abc import Iterator
from typing import IO, Any, Final

from craft_envs.errors import DataMismatch

_BLOCK: Final = 1 << 20
_LONGEST: Final = 1 << 25
"""Characters of one entry; a longer one is taken for damage."""
_BLANK: Final = re.compile(r"[ \t\n\r]*")
_OF_A_NUMBER: Final = ("", *"0123456789.eE+-")
_decode: Final = json.JSONDecoder().raw_decode


def array_entries(path: str | os.PathLike[str]) -> Iterator[Any]:
    """The entries of a file that holds one JSON array, in order; memory stays at a few megabytes.

    Raises:
        DataMismatch: the file is cut or damaged, no UTF-8, or holds something else than an array.
    """
    with open(path, "rb") as file:
        reader = _Reader(file, os.fspath(path))
        reader.begin("[", "list")
        while reader.another("]"):
            yield reader.value()
        reader.end()


def object_entries(path: str | os.PathLike[str]) -> Iterator[tuple[str, Any]]:
    """Keys with values of a file that holds one JSON object, in order; see ``array_entries``."""
    with open(path, "rb") as file:
        reader = _Reader(file, os.fspath(path))
        reader.begin("{", "dict")
        while reader.another("}"):
            key = reader.value()
            if not isinstance(key, str):
                raise reader.damaged("a key is not text")
            reader.expect(":")
            yield key, reader.value()
        reader.end()


class _Reader:
    """A window that slides over the text of a file."""

    def __init__(self, file: IO[bytes], path: str) -> None:
        self._file, self._path = file, path
        self._utf8 = codecs.getincrementaldecoder("utf-8-sig")()
        self._text = ""
        self._at = 0
        self._over = False
        self._first = True

    def damaged(self, why: str) -> DataMismatch:
        """The error for whoever reads on."""
        return DataMismatch(f"the file is cut or damaged: {why}", where=self._path, remedy="fetch it again")

    def begin(self, sign: str, kind: str) -> None:
        """The first character of the file."""
        found = self._peek()
        if found != sign:
            if not found:
                raise self.damaged("it is empty")
            raise DataMismatch(
                f"the file does not hold a {kind}",
                where=self._path,
                remedy="check that it is the original's file of this name",
            )
        self._at += 1

    def another(self, end: str) -> bool:
        """Whether an entry follows; takes the comma before it, or the end."""
        found = self._peek()
        if found == end:
            self._at += 1
            return False
        if not self._first:
            self.expect(",")
        self._first = False
        return True

    def expect(self, sign: str) -> None:
        """Take one character."""
        if self._peek() != sign:
            raise self.damaged(f"{sign!r} is missing")
        self._at += 1

    def value(self) -> Any:
        """Take one value."""
        self._peek()
        size = _BLOCK
        while True:
            try:
                value, end = _decode(self._text, self._at)
                # A number may go on in the next block.
                if self._over or self._text[end : end + 1] not in _OF_A_NUMBER:
                    self._at = end
                    return value
            except (ValueError, RecursionError) as error:
                if self._over or len(self._text) - self._at > _LONGEST or isinstance(error, RecursionError):
                    raise self.damaged(str(error)) from error
            self._more(size)
            size *= 2  # so that a long entry is not tried at every block

    def end(self) -> None:
        """Nothing may follow."""
        if self._peek():
            raise self.damaged("text follows the end")

    def _peek(self) -> str:
        """The next character that is no blank; empty at the end of the file."""
        while True:
            match = _BLANK.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if self._over:
                return ""
            self._more(_BLOCK)

    def _more(self, size: int) -> None:
        block = self._file.read(size)
        self._over = not block
        try:
            fresh = self._utf8.decode(block, final=self._over)
        except UnicodeDecodeError as error:
            raise self.damaged(str(error)) from error
        self._text = self._text[self._at :] + fresh
        self._at = 0
