"""Build: the one list of compiled modules (plain Python with a .pxd beside it, or a .pyx).

DCE_COMPILE=0 installs pure Python, 1 (default) compiles where a compiler works,
`require` fails the build if any module cannot be compiled. What has not changed since the
last build is not built again: C sources and objects are kept in build/.

DCE_PROFILE=make compiles modules that count what they execute, DCE_PROFILE=use compiles by those
counts (gcc's -fprofile-use); `make build-profiled` does both with a run of calls between them.
"""

import os
import sys
from pathlib import Path

from setuptools import Extension, setup  # type: ignore[import-untyped]

COMPILED: list[str] = [
    "accounts.holds",
    "accounts.ledger",
    "accounts.payout",
    "auction.book",
    "auction.directory",
    "auction.engine",
    "auction.index",
    "auction.price",
    "auction.reasons",
    "auction.score",
    "dce.histogram",
    "dce.pump",
    "exchange.call",
    "exchange.decide",
    "exchange.desk",
    "exchange.flowing",
    "exchange.ladder",
    "exchange.market",
    "exchange.room",
    "exchange.screen",
    "exchange.settle",
    "routing.area",
    "routing.candidates",
    "routing.cap_counter",
    "routing.caps",
    "routing.plan",
    "routing.plan_objects",
    "routing.prefix",
    "routing.schedule",
    "routing.strategies.priority_weight",
    "routing.strategies.round_robin",
    "routing.trunk",
    "routing.zone_clock",
    "sip.admission",
    "sip.b2bua",
    "sip.check",
    "sip.client_transaction",
    "sip.commands",
    "sip.core",
    "sip.dialog",
    "sip.edge.udp_batch",
    "sip.encode",
    "sip.ending",
    "sip.endpoint",
    "sip.expiry",
    "sip.grammar",
    "sip.headers",
    "sip.leg",
    "sip.message",
    "sip.refuse",
    "sip.requests",
    "sip.scan",
    "sip.server_transaction",
    "sip.timers",
    "sip.tokens",
    "sip.transaction",
    "sip.uac",
    "sip.uas",
    "sip.uri",
    "storage.journal_core",
    "storage.loader",
    "vocabulary.crash_points",
    "vocabulary.ids",
    "vocabulary.number",
]

DIRECTIVES = {
    "language_level": 3,
    "annotation_typing": False,  # an `int` in the .py would clash with C types in the .pxd
    "embedsignature": False,
}
CORES = os.cpu_count() or 1
OPTIMISED = ["-O3", "-fno-plt"]
PROFILE_FLAGS = {
    "": [],
    "make": ["-fprofile-generate", "-fprofile-update=single"],
    "use": ["-fprofile-use", "-fprofile-correction", "-Wno-missing-profile", "-Wno-array-bounds"],
}


def source_of(name: str) -> str:
    """Path of a module's source: its .pyx where there is one, else its .py."""
    path = Path(*name.split("."))
    pyx = path.with_suffix(".pyx")
    return str(pyx if pyx.exists() else path.with_suffix(".py"))


def extensions() -> list[Extension]:
    """Extension modules for COMPILED; empty when DCE_COMPILE=0 or Cython is missing.

    Raises ImportError with DCE_COMPILE=require and no Cython; ValueError for another mode.
    """
    mode = os.environ.get("DCE_COMPILE", "1")
    if mode not in ("0", "1", "require"):
        raise ValueError(f"DCE_COMPILE={mode!r}: expected 0, 1 or require")
    profile = PROFILE_FLAGS[os.environ.get("DCE_PROFILE", "")]
    if mode == "0":
        return []
    try:
        from Cython.Build import cythonize
    except ImportError:
        if mode == "require":
            raise
        print("Cython is missing: pure Python build", file=sys.stderr)
        return []
    modules = [
        Extension(
            name,
            [source_of(name)],
            extra_compile_args=OPTIMISED + profile,
            extra_link_args=profile[:1],
            optional=mode != "require",
        )
        for name in COMPILED
    ]
    built: list[Extension] = cythonize(  # type: ignore[no-untyped-call]
        modules, nthreads=CORES, compiler_directives=DIRECTIVES, build_dir="build/cython"
    )
    return built


if __name__ == "__main__":
    setup(ext_modules=extensions(), options={"build_ext": {"parallel": CORES}})
