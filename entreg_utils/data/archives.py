"""Archives from elsewhere, unpacked so that nothing leaves its folder and nothing is left half.

Only plain files and folders are taken: a link, a device, an absolute path or one with ``..`` ends
the matter before anything is in its place. The content goes to a temporary folder beside the final
one and is renamed when it is all there.
"""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from lzma import LZMAError
from pathlib import Path
from typing import BinaryIO

from tqdm.auto import tqdm

from entreg_utils.data.registry import is_inside
from entreg_utils.files import StorageError

# (name, whether it is a folder, how to open it)
_Member = tuple[str, bool, Callable[[], BinaryIO]]
_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    LZMAError,
    EOFError,
    RuntimeError,  # zipfile: the archive wants a password
    NotImplementedError,  # zipfile: a compression that nobody installed
    UnicodeError,
)


def unpack(
    archive: Path | str, folder: Path | str, holds: str | None = None, probe: str | None = None
) -> Path:
    """Unpack a tar (plain, gzip, bzip2, xz) or a zip.

    Args:
        archive: the file; its content, not its name, says what it is.
        folder: where its content goes; made when it is not there.
        holds: the one path inside the archive that is wanted: it appears at ``folder / holds`` in
            one rename, and the rest is dropped. None takes everything. A folder that is there
            already is merged with, file by file.
        probe: a path inside the archive without which it is the wrong one; default ``holds``.

    Returns:
        ``folder / holds``, or ``folder``.

    Raises:
        StorageError: the archive is cut short or damaged, lacks ``probe``, has a member that is
            refused, or the disk is full; the temporary folder is removed, and what was in
            ``folder`` before is untouched as long as nothing was renamed.
    """
    archive, folder = Path(archive), Path(folder)
    prefix = f".unpacking-{archive.name}-"
    temporary = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for remains in folder.glob(f"{prefix}*"):  # of a process that was killed
            shutil.rmtree(remains, ignore_errors=True)
        temporary = Path(tempfile.mkdtemp(prefix=prefix, dir=folder))
        os.chmod(temporary, 0o755)
        _extract(archive, temporary)
        probe = probe or holds or "."
        if not (temporary / probe).exists():
            raise StorageError(f"{archive} holds no {probe}: it is not the archive it should be")
        _move(temporary / (holds or "."), folder / (holds or "."))
        return folder / (holds or ".")
    except OSError as error:
        raise StorageError(
            f"cannot unpack {archive} into {folder}: {error.strerror or error}; free some space or "
            "make the folder writable, and run the same command again: the archive is kept"
        ) from error
    finally:  # also after Ctrl-C
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _extract(archive: Path, folder: Path) -> None:
    try:
        with archive.open("rb") as file:
            members = _zip(file) if file.read(2) == b"PK" else _tar(file)
            for name, is_folder, opened in tqdm(
                members, desc=f"unpacking {archive.name}", unit=" files", disable=None, leave=False
            ):
                if not is_inside(name):
                    raise StorageError(
                        f"{archive} is refused: its member {name!r} would leave the folder it is "
                        "unpacked to"
                    )
                path = folder / name
                if is_folder:
                    path.mkdir(parents=True, exist_ok=True)
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                with opened() as source, path.open("wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
    except StorageError:  # a RuntimeError, like some of those below
        raise
    except (*_BROKEN, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the disk; what gzip finds wrong has no number
        raise StorageError(
            f"{archive} cannot be unpacked ({error}): it is cut short, damaged or no tar or zip; "
            "delete it to fetch it anew"
        ) from error


def _tar(file: BinaryIO) -> Iterator[_Member]:
    file.seek(0)
    with tarfile.open(fileobj=file) as tar:
        for member in tar:
            if not (member.isfile() or member.isdir()):
                raise _refused(file, member.name)
            yield member.name, member.isdir(), lambda member=member: tar.extractfile(member)
        if tar.fileobj is file:  # not compressed: a cut between two members shows nowhere else
            file.seek(tar.offset)
            if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                raise tarfile.ReadError("the mark of its end is missing")
        while tar.fileobj.read(1 << 20):  # to the end, where gzip, bzip2 and xz keep their checksum
            pass


def _zip(file: BinaryIO) -> Iterator[_Member]:
    file.seek(0)
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)  # 0 where it was not packed on Unix
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refused(file, member.filename)
            yield member.filename, member.is_dir(), lambda member=member: archive.open(member)


def _refused(file: BinaryIO, name: str) -> StorageError:
    return StorageError(
        f"{file.name} is refused: its member {name!r} is a link or a device, not a file or folder"
    )


def _move(source: Path, target: Path) -> None:
    """Rename ``source`` to ``target``; two folders are merged, and files of ``source`` win."""
    if source.is_dir() and target.is_dir():
        for child in sorted(source.iterdir()):
            _move(child, target / child.name)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(source, target)
