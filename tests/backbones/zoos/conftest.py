"""torchvision, and what is built on it, beside a CPU build of torch."""

import pytest

from tests.support.torchvision_operators import declare_operators


@pytest.fixture(autouse=True, scope="session")
def operators():
    return declare_operators()
