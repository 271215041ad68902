"""From a registry entry to a data set in its folder: fetch, check, unpack, each step once."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from entreg_utils.data.archives import unpack
from entreg_utils.data.download import download
from entreg_utils.data.registry import DOWNLOADS, ManualFile, RemoteFile, Source
from entreg_utils.files import StorageError, atomic_write, read_bytes


def plan(source: Source, root: Path) -> list[str]:
    """What :func:`fetch` would do under ``root``, one line a file; one line where it is nothing."""
    files, manual = source.missing(root)
    lines = [
        f"to fetch: {file.url} ({_megabytes(file.bytes)}; {file.check}) -> {file.place(root)}"
        for file in files
    ]
    waiting = [file for file in source.manual if _waits(file, root)]
    lines += [f"by hand: {_by_hand(file, root)}" for file in manual if file not in waiting]
    lines += [f"to unpack: {file.staged(root)}" for file in waiting]
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
    waiting = any(_waits(file, root) for file in source.manual)
    with contextlib.ExitStack() as stack:
        files = source.files
        try:
            if missing or waiting:  # a complete data set may lie where nobody can write
                lock = root / DOWNLOADS / f".{source.name}.lock"
                stack.enter_context(_one_at_a_time(lock, source.name))
        except StorageError as error:
            if waiting or not all(file.optional for file in missing):
                raise
            print(f"note: going on without {len(missing)} optional files: {error}", file=sys.stderr)
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
                print(
                    f"note: going on without {file.place(root)} and what else {host} has: {error}",
                    file=sys.stderr,
                )
        for file in source.manual:
            if _waits(file, root):
                unpack(file.staged(root), root / file.unpack_to, probe=file.probe)
                atomic_write(_stamp(file, root), _state(file, root))
    archives = [*source.manual, *(file for file in source.files if file.holds is not None)]
    kept = [file.staged(root) for file in archives if file.staged(root).is_file()]
    if kept:
        size = sum(path.stat().st_size for path in kept)
        print(f"the archives in {root / DOWNLOADS} ({_megabytes(size)}) may be deleted now")
    by_hand = source.missing(root)[1]
    for file in by_hand:
        if file.optional:
            print(f"note: {_by_hand(file, root)}", file=sys.stderr)
    if required := [file for file in by_hand if not file.optional]:
        raise StorageError(
            f"{source.name} is not complete, for some files want a browser: "
            + "; ".join(_by_hand(file, root) for file in required)
            + "; then run the same command again, which unpacks and checks them"
        )


def _bring(file: RemoteFile, root: Path) -> None:
    if file.holds is not None and file.place(root).exists():
        return
    path = download(file.url, file.staged(root), file.bytes, file.sha256, file.md5)
    if file.holds is not None:
        unpack(path, root / file.unpack_to, file.holds)
        print(f"{file.name}: its {file.check} is right; unpacked to {file.place(root)}")
    elif not (file.sha256 or file.md5):
        print(f"note: {path}: {file.check}, only its size is", file=sys.stderr)


def _by_hand(file: ManualFile, root: Path) -> str:
    return f"{file.name} ({file.about}): open {file.link} and put it at {file.staged(root)}"


def _waits(file: ManualFile, root: Path) -> bool:
    """Whether the reader put an archive there that is not unpacked yet, or was changed since."""
    state = _state(file, root)
    return state is not None and read_bytes(_stamp(file, root)) != state.encode()


def _stamp(file: ManualFile, root: Path) -> Path:
    return file.staged(root).with_name(f"{file.name}.unpacked")


def _state(file: ManualFile, root: Path) -> str | None:
    path = file.staged(root)
    if not path.is_file():
        return None
    about = path.stat()
    return f"{about.st_size} bytes, changed {about.st_mtime_ns}"


def _megabytes(size: int | None) -> str:
    if size is None:
        return "size not known"
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size:,} bytes"


@contextlib.contextmanager
def _one_at_a_time(path: Path, name: str) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"another process fetches {name}: waiting for it", file=sys.stderr)
            lock.acquire()
    except OSError as error:
        raise StorageError(
            f"cannot write in {path.parent}: {error.strerror}; make it writable, or name another "
            "folder with --root"
        ) from error
    try:
        yield
    finally:
        lock.release()
