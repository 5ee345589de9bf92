"""Tables without this library: what a column holds, and one question put with pandas and with DuckDB.

Run as ``python examples/query_tables.py [results/<study>/tables]`` once the study is there. DuckDB is no dependency of
the pipeline: ``pip install duckdb``.
"""

import sys
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.parquet as pq


def meanings(path: Path) -> dict[str, str]:
    """Column -> what it holds, out of the metadata of a table's Parquet file."""
    return {field.name: field.metadata[b"description"].decode() for field in pq.read_schema(path)}


def cost_with_pandas(folder: Path) -> pd.DataFrame:
    """Accuracy at the unseen test hospital after the removal of the hospital subspace, and of its controls."""
    rows = pd.read_parquet(folder / "subspace.parquet").query("split == 'ood_test' and not centred")
    last = rows["epoch"] == rows.groupby(["task", "recipe", "n", "seed"])["epoch"].transform("max")
    whole = rows[last & (rows["strength"] == 1) & rows["method"].isin(["logistic", "matched", "permuted"])]
    return whole.groupby(["recipe", "method"], as_index=False)["accuracy"].mean()


def cost_with_duckdb(folder: Path) -> pd.DataFrame:
    """The same in SQL, which reads no more of the file than it needs."""
    question = f"""
        SELECT recipe, method, avg(accuracy) AS accuracy
        FROM (
            SELECT *, max(epoch) OVER (PARTITION BY task, recipe, n, seed) AS last
            FROM '{folder}/subspace.parquet'
            WHERE split = 'ood_test' AND NOT centred
        )
        WHERE epoch = last AND strength = 1 AND method IN ('logistic', 'matched', 'permuted')
        GROUP BY ALL ORDER BY ALL
    """
    return duckdb.sql(question).df()


def main() -> None:
    """Print both answers, and the meaning of the column that they are about."""
    folder = Path(*sys.argv[1:] or ["results/demo/tables"])
    print("flip_fraction:", meanings(folder / "subspace.parquet")["flip_fraction"])
    print("with pandas:", cost_with_pandas(folder), "with DuckDB:", cost_with_duckdb(folder), sep="\n")


if __name__ == "__main__":
    main()
