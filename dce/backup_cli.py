"""`dce backup FOLDER --keys FOLDER` and `dce restore FOLDER --keys FOLDER`, as people see them."""

import time
from pathlib import Path

from dce.backup import Manifest, back_up, restore
from dce.cli_database import command_server
from dce.config import Config
from dce.folders import is_running
from vocabulary.errors import CommandRefused
from vocabulary.money import format_micros


def make_backup(config: Config, folder: str, keys: str) -> int:
    """Write it, and say what it holds."""
    began_s = time.monotonic()
    with command_server(config):
        done = back_up(config, Path(folder).absolute(), Path(keys).absolute())
    print(f"backup {folder}, {_what(done)}, in {time.monotonic() - began_s:.1f} s")
    print(f"keys {keys}: keep them apart, whoever has both can read the personal fields")
    return 0


def restore_backup(config: Config, folder: str, keys: str) -> int:
    """Bring it back, and say what came back."""
    if is_running(config):
        raise CommandRefused("running", f"an exchange runs on {config.data}: stop it first")
    began_s = time.monotonic()
    with command_server(config):
        done = restore(config, Path(folder).absolute(), Path(keys).absolute())
    print(f"restored to {config.data}, {_what(done)}, in {time.monotonic() - began_s:.1f} s")
    print("the next  dce run  closes the calls that were alive then: dce recover --explain")
    return 0


def _what(done: Manifest) -> str:
    owed = format_micros(sum(done.balances.values()))
    return (f"of {done.made_at}: records {done.first_seq} to {done.seq},"
            f" {len(done.balances)} buyers with {owed} in all")
