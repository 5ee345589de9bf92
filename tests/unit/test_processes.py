import errno
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from causalgrok.log import logged
from causalgrok.processes import only_one, release_stale_lock

HOLD = """
import sys, time
from pathlib import Path
from causalgrok.processes import release_stale_lock
from causalgrok.sign_of_life import show_life
{"pipeline": release_stale_lock, "job": show_life}[sys.argv[2]](Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def lock(folder):
    (folder / "locks").mkdir(parents=True)
    return folder / "locks"


def holder(folder, kind="pipeline") -> subprocess.Popen:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder), kind], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_a_stale_lock_goes_and_a_living_one_stays(tmp_path):
    living = holder(tmp_path)
    try:
        locks = lock(tmp_path)
        release_stale_lock(tmp_path)
        assert locks.exists(), "its owner lives"
    finally:
        living.kill()
        living.wait()
    second = tmp_path / "second"
    dead = holder(second)
    locks = lock(second)
    dead.kill()
    dead.wait()
    release_stale_lock(second)
    assert not locks.exists(), "its owner is dead"


def test_a_lock_stays_as_long_as_a_job_of_its_dead_pipeline_runs(tmp_path):
    locks = lock(tmp_path)
    job = holder(tmp_path, "job")
    assert locks.exists(), "a job removes none itself"
    release_stale_lock(tmp_path)
    assert locks.exists(), "the job lives"
    job.kill()
    job.wait()


def test_one_process_trains_a_run(tmp_path):
    with only_one(tmp_path), pytest.raises(OSError, match="another process works here"), only_one(tmp_path):
        pass
    with only_one(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells children of their parent's end")
def test_a_trainer_dies_with_its_pipeline(tmp_path):
    child = (
        "import time\n"
        "from causalgrok.processes import die_with_parent\n"
        "die_with_parent(); print('ready', flush=True); time.sleep(60)"
    )
    parent = (
        "import subprocess, sys, time\n"
        f"p = subprocess.Popen([sys.executable, '-c', {child!r}], stdout=subprocess.PIPE, text=True)\n"
        "p.stdout.readline(); print(p.pid, flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    pid = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 5
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(pid), "the child outlived its parent"


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def test_a_log_holds_output_and_the_line_of_a_users_mistake(tmp_path, capsys):
    path = tmp_path / "folder/job.log"
    with pytest.raises(SystemExit), logged(str(path)):
        print("epoch 1\repoch 2")
        raise ValueError("n = 3 is too small")
    text = path.read_text()
    assert text.startswith("epoch 2\n")
    assert "Traceback" in text and text.rstrip().endswith("ValueError: n = 3 is too small")
    assert capsys.readouterr().err == "ValueError: n = 3 is too small\n", "one line on the terminal"


def test_a_log_keeps_an_unfinished_line_and_an_earlier_attempt(tmp_path):
    path = tmp_path / "job.log"
    for attempt in (1, 2):
        with logged(str(path), append=True):
            print(f"attempt {attempt}", end="")
    assert path.read_text() == "attempt 1\nattempt 2\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_log_without_room_hides_neither_output_nor_error(capsys):
    with pytest.raises(SystemExit), logged("/dev/full"):
        print("epoch 1")
        raise OSError(errno.ENOSPC, "No space left on device")
    streams = capsys.readouterr()
    assert streams.out == "epoch 1\n"
    assert streams.err.startswith("OSError: [Errno 28] No space left on device; make room on the disk of ")


def test_memory_that_is_not_there_is_a_line_with_a_way_out(tmp_path, capsys):
    for ask in (lambda: np.empty(2**55), lambda: torch.empty(2**55)):
        with pytest.raises(SystemExit), logged(str(tmp_path / "job.log")):
            ask()
        told = capsys.readouterr().err
        assert told.count("\n") == 1 and told.endswith("or a machine with more memory\n"), told


def test_other_errors_keep_their_traceback(tmp_path):
    with pytest.raises(ZeroDivisionError), logged(str(tmp_path / "job.log")):
        print(1 / 0)
    assert "ZeroDivisionError" in (tmp_path / "job.log").read_text()


TAKING = """
import sys
from pathlib import Path
from causalgrok.processes import take_gpu
print(take_gpu(2, Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


def test_jobs_take_the_card_that_fewest_have(tmp_path):
    def job():
        command = [sys.executable, "-c", TAKING, str(tmp_path)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return process, int(process.stdout.readline())

    jobs = [job() for _ in range(5)]
    assert [card for _, card in jobs] == [0, 1, 0, 1, 0]
    for process, card in jobs:
        if card == 1:
            process.communicate()
    later = [job() for _ in range(2)]
    assert [card for _, card in later] == [1, 1]
    for process, _ in [*jobs, *later]:
        if process.poll() is None:
            process.communicate()
        assert process.returncode == 0
