from causalgrok.columns import COLUMNS, RUN_TABLES
from causalgrok.reference import OF_DATA, OF_RUNS, OF_STUDIES, tables_reference


def test_every_table_is_told_once():
    assert sorted([*OF_DATA, *OF_RUNS, *OF_STUDIES]) == sorted(COLUMNS)
    assert set(OF_RUNS) == set(RUN_TABLES)


def test_every_column_stands_below_its_table():
    sections = tables_reference().split("### ")[1:]
    assert len(sections) == len(COLUMNS)
    for section in sections:
        table = section.split()[0]
        section = section.partition("\n## ")[0]
        assert [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")] == [*COLUMNS[table]]
