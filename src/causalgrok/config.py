"""The typed config: datasets, recipes, tasks and studies, with every rule between them.

The JSON schema and the README's table are generated from these models. Scripts never import this module: what a job
uses is handed to it, so that a new key here reruns nothing.
"""

import functools
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import Discriminator, Field, Tag, model_validator

from causalgrok.analysis.settings import (
    ComparisonSettings,
    CriticalSizeSettings,
    DetectorSettings,
    StoppingSettings,
    UngrokkingSettings,
)
from causalgrok.columns import (
    CALIBRATION_TABLES,
    PLANTED_TABLES,
    RUN_TABLES,
    SHIFT_TABLES,
    UNGROKKING_TABLES,
    with_derived,
)
from causalgrok.data import camelyon17, registry
from causalgrok.data.camelyon17 import Camelyon17Settings
from causalgrok.data.gaussians import GaussiansSettings
from causalgrok.data.mnist import MnistSettings
from causalgrok.data.mnist_clusters import MnistClustersSettings
from causalgrok.data.modular import ModularSettings
from causalgrok.data.nuclei import NucleiSettings
from causalgrok.data.stained_nuclei import StainedNucleiSettings
from causalgrok.data.subclass_shift import SubclassShiftSettings
from causalgrok.data.tissue import TissueSettings
from causalgrok.data.wine import WineSettings
from causalgrok.interventions.settings import Measurement
from causalgrok.models.settings import Inputs, Model, Tokens, Vectors
from causalgrok.plotting import FIGURES
from causalgrok.settings import Boolean, Integer, Location, Name, Number, Settings, Text
from causalgrok.training.recipe import Recipe
from causalgrok.training.schedule import Schedule
from causalgrok.training.settings import Precision

Hospital = Annotated[Integer, Field(ge=0, le=4)]
Positive = Annotated[Integer, Field(ge=1)]
ImageSize = Annotated[Integer, Field(ge=1, le=4096)]

RUN_FOLDER = "{task}/{recipe}/n{n}/seed{seed}"
"""Where a run lies under results/runs/."""


class Run(NamedTuple):
    """One training."""

    task: str
    recipe: str
    n: int
    seed: int

    @property
    def folder(self) -> str:
        """The run's folder under results/runs/."""
        return RUN_FOLDER.format(**self._asdict())


class HospitalDataset(Settings):
    """A source of patches from hospitals, and how it is cut and packed."""

    drawn: ClassVar[bool] = False
    has_hospitals: ClassVar[bool] = True
    holds: ClassVar[str] = "images"
    classes: ClassVar[int] = 2
    chance: ClassVar[float] = 0.5
    inputs: ClassVar[Inputs | None] = None

    source: Annotated[TissueSettings | Camelyon17Settings, Field(discriminator="kind")]
    """Where the patches come from: `tissue` generates them, `camelyon17` finds or downloads them."""

    image_size: ImageSize
    """Pixels a side after packing; at most the source's own size."""

    ood_val_hospital: Hospital = 1
    """The hospital held out for OOD validation."""

    ood_test_hospital: Hospital = 2
    """The hospital held out for the OOD test."""

    evaluation_images: Positive
    """Images in each of id_val, ood_val and ood_test: at most, balanced by hospital and label."""

    probe_images: Positive
    """Train-hospital images set apart from every subset, to fit and judge probes: at most, balanced likewise."""

    seed: Annotated[Integer, Field(ge=0)] = 0
    """Seed of the choice of evaluation and probe images; the same for every run."""

    counterfactual_methods: Annotated[list[Literal["rendered", "macenko", "reinhard"]], Field(min_length=1)] | None = (
        None
    )
    """How tissue is shown as other hospitals'; empty: rendered for generated tissue, macenko and reinhard otherwise."""

    counterfactual_images: Positive = 300
    """Images of each evaluation split, at most, that are shown as every hospital's; balanced likewise."""

    @property
    def counterfactuals(self) -> list[str]:
        """The methods by which tissue is shown as other hospitals'."""
        generated = self.source.kind == "tissue"
        return self.counterfactual_methods or (["rendered"] if generated else ["macenko", "reinhard"])

    @property
    def native_size(self) -> int:
        """Pixels a side of the source's patches."""
        return camelyon17.IMAGE_SIZE if self.source.kind == "camelyon17" else self.source.image_size


