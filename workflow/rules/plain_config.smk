"""Where this workflow lies, and whether its config.yaml is plain YAML: said before Snakemake says that it is not."""

import sys
from pathlib import Path

from causalgrok.config_file import file_problems
from causalgrok.validation import located

# Not workflow.basedir: as a module of another workflow, that is the other's folder.
ROOT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parents[1]
if not (ROOT / "Snakefile").exists():
    sys.exit(f"{ROOT} is not on this machine; clone this workflow, install it, and name its Snakefile in your module")
IS_MODULE = not (ROOT / "Snakefile").samefile(workflow.main_snakefile)

if problems := [*file_problems(ROOT / "config.yaml")]:
    sys.exit(str(located(problems)))
