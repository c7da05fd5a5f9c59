"""Free heap pages go back to the kernel when asked."""

import subprocess
import sys
from pathlib import Path

from dce.heap import heap_trimmer

BLOCK_BYTES = 4_096
BLOCKS = 20_000
LARGE_BYTES = 1_048_576


def resident_bytes() -> int:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096


def test_what_lies_free_between_live_blocks_is_given_back() -> None:
    blocks = [bytearray(BLOCK_BYTES) for _ in range(BLOCKS)]
    last = bytearray(BLOCK_BYTES)  # keeps the end of the heap in use
    full = resident_bytes()
    del blocks[:-1]
    heap_trimmer()()
    assert resident_bytes() < full - BLOCK_BYTES * BLOCKS // 2
    assert last is not None


def freed_large_bytes() -> int:
    """Resident bytes that go when a large object does."""
    heap_trimmer()
    seen = bytearray(b"x") * (16 * LARGE_BYTES)
    del seen  # from here on glibc by itself keeps such sizes in the heap
    large = bytearray(b"x") * LARGE_BYTES
    last = bytearray(BLOCK_BYTES)
    full = resident_bytes()
    del large
    freed = full - resident_bytes()
    return freed if last else 0


def test_what_is_large_goes_back_when_it_is_freed() -> None:
    """In a process of its own: a heap that has so much free takes it from there."""
    script = "from tests.dce.test_heap import freed_large_bytes as freed; print(freed())"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert int(done.stdout) > LARGE_BYTES // 2
