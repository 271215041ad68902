"""Where each photographic data set comes from, and how it gets into its folder: each step once.

``data/registry.json`` is ``{name: {"about", "licence", "homepage", "files": [...], "manual":
[...]}}`` with the fields of :class:`RemoteFile`; what no program can fetch stands under ``manual``,
with the ``link`` for a browser and a ``probe``, one path that is there once it is unpacked.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from entreg_utils.data.download import download, unpack
from entreg_utils.files import StorageError, atomic_write, project_root, read_bytes

DOWNLOADS = "downloads"  # folder for archives, under the root of all data sets


@dataclass(frozen=True)
class RemoteFile:
    """One file that a program can fetch: an archive when ``holds`` is given, else a plain file.

    Attributes:
        bytes: None where nobody published it.
        sha256, md5: the stronger one given is checked; with neither only the size is.
        unpack_to: folder under the root of all data sets.
        holds: the path inside an archive that is wanted.
        optional: the data set can be read without it.
    """

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

    def stamp(self, root: Path) -> Path:
        return root / DOWNLOADS / f"{self.name}.unpacked"

    def state(self, root: Path) -> bytes | None:
        """What tells one archive from another in its place; None where there is none."""
        path = self.staged(root)
        return (
            f"{path.stat().st_size} {path.stat().st_mtime_ns}".encode() if path.exists() else None
        )

    def waits(self, root: Path) -> bool:
        """Whether the reader put an archive there that is not unpacked, or is newer."""
        state = self.state(root)
        return state is not None and read_bytes(self.stamp(root)) != state

    def request(self, root: Path) -> str:
        return f"{self.name} ({self.about}): open {self.link} and put it at {self.staged(root)}"


@dataclass(frozen=True)
class Source:
    """One data set: what it is, whose it is, and the files that it is made of."""

    name: str
    about: str
    licence: str
    homepage: str
    files: tuple[RemoteFile, ...]
    manual: tuple[ManualFile, ...] = ()

    @property
    def extent(self) -> str:
        """How much there is to fetch, in words."""
        size = sum(file.bytes or 0 for file in self.files) / 1e6
        unknown = sum(file.bytes is None for file in self.files)
        more = f" and {unknown} file{'s' * (unknown > 1)} of unknown size" if unknown else ""
        count = len(self.manual)
        by_hand = f", {count} archive{'s' * (count > 1)} by hand" if count else ""
        return f"{size:,.1f} MB to download{more}{by_hand}"

    def missing(self, root: Path) -> tuple[list[RemoteFile], list[ManualFile]]:
        """What is not in its place under ``root``: files to fetch, and files to fetch by hand."""
        return (
            [file for file in self.files if not file.place(root).exists()],
            [file for file in self.manual if not file.place(root).exists()],
        )


def read_source(name: str) -> Source:
    """One data set of the project's registry.

    Raises:
        StorageError: there is no registry, or it cannot be used, or does not list ``name``.
    """
    path = project_root() / "data" / "registry.json"
    content = read_bytes(path)
    if content is None:
        raise StorageError(
            f"{path} is not there: it comes with the project; point ENTREG_ROOT at the project's "
            "folder"
        )
    try:
        entries = json.loads(content)
        if name in entries:
            words = dict(entries[name])
            files = tuple(RemoteFile(**file) for file in words.pop("files"))
            manual = tuple(ManualFile(**file) for file in words.pop("manual"))
            return Source(name=name, files=files, manual=manual, **words)
    except (ValueError, TypeError, KeyError) as error:
        raise StorageError(f"{path} cannot be used: {error}") from error
    raise StorageError(f"the registry lists no {name!r}: it has {', '.join(entries)}")


def plan(source: Source, root: Path) -> list[str]:
    """What :func:`fetch` would do under ``root``, one line a file; one line where it is nothing."""
    files, manual = source.missing(root)
    lines = [
        f"to fetch: {file.url} ({_megabytes(file.bytes)}; {file.check}) -> {file.place(root)}"
        for file in files
    ]
    lines += [f"by hand: {file.request(root)}" for file in manual if not file.waits(root)]
    lines += [f"to unpack: {file.staged(root)}" for file in source.manual if file.waits(root)]
    return lines or [f"nothing to fetch: all of it is in {root}"]


def fetch(source: Source, root: Path) -> None:
    """Bring everything of ``source`` that a program can bring into its place under ``root``.

    A folder that is there is taken as it is, a plain file is compared with its checksum; archives
    stay in ``root/downloads``. Two processes that fetch the same data set do it one after the
    other, and the second finds it done. Files that are ``optional`` and cannot be had cost a note.

    Raises:
        StorageError: a file cannot be had or is not what it should be, an archive cannot be
            unpacked, or something must be fetched by hand, with the page and the place.
    """
    missing = source.missing(root)[0]
    waiting = any(file.waits(root) for file in source.manual)
    files = source.files
    with contextlib.ExitStack() as stack:
        if missing or waiting:  # a complete data set may lie where nobody can write
            try:
                stack.enter_context(_one_at_a_time(root / DOWNLOADS, source.name))
            except StorageError as error:
                if waiting or not all(file.optional for file in missing):
                    raise
                _note(f"going on without {len(missing)} optional files: {error}")
                files = [file for file in files if file not in missing]
        silent = set()  # hosts that failed: each further file would cost the same wait
        for file in files:
            host = urlsplit(file.url).netloc
            if file.optional and host in silent:
                continue
            try:
                _bring(file, root)
            except StorageError as error:
                if not file.optional:
                    raise
                silent.add(host)
                _note(f"going on without {file.place(root)} and what else {host} has: {error}")
        for file in [file for file in source.manual if file.waits(root)]:
            state = file.state(root)
            unpack(file.staged(root), root / file.unpack_to, probe=file.probe)
            atomic_write(file.stamp(root), state)
    archives = [*source.manual, *(file for file in source.files if file.holds is not None)]
    if kept := [file.staged(root) for file in archives if file.staged(root).is_file()]:
        size = sum(path.stat().st_size for path in kept)
        print(f"the archives in {root / DOWNLOADS} ({_megabytes(size)}) may be deleted now")
    by_hand = source.missing(root)[1]
    for file in by_hand:
        if file.optional:
            _note(file.request(root))
    if required := [file.request(root) for file in by_hand if not file.optional]:
        raise StorageError(
            f"{source.name} is not complete, for some files want a browser: {'; '.join(required)}; "
            "then run the same command again, which unpacks and checks them"
        )


def _bring(file: RemoteFile, root: Path) -> None:
    if file.holds is not None and file.place(root).exists():
        return
    path = download(file.url, file.staged(root), file.bytes, file.sha256, file.md5)
    if file.holds is not None:
        unpack(path, root / file.unpack_to, file.holds)
        print(f"{file.name}: its {file.check} is right; unpacked to {file.place(root)}")
    elif not (file.sha256 or file.md5):
        _note(f"{path}: {file.check}, only its size is")


def _note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr)


def _megabytes(size: int | None) -> str:
    if size is None:
        return "size not known"
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size:,} bytes"


@contextlib.contextmanager
def _one_at_a_time(folder: Path, name: str) -> Iterator[None]:
    lock = FileLock(folder / f".{name}.lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            _note(f"another process fetches {name}: waiting for it")
            lock.acquire()
    except OSError as error:
        raise StorageError(
            f"cannot write in {folder}: {error.strerror}; make it writable, or name another folder "
            "with --root"
        ) from error
    try:
        yield
    finally:
        lock.release()
