"""The file of published figures: what stands in it is what is compared, and mistakes are a line each."""

from pathlib import Path

import pytest
import yaml

from causalgrok.reported_file import read_reported
from causalgrok.validation import check_config

ROOT = Path(__file__).parents[2]
HEADER = "source,study,task,step,quantity,reported,tolerance\n"


@pytest.fixture(scope="module")
def config():
    return check_config(yaml.safe_load((ROOT / "config.yaml").read_text()))


def test_the_published_figures_of_mnist(config):
    figures = read_reported(ROOT / "workflow/reported.csv", config)["mnist"]
    assert len(figures) == 5 * 10 * 3
    found = {(one["task"], one["step"], one["quantity"]): one for one in figures}
    assert len(found) == len(figures)
    start = found["mnist_linear", 20_000, "validation_accuracy"]
    assert (start["reported"], start["tolerance"]) == (0.237, 0.02)
    norm = found["mnist_cross_entropy", 200_000, "summed_norm"]
    assert norm["reported"] == 218.4787 and norm["tolerance"] == pytest.approx(21.84787)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("s3,mnist,mnist_linear,20000,val_accuracy,.2,.02", "quantity 'val_accuracy' is unknown: did you mean"),
        ("s3,mnist,mnist_linaer,20000,test_accuracy,.2,.02", "task 'mnist_linaer' is not one that studies.mnist"),
        ("s3,mnist,mnist_linear,20k,test_accuracy,.2,.02", "step '20k' is no number"),
        ("s3,mnist,mnist_linear,20000,test_accuracy,.2,0", "tolerance '0' is not above 0"),
        ("s3,mnist,mnist_linear,20000,test_accuracy,.2,", "tolerance '' is no number"),
    ],
)
def test_a_mistake_is_one_line(config, tmp_path, line, expected):
    path = tmp_path / "reported.csv"
    path.write_text(HEADER + "s3,mnist,mnist_linear,20000,test_accuracy,.2,.02\n" + line + "\n")
    with pytest.raises(ValueError, match="line 3") as error:
        read_reported(path, config)
    assert str(error.value).startswith(f"{path} line 3: {expected}") and "\n" not in str(error.value)


def test_other_columns_and_a_study_without_figures_are_refused(config, tmp_path):
    path = tmp_path / "reported.csv"
    path.write_text("study,task\n")
    with pytest.raises(ValueError, match="expected source, study, task"):
        read_reported(path, config)
    path.write_text(HEADER)
    with pytest.raises(ValueError, match=r"config: studies.mnist.reported: .* has no figure of this study"):
        read_reported(path, config)
