"""A study's tables, made once, and a reader of PDF files."""

import shutil
import subprocess

import pytest
from synthetic_paper import tables


@pytest.fixture(scope="session")
def study():
    return tables()


@pytest.fixture
def read_back(tmp_path):
    """PDF file -> its words, one space apart, hyphens at line ends taken out."""
    program = shutil.which("pdftotext")
    if not program:
        pytest.skip("no pdftotext on the PATH")

    def read_back(pdf: bytes) -> str:
        (tmp_path / "read.pdf").write_bytes(pdf)
        done = subprocess.run([program, tmp_path / "read.pdf", "-"], capture_output=True, text=True, check=True)
        return " ".join(done.stdout.replace("-\n", "").split())

    return read_back
