"""Snakemake's own report, written by a job of the pipeline it reports on."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from causalgrok.files import whole


def write_report(targets: Sequence[str], output: str | Path, *, snakefile: str, config: dict) -> None:
    """Run ``snakemake --report`` on finished targets.

    Args:
        targets: the files whose report is wanted.
        output: the HTML file, written whole or not at all.
        snakefile: the running pipeline's Snakefile.
        config: the running pipeline's config, resolved: overlays and ``--config`` would be lost otherwise.

    Raises:
        ValueError: Snakemake could not write it; the message is its last line.
    """
    with tempfile.TemporaryDirectory() as folder, whole(output) as temporary:
        overlay = Path(folder, "config.yaml")
        overlay.write_text(yaml.safe_dump(config))
        page = Path(folder, "report.html")
        command = [sys.executable, "-m", "snakemake", *targets, "--snakefile", snakefile, "--workflow-profile", "none"]
        command += ["--configfile", str(overlay), "--report", str(page)]
        done = subprocess.run(command, capture_output=True, text=True)
        print(done.stdout + done.stderr)
        if done.returncode:
            raise ValueError(f"snakemake --report failed: {done.stderr.strip().splitlines()[-1]}")
        temporary.write_bytes(page.read_bytes())
