"""Where in a TOML file a key stands, for errors that name the line (``tomllib`` does not tell)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence


class Source:
    """The text of a plan, for errors that name the line."""

    def __init__(self, file: str, text: str):
        self.file, self.lines = file, [line + "\n" for line in text.split("\n")]

    def error(self, message: str, *path) -> ValueError:
        """The error, with the line of the key at ``path`` where it is found."""
        line = self.line(path) if path else None
        return ValueError(f"{self.file}{f', line {line}' if line else ''}: {message}")

    def line(self, path: tuple) -> int | None:
        """The line on which the key at ``path`` begins, 1 for the first; None when it is nowhere.

        The parser says: it is the first statement without which the key is missing. So keys in
        quotes, with dots or in inline tables are found as well, and texts and comments that look
        like keys are not.
        """
        whole = 0  # lines that end with a whole statement
        for count in range(1, len(self.lines) + 1):
            try:
                node = tomllib.loads("".join(self.lines[:count]))
            except tomllib.TOMLDecodeError:  # in the middle of a list or a text
                continue
            try:
                for step in path:
                    node = node[step]
            except (KeyError, IndexError, TypeError):
                whole = count
            else:
                return whole + 1
        return None

    def culprit(self, message: str, given: dict, sections: Sequence[tuple]) -> tuple:
        """Path of the field that an error is about, as far as its text tells; () where it does not.

        Args:
            given: the fields and their values; one that the text names with its value comes first.
            sections: paths of the sections in which to look for it, in order.
        """
        words = re.findall(r"\w+", message)

        def fits(name: str) -> tuple:
            value = given[name]
            quoted = repr(value) in message or not isinstance(value, str) and str(value) in words
            return not quoted, words.index(name)

        for name in sorted((name for name in given if name in words), key=fits):
            for section in sections:
                if self.line((*section, name)) is not None:
                    return (*section, name)
        return ()
