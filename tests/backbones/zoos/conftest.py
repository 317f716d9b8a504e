"""torchvision, and what is built on it, beside a CPU build of torch."""

import pytest

from tests.support.torchvision_operators import import_torchvision


@pytest.fixture(autouse=True, scope="session")
def operators():
    return import_torchvision()
