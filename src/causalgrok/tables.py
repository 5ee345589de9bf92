"""How tables are read and written.

Every table is one Parquet file that opens with one line of pandas, DuckDB or polars. `write_table` refuses a table
whose columns are not those of `causalgrok.columns`, and puts their descriptions into the Parquet metadata. Every page
carries a checksum, which is verified when the table is read.
"""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from causalgrok.columns import COLUMNS, RUN
from causalgrok.files import DamagedFile, whole


def write_table(frame: pd.DataFrame, path: str | Path, table: str) -> None:
    """Write a table whole or not at all, in the order and with the descriptions of `COLUMNS`.

    Args:
        frame: the rows; the columns of `RUN` may stand in front of the table's own.
        path: the Parquet file.
        table: a key of `COLUMNS`.

    Raises:
        ValueError: a described column is missing or an undescribed one is there.
    """
    described = {name: text for name, text in RUN.items() if name in frame.columns} | COLUMNS[table]
    missing, unknown = set(described) - set(frame.columns), set(frame.columns) - set(described)
    if missing or unknown:
        raise ValueError(f"table {table}: missing columns {sorted(missing)}, unknown columns {sorted(unknown)}")
    arrow = pa.Table.from_pandas(frame[list(described)], preserve_index=False)
    fields = [field.with_metadata({"description": described[field.name]}) for field in arrow.schema]
    arrow = arrow.cast(pa.schema(fields, metadata=arrow.schema.metadata))
    with whole(path) as temporary:
        pq.write_table(arrow, temporary, compression="zstd", write_page_checksum=True)


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a table that `write_table` wrote.

    Raises:
        DamagedFile: the file is cut short, edited or no table.
    """
    try:
        return pq.read_table(path, page_checksum_verification=True).to_pandas()
    except (FileNotFoundError, PermissionError):
        raise
    except (pa.ArrowException, OSError) as error:
        raise DamagedFile(path, f"it cannot be read as a table ({str(error).splitlines()[0]})") from error
