"""Products of a few rows with a large matrix, many of them with the same one.

BLAS first copies a large matrix into the order in which its kernels read it, which takes longer than to multiply it by
a few rows. Where OpenBLAS has kernels for small matrices, which it reads as they lie, the large one is therefore cut
into blocks that are small enough for these.
"""

from functools import cache

import numpy as np
from threadpoolctl import threadpool_info

_WITH_SMALL_KERNELS = ("SkylakeX", "Cooperlake", "SapphireRapids")
"""What OpenBLAS calls processors with AVX-512, for which it has kernels that do not copy."""

_PRODUCTS, _RESULTS = 10**6, 1200
"""How many multiplications and results a product may have to be small for OpenBLAS."""

_WIDEST, _NARROWEST = 64, 16
"""Columns in a block: more gain nothing; 16 numbers in single precision are a cache line."""

_FEW = 3
"""Rows below which it is otherwise fastest to multiply one at a time."""

_ROWS = 4
"""Rows that OpenBLAS multiplies at a time: 12 or 16 of them take less time than 11 or 15."""

_LINE = 64
"""Bytes in a cache line."""


def column_after_column(matrix: np.ndarray) -> np.ndarray:
    """A matrix (p, q) in single precision whose columns lie one after the other.

    They begin on cache lines, and an odd number of these apart: numbers of one row then do not meet in the cache.
    """
    p, q = matrix.shape
    each = _LINE // np.dtype(np.float32).itemsize
    stride = (-(-p // each) | 1) * each
    memory = np.empty(q * stride + each, dtype=np.float32)
    begin = -memory.ctypes.data % _LINE // memory.itemsize
    columns = memory[begin : begin + q * stride].reshape(q, stride)[:, :p]
    for row in range(0, p, each):  # a line of every column at a time
        columns[:, row : row + each] = matrix[row : row + each].T
    return columns.T


def product(rows: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Rows (m, p) times a matrix (p, q)."""
    if not len(rows):
        return np.zeros((0, matrix.shape[1]), dtype=rows.dtype)
    by_columns = matrix.strides[0] == matrix.itemsize
    # Double precision is read too slowly across.
    if _has_small_kernels() and (by_columns or matrix.dtype == np.float32) and (width := _block(rows)):
        return _in_blocks(rows, matrix, width, by_columns)
    if len(rows) < _FEW:
        return np.stack([row @ matrix for row in rows])
    full = np.zeros((len(rows) + -len(rows) % _ROWS, rows.shape[1]), dtype=rows.dtype)
    full[: len(rows)] = rows
    # Columns one after the other are multiplied from the left: BLAS would copy them twice.
    return ((matrix.T @ full.T).T if by_columns else full @ matrix)[: len(rows)]


@cache
def _has_small_kernels() -> bool:
    """Whether numpy multiplies with one thread of an OpenBLAS for a processor with AVX-512."""
    return any(
        blas["internal_api"] == "openblas"
        and blas["num_threads"] == 1
        and blas.get("architecture") in _WITH_SMALL_KERNELS
        for blas in threadpool_info()
    )


def _block(rows: np.ndarray) -> int:
    """Columns of a block that rows (m, p) are multiplied with, or 0 if it would be too narrow."""
    width = min(_WIDEST, _PRODUCTS // rows.size, _RESULTS // len(rows))
    return width - width % _NARROWEST


def _in_blocks(rows: np.ndarray, matrix: np.ndarray, width: int, by_columns: bool) -> np.ndarray:
    """Rows (m, p) times a matrix (p, q), so many columns of it at a time."""
    p, q = matrix.shape
    whole = q - q % width
    if by_columns:
        blocks = matrix.T[:whole].reshape(-1, width, p)
    else:
        blocks = matrix[:, :whole].reshape(p, -1, width).transpose(1, 2, 0)
    result = np.empty((q, len(rows)), dtype=rows.dtype)
    np.matmul(blocks, rows.T, out=result[:whole].reshape(-1, width, len(rows)))
    np.matmul(matrix[:, whole:].T, rows.T, out=result[whole:])
    return result.T
