"""The file operations of the record room behind one seam, so that tests can make any of them fail."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from claude_run.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from io import BufferedReader
    from pathlib import Path

FILE_MODE = 0o600
FOLDER_MODE = 0o700


class Disk(Protocol):
    """What the record room asks of a file system; every method may raise OSError."""

    def make_folder(self, path: Path) -> None:
        """Create a folder, readable by its owner alone, and its parents."""

    def open(self, path: Path, flags: int) -> int:
        """Open a file that only its owner may read; return the descriptor."""

    def write(self, descriptor: int, data: bytes) -> int:
        """Write once; return how many bytes were taken."""

    def sync(self, descriptor: int) -> None:
        """Return when what was written is on the disk."""

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut a file to `size` bytes."""

    def lock(self, descriptor: int, *, wait: bool = False) -> None:
        """Take the exclusive lock; while another process holds it, wait, or raise BlockingIOError."""

    def is_locked(self, descriptor: int) -> bool:
        """Return whether somebody holds the exclusive lock, who opened the file anew."""

    def close(self, descriptor: int) -> None:
        """Close a descriptor, and with it its lock."""

    def replace(self, source: Path, target: Path) -> None:
        """Put a file in the place of another, at once."""

    def link(self, target: str, path: Path) -> None:
        """Create a symbolic link."""


class LocalDisk:
    """The real file system."""

    def make_folder(self, path: Path) -> None:
        # `mkdir(parents=True)` would leave the mode of the parents to the umask.
        for parent in reversed(path.parents):
            if not parent.exists():
                parent.mkdir(mode=FOLDER_MODE, exist_ok=True)
        path.mkdir(mode=FOLDER_MODE)

    def open(self, path: Path, flags: int) -> int:
        return _open(path, flags | os.O_NOFOLLOW)

    def write(self, descriptor: int, data: bytes) -> int:
        return os.write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def truncate(self, descriptor: int, size: int) -> None:
        os.ftruncate(descriptor, size)

    def lock(self, descriptor: int, *, wait: bool = False) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))

    def is_locked(self, descriptor: int) -> bool:
        # By the shared lock, so that two who look do not take each other for the holder.
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        return False

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def replace(self, source: Path, target: Path) -> None:
        source.replace(target)

    def link(self, target: str, path: Path) -> None:
        path.symlink_to(target)


def open_file(path: Path) -> BufferedReader:
    """Open a file for reading; OSError for what is none, such as a pipe to which nobody may ever write."""
    return os.fdopen(_open(path, os.O_RDONLY), "rb")


def read_file(path: Path) -> bytes:
    """Return the bytes of a file; OSError for what is none."""
    with open_file(path) as file:
        return file.read()


def replace_file(disk: Disk, path: Path, parts: Iterable[bytes]) -> None:
    """Write a file anew, atomically: a reader sees the old one or the new one, whole.

    Raises StorageError when the disk refuses. Nothing half-written is left behind, whatever is raised.
    """
    import secrets  # noqa: PLC0415 - what only reads writes nothing

    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = disk.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            for part in parts:
                write_whole(disk, descriptor, part)
            disk.sync(descriptor)
        finally:
            disk.close(descriptor)
        disk.replace(aside, path)
        sync_folder(disk, path.parent)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def locked_folder(disk: Disk, folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, once whoever has it is done: what is read in the block may be written back.

    A file that gets replaced cannot carry such a lock, for whoever waited would hold that of the old file.
    Raises StorageError when the folder cannot be locked.
    """
    try:
        descriptor = disk.open(folder.resolve(), os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise StorageError(f"{folder} cannot be opened: {error.strerror or error}") from error
    try:
        try:
            disk.lock(descriptor, wait=True)
        except OSError as error:
            raise StorageError(f"{folder} cannot be locked: {error.strerror or error}") from error
        yield
    finally:
        disk.close(descriptor)


def write_whole(disk: Disk, descriptor: int, data: bytes) -> None:
    """Write all of `data`, however often the disk takes only a part of it; OSError when it takes nothing."""
    view = memoryview(data)
    while view:
        taken = disk.write(descriptor, bytes(view[:1_048_576]))
        if taken == 0:
            raise OSError("the disk takes no more bytes")
        view = view[taken:]


def sync_folder(disk: Disk, folder: Path) -> None:
    """Make the names in a folder durable, as `sync` does for the bytes of a file."""
    # `outputs/latest` is a symbolic link, which `open` does not follow.
    descriptor = disk.open(folder.resolve(), os.O_RDONLY | os.O_DIRECTORY)
    try:
        disk.sync(descriptor)
    finally:
        disk.close(descriptor)


def _open(path: Path, flags: int) -> int:
    """Open a file, or a folder, and never wait for another process to open the other end."""
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK, FILE_MODE)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return descriptor
