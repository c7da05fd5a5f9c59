"""A signal worker's core in this process: real sockets and files, a disk that fails on command."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from dce import plan_files
from dce.config import Config, load
from dce.dial_rules import dial_rules
from dce.folders import prepare_folders, write_durably
from dce.wiring import SignalCore, wire
from routing.area_source import bundled_areas
from routing.compile import compile_plan
from routing.plan_file import encode_bids, encode_plan
from routing.plan_source import load as load_plan
from tests.interop.ports import free_port


def config_at(folder: Path, **environ: str) -> Config:
    """A free port and folders of its own; UDP only."""
    config = load(
        os.devnull, environ=environ,
        flags={
            "data_dir": str(folder / "data"), "sip.listen": f"udp:127.0.0.1:{free_port()}",
            "http.listen": "127.0.0.1:0", "journal.segment_mb": "1",
            "journal.reserve_mb": "1", "sip.t1_ms": "50",
        },
    )
    prepare_folders(config)
    return config


@asynccontextmanager
async def running(config: Config) -> AsyncIterator[SignalCore]:
    """The joined parts, closed on leaving."""
    core = await wire(config, asyncio.get_running_loop())
    try:
        yield core
    finally:
        core.close()


def write_plan(config: Config, version: int, document: dict[str, Any]) -> tuple[Path, Path]:
    """Compiled files of a plan: (plan, bids)."""
    source = load_plan(document)
    file, bids, _ = compile_plan(
        source, now_s=int(time.time()), version=version, areas=bundled_areas(),
        dial_rules=dial_rules({trunk.country for trunk in source.trunks}),
    )
    folder = config.plans_dir
    paths = plan_files.plan_path(folder, version), plan_files.bids_path(folder, version)
    write_durably(paths[0], encode_plan(file))
    write_durably(paths[1], encode_bids(bids))
    return paths
