"""The api under test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.exchange_double import Bench, api_bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """The application over a real link, with its client."""
    async with api_bench(tmp_path) as made:
        yield made
