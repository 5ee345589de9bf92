"""Products of a few rows are those of the whole matrix, however it lies in memory and however it is multiplied."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from causalgrok.interventions import products
from causalgrok.interventions.products import column_after_column, product


@pytest.fixture(params=[True, False], ids=["small kernels", "none"])
def kernels(request, monkeypatch):
    """Products as on a processor whose BLAS has kernels for small matrices, and as on one whose BLAS has none."""
    monkeypatch.setattr(products, "_has_small_kernels", lambda: request.param)


def matrices(p, q, dtype):
    """One matrix (p, q) row after row, column after column, and as a part of a larger one."""
    matrix = np.random.default_rng([p, q]).standard_normal((p, q)).astype(dtype)
    larger = np.zeros((2 * p, q + 5), dtype=dtype)
    larger[::2, :q] = matrix
    return matrix, np.asfortranarray(matrix), larger[::2, :q]


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1), (1, 70), (70, 1), (257, 63), (97, 641), (3000, 130), (70_000, 3)])
@pytest.mark.parametrize("m", [0, 1, 2, 3, 15, 16, 50, 1500])
def test_products_are_those_of_the_whole_matrix(m, shape, dtype):
    rows = np.random.default_rng(m).standard_normal((m, shape[0])).astype(dtype)
    plain = matrices(*shape, dtype)[0].astype(np.float64)
    exact, size = rows.astype(np.float64) @ plain, np.abs(rows) @ np.abs(plain)
    on_lines = [column_after_column(plain)] if dtype == np.float32 else []
    for matrix in (*matrices(*shape, dtype), *on_lines):
        found = product(rows, matrix)
        assert found.dtype == dtype and found.shape == exact.shape
        assert np.all(np.abs(found - exact) <= 8 * np.finfo(dtype).eps * size)


@pytest.mark.parametrize("shape", [(1, 1), (64, 30), (1800, 7), (5, 200)])
def test_columns_lie_one_after_the_other_on_cache_lines(shape):
    matrix = np.random.default_rng(0).standard_normal(shape)
    columns = column_after_column(matrix)
    np.testing.assert_array_equal(columns, matrix.astype(np.float32))
    assert columns.strides[0] == 4 and columns.strides[1] >= 4 * shape[0]
    assert columns.ctypes.data % 64 == 0 and columns.strides[1] % 128 == 64


def test_blocks_are_small_for_openblas_and_left_out_where_too_narrow():
    for m, p in [(1, 100), (1, 20_000), (16, 2048), (30, 1800), (75, 10)]:
        width = products._block(np.zeros((m, p)))
        assert width in (16, 32, 48, 64) and width * m <= 1200 and width * m * p <= 10**6
    for m, p in [(1, 70_000), (40, 2048), (76, 10)]:
        assert products._block(np.zeros((m, p))) == 0


@pytest.mark.parametrize(
    ("blas", "expected"),
    [
        ({"internal_api": "openblas", "architecture": "SkylakeX", "num_threads": 1}, True),
        ({"internal_api": "openblas", "architecture": "SkylakeX", "num_threads": 2}, False),
        ({"internal_api": "openblas", "architecture": "Haswell", "num_threads": 1}, False),
        ({"internal_api": "mkl", "num_threads": 1}, False),
        (None, False),
    ],
)
def test_only_one_thread_of_an_openblas_for_avx512_has_kernels_for_small_matrices(blas, expected, monkeypatch):
    monkeypatch.setattr(products, "threadpool_info", lambda: [blas] if blas else [])
    products._has_small_kernels.cache_clear()
    try:
        assert products._has_small_kernels() is expected
    finally:
        products._has_small_kernels.cache_clear()


def test_openblas_says_what_processor_it_is_for():
    blas = [info for info in threadpool_info() if info["internal_api"] == "openblas"]
    assert all(info["architecture"] and info["num_threads"] >= 1 for info in blas)
