"""Real annotations and clips, where the tester has them."""

import os
from pathlib import Path

import pytest


def real_data() -> Path:
    """Return the folder of real annotations and clips, or skip the test with a reason."""
    folder = os.environ.get("P3D_EVAL_TEST_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("no real data: set P3D_EVAL_TEST_DATA to a folder with annotations/ and clips/")
    return Path(folder)
