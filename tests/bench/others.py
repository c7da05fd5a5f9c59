"""sippy and kamailio under the same load: what stands beside our own figures.

Each runs at its own clean rate on this machine, and the rate stands beside the figure: CPU
per call falls with the rate, because one wake-up then serves more messages.
sippy (BSD) is a B2BUA in Python, kamailio (GPL) a proxy in C; both only as separate programs.
"""

import re
import sys
import tempfile
from pathlib import Path

from tests.bench.load import BUYER_HOST, CALLER_HOST, Cost, Load, executable, measure, system
from tests.bench.rows import Row, row
from tests.interop.ports import free_port

_HOST = "127.0.0.1"
_CONFIG = Path(__file__).resolve().parent / "kamailio.cfg"
_MODULE_FOLDERS = ("/usr/lib/x86_64-linux-gnu/kamailio/modules", "/usr/lib64/kamailio/modules",
                   "/usr/lib/aarch64-linux-gnu/kamailio/modules", "/usr/lib/kamailio/modules")
SIPPY_RATE, SIPPY_SECONDS = 50, 12
KAMAILIO_RATE, KAMAILIO_SECONDS = 2_000, 12


def measure_sippy(rate: int = SIPPY_RATE, seconds: int = SIPPY_SECONDS) -> Cost:
    """CPU µs per call of sippy's b2bua_simple. BenchUnavailable where it is not installed."""
    beside = Path(sys.executable).parent / "b2bua_simple"
    program = str(beside) if beside.exists() else executable("b2bua_simple", "pip install sippy")
    port = free_port(_HOST)
    load = _load(port, rate, seconds, {
        # Its Contact is `Anonymous <sip:…>`: SIPp takes the display name for part of the URI.
        "[next_url]": f"sip:{_HOST}:{port}",
        # It raises on a remote target with transport=UDP in capitals.
        ";transport=[transport]": "",
        # Its threads may send the 180 after the 200.
        'response="180" optional="true"': 'response="180" optional="global"',
    })
    words = [program, "-f", "-l", _HOST, "-p", str(port), "-n",
             f"{BUYER_HOST}:{load.buyer_port}"]
    return _measured(words, port, load, {"SIPLOG_BEND": "none"})


def measure_kamailio(rate: int = KAMAILIO_RATE, seconds: int = KAMAILIO_SECONDS) -> Cost:
    """CPU µs per call of kamailio, all its processes. BenchUnavailable where it is missing."""
    program = executable("kamailio", "apt-get install kamailio")
    port = free_port(_HOST)
    load = _load(port, rate, seconds, {})
    with tempfile.TemporaryDirectory(prefix="kamailio-") as folder:
        config = Path(folder) / "kamailio.cfg"
        config.write_text(kamailio_config(f"{_HOST}:{port}", f"{BUYER_HOST}:{load.buyer_port}"))
        words = [program, "-DD", "-E", "-f", str(config), "-x", "fm", "-m", "4096",
                 "-Y", folder, "-w", folder]
        return _measured(words, port, load, {})


def kamailio_config(listen: str, buyer: str) -> str:
    """The config with its places filled; listen and buyer as host:port."""
    folders = [folder for folder in _MODULE_FOLDERS if Path(folder).is_dir()]
    places = {"listen": listen, "buyer": buyer, "modules": ":".join(folders)}
    return re.sub(r"@(\w+)@", lambda hit: places.get(hit[1], hit[0]), _CONFIG.read_text())


def bench_others() -> list[Row]:
    """CPU per call of both, one row each."""
    return [other_row("sippy", measure_sippy()), other_row("kamailio", measure_kamailio())]


def other_row(name: str, cost: Cost) -> Row:
    """The row of one of the two, with its rate and what SIPp counted."""
    condition = f"{cost.rate} calls/s over UDP, {cost.outcome.text()}"
    return row(f"other.{name}_cpu_us_per_call", cost.cpu_us, "us", "lower", condition)


def _load(port: int, rate: int, seconds: int, texts: dict[str, str]) -> Load:
    return Load(f"{_HOST}:{port}", free_port(BUYER_HOST), free_port(CALLER_HOST), rate, seconds,
                texts=texts)


def _measured(words: list[str], port: int, load: Load, environment: dict[str, str]) -> Cost:
    with (tempfile.TemporaryDirectory(prefix="system-") as folder,
          system(words, _HOST, port, Path(folder), environment) as pid):
        return measure(load, pid)
