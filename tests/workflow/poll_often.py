"""Snakemake whose Slurm plugin asks for the state of its jobs every second; it asks ever less often by itself."""

from snakemake.cli import main
from snakemake_executor_plugin_slurm import Executor

Executor.next_seconds_between_status_checks = property(lambda self: 1, lambda self, seconds: None)

if __name__ == "__main__":
    main()