class DrawnDataset(Settings):
    """A source whose examples are drawn for each n and seed, most without hospitals and with one split `test`."""

    drawn: ClassVar[bool] = True

    source: Annotated[
        ModularSettings
        | MnistSettings
        | WineSettings
        | SubclassShiftSettings
        | MnistClustersSettings
        | GaussiansSettings
        | NucleiSettings
        | StainedNucleiSettings,
        Field(discriminator="kind"),
    ]
    """What the examples are: `modular` is arithmetic on all pairs of numbers, `mnist` digits, `wine` measurements,
    `subclass_shift` classes with subclasses of which training shows some less often, `mnist_clusters` digits likewise,
    `gaussians` clouds, which anything learns, `nuclei` arithmetic on the places of nuclei in images, `stained_nuclei`
    the same at five hospitals."""

    @property
    def has_hospitals(self) -> bool:
        """Whether probes and interventions ask about hospitals."""
        return registry.has_hospitals(self.source.kind)

    @property
    def holds(self) -> str:
        """What an example is."""
        return self.source.holds

    @property
    def classes(self) -> int:
        """Number of labels."""
        return self.source.classes

    @property
    def chance(self) -> float:
        """Accuracy of guessing: the share of the most frequent label where labels are uneven and the source says so."""
        return getattr(self.source, "chance", 1 / self.classes)

    @property
    def reads(self) -> str | None:
        """The downloaded files that the source is drawn from; none for most."""
        return getattr(self.source, "reads", None)

    @property
    def clusters(self) -> dict | None:
        """What the clusters that are its subclasses depend on, as plain JSON; most sources have none."""
        if not hasattr(self.source, "clustering"):
            return None
        return self.source.model_dump(mode="json", include={"kind", "clustering"})

    @property
    def inputs(self) -> Inputs | None:
        """What an example looks like; images of any size need not say."""
        if self.holds == "images":
            return None
        if self.holds == "tokens":
            return Tokens(length=self.source.length, tokens=self.source.tokens)
        return Vectors(length=self.source.length, features=self.source.features)


FAMILIES = (HospitalDataset.__name__, DrawnDataset.__name__)
"""Names of the families of datasets, which are the union's tags."""


def _family(dataset: object) -> str:
    """A dataset's family, checked or not: by its source's kind; with nothing but a source it can be no other."""
    source = dataset.get("source") if isinstance(dataset, dict) else getattr(dataset, "source", None)
    kind = source.get("kind") if isinstance(source, dict) else getattr(source, "kind", None)
    drawn = isinstance(kind, str) and kind in registry.MODULES
    return FAMILIES[drawn or (isinstance(dataset, dict) and set(dataset) == {"source"})]


Dataset = Annotated[
    Annotated[HospitalDataset, Tag(FAMILIES[0])] | Annotated[DrawnDataset, Tag(FAMILIES[1])], Discriminator(_family)
]
"""Any dataset, told apart by its source's kind."""


class Continuation(Settings):
    """Which run a task's runs start from, instead of their initialisation: that of equal seed, at its last epoch."""

    task: Name
    """The task of that run, a key of `tasks`."""

    recipe: Name | None = None
    """Its recipe; empty: the run's own."""

    n: Positive
    """Its number of training examples; the run's own are the first of them."""


