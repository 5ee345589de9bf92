"""Whether config.yaml is plain YAML: said with its line, before Snakemake says that it is not."""

import sys
from pathlib import Path

from causalgrok.config_file import file_problems
from causalgrok.validation import located

if problems := [*file_problems(Path(workflow.basedir, "config.yaml"))]:
    sys.exit(str(located(problems)))
