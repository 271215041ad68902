"""Files that are whole or not there: atomic writes, content hashes, and where the project lives.

Every cache, record and checkpoint goes through :func:`atomic_write`, so a reader never meets half a
file.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path


class StorageError(RuntimeError):
    """A file could not be written or is not what it claims to be; the message says what to do."""


@contextlib.contextmanager
def variable(name: str, value: str | None) -> Iterator[None]:
    """Within it an environment variable has another value; None leaves it as it is."""
    before = os.environ.get(name)
    os.environ.update({} if value is None else {name: value})
    try:
        yield
    finally:
        if value is not None:
            os.environ.pop(name)
            os.environ.update({} if before is None else {name: before})


def expand(path: Path | str) -> Path:
    """``path`` with ``~`` at its begin as the home folder, as a shell has it.

    Raises:
        StorageError: the system knows no home folder: a folder called ``~`` is never made.
    """
    found = Path(os.path.expanduser(path))
    if found.parts[:1] == ("~",):
        raise StorageError(f"there is no home folder for {path}: write it in full, or set HOME")
    return found


def environment(name: str) -> Path | None:
    """The folder that an environment variable names, ``~`` expanded; None where it is not set."""
    value = os.environ.get(name)
    return expand(value) if value else None


def path_from(value: Path | str, name: str) -> Path:
    """A path, ``~`` expanded; ValueError for what is none: another type, or a NUL in it."""
    if not isinstance(value, (str, os.PathLike)) or "\0" in os.fspath(value):
        raise ValueError(f"{name}={value!r}: give the path of a file or folder")
    return expand(value)


def checkout() -> Path | None:
    """The project's folder when the package is imported from it; None for an installed package."""
    folder = Path(__file__).resolve().parents[1]
    return folder if (folder / "pyproject.toml").is_file() else None


def shipped(*parts: str) -> Path:
    """A file or folder that comes with the project and is only read, such as ``data``, ``runs``.

    It lies below ``ENTREG_ROOT`` where that folder holds it, else in the checkout, else inside the
    installed package, where ``setup.py`` puts a copy.
    """
    moved = environment("ENTREG_ROOT")
    if moved is not None and moved.joinpath(*parts).exists():
        return moved.joinpath(*parts)
    home = checkout() or Path(__file__).resolve().parent / "_project"
    return home.joinpath(*parts)


def own(*parts: str) -> Path:
    """A file or folder that this machine writes: results, caches, data sets, weights.

    It lies below ``ENTREG_ROOT`` where that is set, else in the checkout; for an installed package
    in the user's data folder, ``~/.local/share/entreg_utils``, never beside the package.

    Raises:
        StorageError: an installed package, and the user has no home folder.
    """
    home = environment("ENTREG_ROOT") or checkout()
    if home is None:
        share = environment("XDG_DATA_HOME") or expand("~/.local/share")
        home = share / "entreg_utils"
    return home.joinpath(*parts)


def results(*parts: str) -> Path:
    """A file or folder of this reader's results: ``ENTREG_RESULTS``, or ``own("results")``."""
    return (environment("ENTREG_RESULTS") or own("results")).joinpath(*parts)


def project_root() -> Path:
    """Folder of this machine's ``data/`` and ``results/``: the checkout, where there is one."""
    return own()


def sha256(content: bytes) -> str:
    """Hex SHA-256 of ``content`` (64 characters)."""
    return hashlib.sha256(content).hexdigest()


def atomic_write(path: Path | str, content: bytes | str) -> Path:
    """Write ``content`` to ``path`` so that the file is either the old one or the whole new one.

    Of two processes that write the same path the last wins.

    Raises:
        StorageError: the disk is full, the folder read-only, or any other reason of the system; a
            previous file at ``path`` is untouched. Something else than a file is there: a rename
            would put a file in the place of ``/dev/null``.
    """
    path = place = expand(path)
    data = content.encode() if isinstance(content, str) else content
    if os.path.exists(path) and not os.path.isfile(path):
        raise StorageError(f"{path} is there and is no file: name another one to write")
    temporary = None
    try:
        if path.is_symlink():  # what it points to is written; the link stays
            place = Path(os.path.realpath(path))
        place.parent.mkdir(parents=True, exist_ok=True)
        # the name cut short: with the random part, one that fits would be too long
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=place.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp makes it private; records are meant to be shared
        os.replace(temporary, place)
    except BaseException as error:  # Ctrl-C too
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        if isinstance(error, OSError):
            raise StorageError(refusal(error, path, len(data))) from error
        raise
    return path


def write_checked(path: Path | str, content: bytes) -> Path:
    """:func:`atomic_write` of ``content`` behind its own SHA-256, for :func:`read_checked`."""
    return atomic_write(path, sha256(content).encode() + content)


def parsed(content: bytes | str, loads: Callable = json.loads):
    """What JSON, or what ``loads`` reads, says; ValueError for none, or one nested too deeply."""
    try:
        return loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_checked(path: Path | str) -> bytes | None:
    """Content of a file from :func:`write_checked`, or None when there is no such file.

    Raises:
        StorageError: the content is not what was written (cut short, altered, another format), or
            the system refuses to read it.
    """
    raw = read_bytes(path)
    if raw is None:
        return None
    if raw[:64] != sha256(raw[64:]).encode():
        raise StorageError(
            f"{path} is damaged (its SHA-256 does not fit): delete it to make it anew"
        )
    return raw[64:]


def read_bytes(path: Path | str) -> bytes | None:
    """Content of a file, or None when there is no such file or no such folder.

    Raises:
        StorageError: it is there and the system refuses to read it, or it is a folder.
    """
    try:
        return expand(path).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        why = f"cannot read {path}: {error.strerror}"
        raise StorageError(f"{why}; make it readable, or name another file") from error


def text_of(content: bytes, path: Path | str) -> str:
    """The text in the bytes of ``path``: UTF-8, or UTF-16 with a byte order mark, as Windows writes
    it; lines end in a line feed.

    Raises:
        StorageError: it is no such text.
    """
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise StorageError(f"{path} is no UTF-8 text: save it as UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def refusal(error: OSError, path: Path, size: int) -> str:
    """What the system said against writing ``size`` bytes to ``path``, and the ways out."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return (
            f"no room for {path.name} ({size / 1e6:.1f} MB) in {path.parent}: free some space and "
            "run the same command again; what was stored before is untouched"
        )
    why = error.strerror
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        why = "a file, or a link that leads nowhere, is in the place of a folder"
    return (
        f"cannot write {path}: {why}; make the folder writable, or name another one (ENTREG_ROOT "
        "for all that is kept, ENTREG_RESULTS for results); what was stored before is untouched"
    )
