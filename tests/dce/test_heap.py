"""Free heap pages go back to the kernel when asked."""

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


def test_what_is_large_goes_back_when_it_is_freed() -> None:
    heap_trimmer()
    seen = bytearray(b"x") * (16 * LARGE_BYTES)
    del seen  # from here on glibc by itself keeps such sizes in the heap
    large = bytearray(b"x") * LARGE_BYTES
    last = bytearray(BLOCK_BYTES)
    full = resident_bytes()
    del large
    assert resident_bytes() < full - LARGE_BYTES // 2
    assert last is not None
