"""The shared conformance scenarios of SIPp through the real server, as conformance.toml says.

All pairs are played side by side on the slots of the lab; each test then judges one pair.
"""

import tomllib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.interop import peers
from tests.interop.calls import Lab, Played, Scene, play
from tests.interop.conftest import SLOTS
from tests.interop.plans import TRANSPORTS
from tests.interop.sipp import scenario

pytestmark = [pytest.mark.interop, pytest.mark.slow]

TABLE = tomllib.loads((Path(__file__).parent / "conformance.toml").read_text())
FOLDER = peers.CONFORMANCE / "sipp"
ENDS = ("caller", "first", "second")


def name_of(pair: dict[str, Any]) -> str:
    """Short name of a pair: its file stems joined."""
    return "+".join(path.stem for end in ENDS if (path := file_of(pair, end)))


def file_of(pair: dict[str, Any], end: str) -> Path | None:
    """Scenario file of one end; None when the pair has no such end."""
    if f"{end}_own" in pair:
        return scenario(pair[f"{end}_own"])
    return FOLDER / pair[end] if end in pair else None


CASES = [(pair, transport) for pair in TABLE["pair"]
         for transport in pair.get("transports", TRANSPORTS)]
NAMES = [f"{name_of(pair)}-{transport}" for pair, transport in CASES]


def scene_of(pair: dict[str, Any], transport: str) -> Scene:
    """What a row says, as a scene."""
    caller = file_of(pair, "caller")
    assert caller is not None
    return Scene(
        name_of(pair), caller, first=file_of(pair, "first"), second=file_of(pair, "second"),
        kind=pair.get("kind", "one"), transport=transport, hold_ms=0,
        timeout_s=75 if pair.get("slow") else 45, first_extra=tuple(pair.get("args", ())),
        caller_decides=pair.get("judge") == "caller")


def played_in_slot(lab: Lab, scene: Scene) -> Played:
    """Play a scene in the next free slot."""
    with lab.slot() as slot:
        return play(lab, slot, scene)


@pytest.fixture(scope="module")
def results(lab: Lab) -> Iterator[list["Future[Played]"]]:
    """One future per case, in the order of CASES; slow pairs start first."""
    peers.require(peers.sipp(), peers.conformance())
    order = sorted(range(len(CASES)), key=lambda place: not CASES[place][0].get("slow"))
    with ThreadPoolExecutor(SLOTS) as pool:
        begun = {place: pool.submit(played_in_slot, lab, scene_of(*CASES[place]))
                 for place in order}
        yield [begun[place] for place in range(len(CASES))]


def marked(place: int) -> Any:
    """The case's place, expected to fail where its row names a gap."""
    gap = CASES[place][0].get("gap")
    marks = [pytest.mark.xfail(reason=gap, strict=True)] if gap else []
    return pytest.param(place, marks=marks, id=NAMES[place])


@pytest.mark.parametrize("place", [marked(place) for place in range(len(CASES))])
def test_pair(results: list["Future[Played]"], place: int) -> None:
    """Both ends exit 0: every message came as the scenario files say."""
    played = results[place].result()
    assert played.ok, played.report


def test_every_scenario_is_played_or_excluded() -> None:
    """No file of the set's index is forgotten, none has two fates."""
    peers.require(peers.conformance())
    index = tomllib.loads((FOLDER / "index.toml").read_text())["scenario"]
    played = {pair[end] for pair in TABLE["pair"] for end in ENDS if end in pair}
    excluded = [file for row in TABLE["excluded"] for file in row["files"]]
    assert len(excluded) == len(set(excluded))
    assert not played & set(excluded)
    assert played | set(excluded) == {row["file"] for row in index}
