import os
import time

import pytest

from causalgrok.files import refuse_future


def test_files_of_a_time_to_come_are_refused(tmp_path):
    file = tmp_path / "train.safetensors"
    file.write_bytes(b"")
    for ahead in (-1e6, 0, 30):
        os.utime(file, (time.time() + ahead,) * 2)
        refuse_future([file])
    os.utime(file, (time.time() + 3600,) * 2)
    with pytest.raises(OSError, match=r"train.safetensors is of a time to come, \d{4}-.*anew with: find"):
        refuse_future([file])
