import json
from pathlib import Path

from snakemake.persistence.file import FilePersistence

from causalgrok.crate.code import Sources
from causalgrok.crate.records import files_of, jobs_behind, read_records
from causalgrok.provenance import code_hash

ROOT = Path(__file__).parents[3]


def test_names_are_those_snakemake_gives(tmp_path):
    persistence = FilePersistence.__new__(FilePersistence)
    persistence._max_len = None
    record = {"rule": "train", "incomplete": False}
    names = ["results/a.json", "results/ä?>~.json", "results/" + "long/" * 150 + "b.json"]
    for name in names:
        path = Path(persistence._record_path(str(tmp_path), name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record))
    assert any("@" in path.name for path in tmp_path.rglob("*"))
    assert read_records(tmp_path) == dict.fromkeys(names, record)


def test_what_is_half_written_or_unfinished_is_no_record(tmp_path):
    for name, text in {"YQ==": "{", "Yg==": '{"rule": "x", "incomplete": true}', "%": "{}", "Yw==": "[]"}.items():
        (tmp_path / name).write_text(text)
    assert read_records(tmp_path) == {}


def test_jobs_are_walked_back_in_the_order_they_ended(study):
    jobs = jobs_behind(["results/s/figures/curve.svg"], Path(".snakemake/metadata"), wanted_for="x")
    assert {job.rule for job in jobs} == {"draw", "train", "collect", "plot"}
    assert [job.ended for job in jobs] == sorted(job.ended for job in jobs)
    train = next(job for job in jobs if job.rule == "train")
    assert train.outputs[0].endswith("checkpoints/epoch0.safetensors") and len(train.outputs) == 3
    assert not train.deployed and train.environment.endswith("- torch==1\n")
    assert "{'seed': 0, 'decay': 0.5}" in train.params


def test_a_container_is_a_part_of_the_environment(study):
    for path in (study.root / ".snakemake/metadata").iterdir():
        record = json.loads(path.read_text())
        path.write_text(json.dumps(record | {"container_img_url": "image@1", "software_stack_hash": "f" * 32}))
    jobs = jobs_behind(["results/s/figures/curve.svg"], Path(".snakemake/metadata"), wanted_for="x")
    assert all(job.deployed and job.environment.endswith("- torch==1\ncontainer: image@1\n") for job in jobs)


def test_a_file_in_a_folder_that_a_job_made_is_known(study):
    checkpoint = "results/runs/t/r/n1/seed0/checkpoints/epoch0.safetensors"
    jobs = jobs_behind([checkpoint], Path(".snakemake/metadata"), wanted_for="x")
    assert [job.rule for job in jobs] == ["draw", "train"]
    assert files_of(str(Path(checkpoint).parent)) == [checkpoint]


def test_hashes_elsewhere_are_those_of_the_pipeline():
    sources = Sources(ROOT)
    train = ROOT / "workflow/scripts/train.py"
    assert sources.code_hash("train.py", "causalgrok.models.mlp") == code_hash(train, "causalgrok.models.mlp")
    assert sources.modules_of("train.py", code_hash(train, "causalgrok.models.mlp")) == ("causalgrok.models.mlp",)
    assert sources.modules_of("report.py", code_hash(ROOT / "workflow/scripts/report.py")) == ()
    assert sources.modules_of("report.py", "0" * 16) is None
    several = ("causalgrok.plotting.arms", "causalgrok.plotting.trajectories")
    drawn = code_hash(ROOT / "workflow/scripts/plot_figures.py", *several)
    assert sources.modules_of("plot_figures.py", drawn) is None
    assert sources.modules_of("plot_figures.py", drawn, ["['arms']", repr([*several])]) == several