class Task(Settings):
    """What is learned, by which network, for how long."""

    dataset: Name
    """A key of `datasets`."""

    label_hospital_correlation: Annotated[Number, Field(ge=-1, le=1)] = 0.0
    """How far the tumour fraction of the training subset depends on the hospital; 0 is balanced."""

    model: Model
    """The network."""

    continues: Continuation | None = None
    """Train a finished run further, on fewer examples, with a new optimiser; empty: start from the initialisation."""

    loss: Literal["cross_entropy", "mse"] = "cross_entropy"
    """What is minimised: cross-entropy, or squared error to one-hot targets."""

    schedule: Schedule
    """Length, evaluations and checkpoints."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where runs train; `auto` is the GPU if this machine has one. Small tasks say cpu, so that many run at once."""

    precision: Precision = "float32"
    """Of the products in a training step: float32; tf32, a GPU's; or bfloat16, by autocast. Evaluation is float32."""

    cuda_graph: Boolean = False
    """Whether a GPU records a training step once and replays it, which spares small networks the launch of kernels."""

    threads: Annotated[Integer, Field(ge=1, le=1024)] = 1
    """CPU threads of a run, never clipped by --cores: another number rounds sums differently."""

    measurement: Name = "full"
    """A key of `measurements`."""

    detector: Name = "default"
    """A key of `detectors`."""

    @model_validator(mode="after")
    def _fits_the_device(self) -> "Task":
        if self.device == "cpu" and (self.precision == "tf32" or self.cuda_graph):
            key = "cuda_graph: true" if self.cuda_graph else "precision: tf32"
            raise ValueError(f"{key} is for GPUs, device is cpu; leave it out, or set device to auto or cuda")
        return self


class RunSet(Settings):
    """The runs of one task that are all combinations of these."""

    task: Name
    """A key of `tasks`."""

    recipes: list[Name] = Field([])
    """Keys of `recipes`."""

    between: Annotated[list[Name], Field(min_length=2, max_length=2)] | None = None
    """Instead of recipes, two of them: a factorial of the settings in which they differ, every combination a recipe."""

    n: Annotated[list[Positive], Field(min_length=1)]
    """Sizes of the training subsets."""

    seeds: Annotated[list[Annotated[Integer, Field(ge=0)]], Field(min_length=1)]
    """Seeds; equal seeds are paired across recipes."""

    @model_validator(mode="after")
    def _has_recipes(self) -> "RunSet":
        if not self.recipes and not self.between:
            raise ValueError("names no recipe: give recipes, or between two of them")
        return self


class Planted(Settings):
    """The probes' validation on generated features whose hospital effect is known."""

    repeats: Annotated[Integer, Field(ge=20, le=1_000_000)] = 400
    """Generated feature sets for every case and strength."""

    seed: Annotated[Integer, Field(ge=0)] = 0
    """Seed of the feature sets."""


class Calibration(Settings):
    """The tests' and the detector's validation on generated data without and with an effect."""

    repeats: Annotated[Integer, Field(ge=100, le=1_000_000)] = 2000
    """Data sets for every test and case; slow tests get fewer."""

    curves: Annotated[Integer, Field(ge=20, le=1_000_000)] = 200
    """Synthetic runs of every kind for the detector."""

    seed: Annotated[Integer, Field(ge=0)] = 0
    """Seed of the data sets and runs."""


