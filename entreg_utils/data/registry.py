"""``data/registry.json``: where each photographic data set comes from, and what it must be.

``{name: {"about", "licence", "homepage", "files": [...], "manual": [...]}}``. A file has ``url``,
``name``, ``bytes`` (null where nobody published it), ``sha256`` or ``md5`` (the stronger one given
is checked; neither: only the size is), ``unpack_to`` (folder under the root of all data sets),
``holds`` for an archive (the path inside it that is wanted) and ``optional`` (the data set can be
read without it). What no program can fetch stands under ``manual``, with the ``link`` for a browser
and a ``probe``, one path that is there once it is unpacked.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields
from pathlib import Path, PurePosixPath, PureWindowsPath

from entreg_utils.files import StorageError, project_root, read_bytes

DOWNLOADS = "downloads"  # folder for archives, under the root of all data sets
_HEX = {"sha256": 64, "md5": 32}


@dataclass(frozen=True)
class RemoteFile:
    """One file that a program can fetch: an archive when ``holds`` is given, else a plain file."""

    url: str
    name: str
    unpack_to: str
    bytes: int | None = None
    sha256: str | None = None
    md5: str | None = None
    holds: str | None = None
    optional: bool = False

    def staged(self, root: Path) -> Path:
        """Where the download lies: archives are kept apart, a plain file goes to its place."""
        return root / (self.unpack_to if self.holds is None else DOWNLOADS) / self.name

    def place(self, root: Path) -> Path:
        """What is there when all of it is done: the plain file, or the folder from the archive."""
        return root / self.unpack_to / (self.holds or self.name)

    @property
    def check(self) -> str:
        """How the content is verified, in words."""
        kind = "sha256" if self.sha256 else "md5" if self.md5 else None
        return f"{kind} {getattr(self, kind)}" if kind else "no checksum published: not verified"


@dataclass(frozen=True)
class ManualFile:
    """An archive behind a page that wants a browser: the reader fetches it, the command unpacks."""

    name: str
    link: str
    about: str
    unpack_to: str
    probe: str
    optional: bool = False

    def staged(self, root: Path) -> Path:
        return root / DOWNLOADS / self.name

    def place(self, root: Path) -> Path:
        return root / self.unpack_to / self.probe


@dataclass(frozen=True)
class Source:
    """One data set: what it is, whose it is, and the files that it is made of."""

    name: str
    about: str
    licence: str
    homepage: str
    files: tuple[RemoteFile, ...]
    manual: tuple[ManualFile, ...]

    @property
    def extent(self) -> str:
        """How much there is to fetch, in words."""
        size = sum(file.bytes or 0 for file in self.files) / 1e6
        unknown = sum(file.bytes is None for file in self.files)
        more = f" and {_count(unknown, 'file')} of unknown size" if unknown else ""
        by_hand = f", {_count(len(self.manual), 'archive')} by hand" if self.manual else ""
        return f"{size:,.1f} MB to download{more}{by_hand}"

    def missing(self, root: Path) -> tuple[list[RemoteFile], list[ManualFile]]:
        """What is not in its place under ``root``: files to fetch, and files to fetch by hand."""
        return (
            [file for file in self.files if not file.place(root).exists()],
            [file for file in self.manual if not file.place(root).exists()],
        )


def read_registry(path: Path | str | None = None) -> dict[str, Source]:
    """All sources by name.

    Args:
        path: default ``data/registry.json`` of the project.

    Raises:
        StorageError: there is no such file, it is no JSON, or an entry is not what it must be; the
            message names the entry.
    """
    path = Path(path) if path is not None else project_root() / "data" / "registry.json"
    content = read_bytes(path)
    if content is None:
        raise StorageError(
            f"{path} is not there: it comes with the project; point ENTREG_ROOT at the project's "
            "folder"
        )
    try:
        entries = json.loads(content)
        return {name: _source(name, entry) for name, entry in entries.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StorageError(f"{path} cannot be used: {error}") from error


def read_source(name: str) -> Source:
    """One source of the project's registry.

    Raises:
        StorageError: as :func:`read_registry`, or the registry does not list ``name``.
    """
    sources = read_registry()
    if name not in sources:
        raise StorageError(f"the registry lists no {name!r}: it has {', '.join(sources)}")
    return sources[name]


def _source(name: str, entry: dict) -> Source:
    files = tuple(_file(RemoteFile, name, item) for item in entry["files"])
    manual = tuple(_file(ManualFile, name, item) for item in entry["manual"])
    words = {key: entry[key] for key in ("about", "licence", "homepage")}
    return Source(name=name, files=files, manual=manual, **words)


def _file(kind: type, name: str, item: dict) -> RemoteFile | ManualFile:
    known = {field.name for field in fields(kind)}
    if unknown := sorted(set(item) - known):
        raise ValueError(f"a file of {name} has {unknown[0]!r}, which is none of {sorted(known)}")
    file = kind(**item)
    for key in ("name", "unpack_to", "holds", "probe"):
        value = getattr(file, key, None)
        if value is not None and not is_inside(value):
            raise ValueError(f"{key} {value!r} of {name} leaves the folder of the data sets")
    if len(PurePosixPath(file.name).parts) != 1:
        raise ValueError(f"name {file.name!r} of {name} is not a plain file name")
    address = file.url if kind is RemoteFile else file.link
    if not re.match(r"https?://[^/\s]", address):
        raise ValueError(f"{address!r} of {name} is no http or https address")
    if kind is RemoteFile:
        if file.bytes is not None and not (isinstance(file.bytes, int) and file.bytes > 0):
            raise ValueError(f"bytes {file.bytes!r} of {file.name} is no size")
        for key, digits in _HEX.items():
            value = getattr(file, key)
            if value is not None and not re.fullmatch(f"[0-9a-f]{{{digits}}}", value):
                raise ValueError(f"{key} {value!r} of {file.name} is not {digits} hex digits")
        if file.holds is not None and not (file.sha256 or file.md5):
            raise ValueError(
                f"archive {file.name} of {name} has no checksum, so it is not unpacked"
            )
    return file


def is_inside(name: str) -> bool:
    """Whether a path as written in an archive or a list stays below the folder it is put in.

    Absolute paths, drives and ``..`` do not, whichever of the two slashes is used.
    """
    path = PureWindowsPath(name)  # splits at both slashes, and knows drives
    return bool(name) and "\0" not in name and not path.anchor and ".." not in path.parts


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
