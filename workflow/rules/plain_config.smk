"""Where this workflow lies, and whether its config.yaml is plain YAML: said before Snakemake says that it is not."""

import sys
from pathlib import Path

from causalgrok.config_file import file_problems
from causalgrok.validation import located

# Not workflow.basedir: as a module of another workflow, that is the other's folder.
ROOT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parents[1]
IS_MODULE = not (ROOT / "Snakefile").samefile(workflow.main_snakefile)

if problems := [*file_problems(ROOT / "config.yaml")]:
    sys.exit(str(located(problems)))
