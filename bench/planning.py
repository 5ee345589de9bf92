"""What planning costs: a dry run of a study of 400 runs, and of more.

A study of ``runs`` runs (two recipes, five sizes, the rest seeds) is planned in full: every training, probe and table.
Prints seconds of processor time, peak memory and jobs. Run as ``python bench/planning.py --runs 400 4000``.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

RECIPES, SIZES = ["standard", "grokking"], [30, 60, 90, 120, 150]


def main() -> None:
    """Plan each size and print what it took, and how it grew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", default=[400], help="runs of the study, ascending")
    took: list[float] = []
    for runs in parser.parse_args().runs:
        seconds, megabytes, jobs = plan(runs)
        growth = f"  {seconds / took[0]:5.1f} times the first" if took else ""
        print(f"{runs:6} runs  {jobs:6} jobs  {seconds:6.1f} s  {megabytes:6.0f} MB{growth}", flush=True)
        took.append(seconds)


def plan(runs: int) -> tuple[float, float, int]:
    """Seconds of processor time, peak megabytes and jobs of a dry run.

    Args:
        runs: how many runs the study has, a multiple of ten.

    Raises:
        SystemExit: Snakemake refuses the study.
    """
    seeds = list(range(runs // (len(RECIPES) * len(SIZES))))
    study = {"description": "Many runs.", "runs": [{"task": "tissue", "recipes": RECIPES, "n": SIZES, "seeds": seeds}]}
    with tempfile.TemporaryDirectory() as folder, Path(folder, "printed.txt").open("w+") as printed:
        overlay = Path(folder, "many.yaml")
        overlay.write_text(yaml.safe_dump({"studies": {"many": study}}))
        command = [sys.executable, "-m", "snakemake", "-n", "many", "--directory", folder, "--configfile", str(overlay)]
        process = subprocess.Popen(command, stdout=printed, stderr=printed)
        _, status, used = os.wait4(process.pid, 0)
        printed.seek(0)
        text = printed.read()
    if status:
        sys.exit(text)
    jobs = int(re.search(r"^total +(\d+)", text, re.MULTILINE)[1])
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, jobs


if __name__ == "__main__":
    main()
