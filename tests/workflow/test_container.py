"""Jobs run in the image that the config names. Apptainer is a stand-in here, which runs its command outside."""

import subprocess
import sys
from pathlib import Path

APPTAINER = """\
#!/bin/sh
[ "$1" = --version ] && { echo apptainer version 1.3.0; exit; }
echo "$*" >> "$CALLS"
until [ "$1" = bash ]; do shift; done
exec "$@"
"""


def test_jobs_run_in_the_image_of_the_config(project):
    programs = project.folder / "bin"
    programs.mkdir()
    (programs / "apptainer").write_text(APPTAINER)
    (programs / "apptainer").chmod(0o755)
    (project.folder / "causalgrok.sif").touch()
    calls = project.folder / "calls"
    environment = project.environment
    python = Path(sys.executable).parent  # what an image has first on its path
    environment |= {"PATH": f"{programs}:{python}:{environment['PATH']}", "CALLS": str(calls)}
    command = project.command("results/data/tiny/wilds/source.json", "--cores", "1", "--sdm", "apptainer")
    done = subprocess.run(
        [*command, "--config", "container=causalgrok.sif"],
        cwd=project.folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    (call,) = calls.read_text().splitlines()
    assert " causalgrok.sif bash -c " in call
    assert "generate_tissue.py" in call
