import re
from pathlib import Path

from causalgrok.columns import COLUMNS, RUN_TABLES, TABLES_OF_RULES
from causalgrok.reference import OF_DATA, OF_RUNS, OF_STUDIES, tables_reference

RULES = Path(__file__).parents[2] / "workflow/rules"


def test_every_table_is_told_once():
    assert sorted([*OF_DATA, *OF_RUNS, *OF_STUDIES]) == sorted(COLUMNS)
    assert set(OF_RUNS) == set(RUN_TABLES)


def test_tables_of_runs_are_made_by_the_rules_that_are_said_to():
    text = "".join(path.read_text() for path in RULES.glob("*.smk"))
    for rule, tables in TABLES_OF_RULES.items():
        outputs = re.search(rf"^rule {rule}:.*?    output:\n(.*?)    log:", text, flags=re.MULTILINE | re.DOTALL)[1]
        assert tuple(re.findall(r"/(\w+)\.parquet", outputs)) == tables


def test_every_column_stands_below_its_table():
    sections = tables_reference().split("### ")[1:]
    assert len(sections) == len(COLUMNS)
    for section in sections:
        table = section.split()[0]
        section = section.partition("\n## ")[0]
        assert [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")] == [*COLUMNS[table]]
