"""Where the time of a finished pipeline went: seconds of every rule's jobs, and how much of them was importing.

Reads what Snakemake measured of each job (`benchmarks/`), by default the demo's; imports are timed here, once a script.
Run as ``make demo``, then ``python bench/demo_profile.py``.
"""

import argparse
import ast
import json
import os
import resource
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

SCRIPTS = Path(__file__).parents[1] / "workflow/scripts"
SCRIPT_OF = {"plot": "plot_figures", "collect_seeds": "collect"}
"""Rules whose script has another name."""


def main() -> None:
    """Print a line a rule, most seconds first, and the whole."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--benchmarks", type=Path, default=Path("benchmarks"), help="where Snakemake measured")
    options = parser.parse_args()
    jobs = defaultdict(list)
    for path in options.benchmarks.rglob("*.jsonl"):
        for line in path.read_text().splitlines():
            measured = json.loads(line)
            jobs[path.relative_to(options.benchmarks).parts[0]].append((measured["s"], measured["max_rss"] or 0))
    if not jobs:
        sys.exit(f"{options.benchmarks} holds no measurements; run the pipeline first, for instance with: make demo")
    print(f"{'rule':26} {'jobs':>4} {'seconds':>8} {'importing':>10} {'each':>6} {'peak MB':>8}")
    total = importing = 0.0
    for rule, measured in sorted(jobs.items(), key=lambda item: -sum(seconds for seconds, _ in item[1])):
        seconds, start = sum(s for s, _ in measured), len(measured) * _imports(SCRIPT_OF.get(rule, rule))
        peak = max(rss for _, rss in measured)
        print(f"{rule:26} {len(measured):4} {seconds:8.1f} {start:10.1f} {seconds / len(measured):6.1f} {peak:8.0f}")
        total, importing = total + seconds, importing + start
    count = sum(map(len, jobs.values()))
    print(f"{'all':26} {count:4} {total:8.1f} {importing:10.1f}  ({importing / total:.0%} of it importing)")


def _imports(script: str) -> float:
    """Seconds of processor time that a script's imports take in a process of their own; 0 for a rule without one."""
    path = SCRIPTS / f"{script}.py"
    if not path.exists():
        return 0.0
    nodes = ast.walk(ast.parse(path.read_text()))
    code = "\n".join(ast.unparse(node) for node in nodes if isinstance(node, ast.Import | ast.ImportFrom))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
