"""The C heap of a long-lived process: what ended calls left free goes back to the kernel.

Responses and messages above 512 bytes live in glibc's heap. After a wave of calls its free
chunks lie between live ones, and glibc gives back only what is free at the very end unless it is
asked. Elsewhere than on glibc nothing is done.
"""

import ctypes
from collections.abc import Callable


def heap_trimmer() -> Callable[[], None]:
    """A function that gives free heap pages back; it holds no interpreter lock meanwhile."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None:
        return lambda: None
    trim.argtypes = [ctypes.c_size_t]
    trim.restype = ctypes.c_int

    def give_back() -> None:
        trim(0)

    return give_back