class Study(Settings):
    """A set of runs, what is measured on them, and its figures."""

    description: Text
    """What the study asks, in a sentence."""

    runs: list[RunSet] = Field([])
    """The runs, in sets; none where only the methods are validated."""

    tables: list[Literal[*RUN_TABLES]] = Field(list(RUN_TABLES))
    """What is recorded and measured on each run."""

    critical_size: CriticalSizeSettings | None = None
    """Ask from which n on a recipe generalises for good; empty: do not."""

    stopping: StoppingSettings | None = None
    """Ask when criteria without test labels would have stopped each run; empty: do not."""

    planted: Planted | None = None
    """Validate the probes on planted truth as well; empty: do not."""

    calibration: Calibration | None = None
    """Count the errors of the tests and of the detector as well; empty: do not."""

    ungrokking: UngrokkingSettings | None = None
    """Judge the runs that continue others of the study by the ungrokking protocol; empty: do not."""

    reported: Boolean = False
    """Hold the runs against the figures that workflow/reported.csv gives for this study."""

    shift: Boolean = False
    """Measure how differently training subsets and the split that judges them are made up of subclasses or slides."""

    figures: list[Literal[*FIGURES]] | None = None
    """What is drawn; empty: every figure that the tables allow."""

    @property
    def all_tables(self) -> list[str]:
        """The tables of the runs and those made from them."""
        asked = {
            "factorial": any(part.between for part in self.runs),
            "critical_size": self.critical_size,
            "stopping": self.stopping,
            "reported": self.reported,
            **dict.fromkeys(PLANTED_TABLES, self.planted),
            **dict.fromkeys(CALIBRATION_TABLES, self.calibration),
            **dict.fromkeys(UNGROKKING_TABLES, self.ungrokking),
            **dict.fromkeys(SHIFT_TABLES, self.shift),
        }
        of_runs = with_derived(self.tables) if self.runs else []
        return [*of_runs, *(table for table, wanted in asked.items() if wanted)]

    def drawn(self, *, hospitals: bool) -> list[str]:
        """The figures of the study, `hospitals` saying whether any of its runs have some."""
        return drawable(self.all_tables, hospitals=hospitals) if self.figures is None else self.figures

    @functools.cached_property
    def all_runs(self) -> tuple[Run, ...]:
        """The study's runs, each once, in the order of the config."""
        runs = (
            Run(runs.task, recipe, n, seed)
            for runs in self.runs
            for n in runs.n
            for recipe in runs.recipes
            for seed in runs.seeds
        )
        return tuple(dict.fromkeys(runs))


class Config(Settings):
    """The whole of config.yaml."""

    build: list[Name]
    """Studies that a bare `snakemake` builds."""

    data_root: Location | None = None
    """A folder that already holds camelyon17_v1.0, MNIST/raw or wine_quality; empty: what is needed is downloaded."""

    checkpoints: Location | None = None
    """A folder of somebody else's state dicts for the target `inspect`: torchvision's or timm's ResNet-18, 34, 50."""

    images: Location | None = None
    """A csv or parquet of images for the target `inspect`: path, label, domain, group, and a split if known."""

    held_out: Annotated[list[Text | Integer], Field(max_length=2)] | None = None
    """The domains that those networks never saw, OOD validation first; empty: the last two of four or more."""

    image_size: ImageSize | None = None
    """Pixels a side to which the images of `inspect` are averaged down; empty: as they are."""

    measurement: Name = "full"
    """How the networks of `inspect` are measured: a key of `measurements`."""

    save_seconds: Positive = 60
    """Time between saves of the state that a killed training resumes from, longer where saving would take over 1.5 % of
    the time; another value reruns nothing."""

    container: str | None = None
    """An image made of the Dockerfile, such as causalgrok.sif, that jobs run in with `--sdm apptainer`."""

    datasets: dict[Name, Dataset]
    """Dataset name -> its source and how it is cut."""

    recipes: dict[Name, Recipe]
    """Recipe name -> optimisation settings."""

    measurements: dict[Name, Measurement]
    """Measurement name -> how checkpoints are probed."""

    comparisons: ComparisonSettings = ComparisonSettings()
    """How recipes are compared."""

    detectors: dict[Name, DetectorSettings]
    """Detector name -> thresholds of the grokking detector, fixed before looking."""

    tasks: dict[Name, Task]
    """Task name -> dataset, network, loss and budget."""

    studies: dict[Name, Study]
    """Study name -> runs, tables and figures. Each name is a target."""


def drawable(tables: list[str], *, hospitals: bool = True) -> list[str]:
    """The figures that can be drawn from these tables, without those about hospitals if there are none."""
    return [
        name
        for name, figure in FIGURES.items()
        if set(figure.tables) <= set(tables) and (hospitals or not figure.hospitals)
    ]


def parent_of(config: Config, run: Run) -> Run | None:
    """The run that a run continues; None if it starts from its initialisation."""
    parent = config.tasks[run.task].continues
    return parent and Run(parent.task, parent.recipe or run.recipe, parent.n, run.seed)


def has_hospitals(config: Config, run: Run) -> bool:
    """Whether a run's dataset has hospitals."""
    return config.datasets[config.tasks[run.task].dataset].has_hospitals
