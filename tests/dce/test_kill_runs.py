"""A few of the real kills of `make kills`."""

import pytest

from tests.dce.kill_runs import kill_again_and_again

pytestmark = pytest.mark.slow


async def test_what_was_acknowledged_survives_kill_9() -> None:
    met = await kill_again_and_again(3, seed=2)
    assert met["kills"] == 3
    assert met["calls answered"] > 0
    assert met["top-ups acknowledged"] > 0
