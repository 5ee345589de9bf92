import os
from pathlib import Path

import pytest


@pytest.fixture
def test_data() -> Path:
    """The folder of real files to test with."""
    if "CAUSALGROK_TEST_DATA" not in os.environ:
        pytest.skip("CAUSALGROK_TEST_DATA does not name the folder of test data")
    return Path(os.environ["CAUSALGROK_TEST_DATA"])
