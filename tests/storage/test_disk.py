"""The real disk on a full volume: every error names the path it is about."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dce.folders import write_durably
from storage.disk import OsDisk


def full(*_: object) -> None:
    """Stands in for a system call that knows a descriptor only."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(("call", "work"), [
    ("posix_fallocate", lambda path: OsDisk().create(path, 4_096)),
    ("posix_fallocate", lambda path: OsDisk().map(path, 4_096)),
    ("pwritev", lambda path: OsDisk().create(path, 4_096)),
    ("write", lambda path: OsDisk().replace(path, b"data")),
    ("fsync", lambda path: OsDisk().replace(path, b"data")),
    ("fsync", lambda path: write_durably(path, b"data")),
])
def test_a_full_disk_names_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, work: Callable[[Path], object]
) -> None:
    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        work(tmp_path / "file")
    assert str(tmp_path) in str(caught.value)
