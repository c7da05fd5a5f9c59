"""The C heap of a long-lived process: what ended calls left free goes back to the kernel.

Responses and messages above 512 bytes live in glibc's heap. After a wave of calls its free
chunks lie between live ones, and glibc gives back only what is free at the very end unless it is
asked. What is large, a table of many calls or a batch of the journal's writer, has pages of its
own that go back when it is freed: by itself glibc stops doing so for sizes that it has once seen
freed, and the heap of a thread that is no longer at work is not trimmed at its end. Elsewhere
than on glibc nothing is done.
"""

import ctypes
from collections.abc import Callable

from vocabulary.limits import heap_mapped_bytes

M_MMAP_THRESHOLD = -3  # <malloc.h>


def heap_trimmer() -> Callable[[], None]:
    """A function that gives free heap pages back; it holds no interpreter lock meanwhile.

    From now on allocations of heap_mapped_bytes or more have pages of their own.
    """
    library = ctypes.CDLL(None)
    trim = getattr(library, "malloc_trim", None)
    if trim is None:
        return lambda: None
    library.mallopt(M_MMAP_THRESHOLD, heap_mapped_bytes)
    trim.argtypes = [ctypes.c_size_t]
    trim.restype = ctypes.c_int

    def give_back() -> None:
        trim(0)

    return give_back
