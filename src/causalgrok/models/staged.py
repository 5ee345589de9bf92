"""A network that can be entered at any of its stages: what probes and interventions on image networks rely on."""

from abc import abstractmethod
from collections.abc import Callable, Iterator

from torch import Tensor, nn


class StagedNetwork(nn.Module):
    """A chain of stages that ends in ``pooled`` (b, features), and a linear head ``fc`` on these."""

    @abstractmethod
    def segments(self) -> dict[str, Callable[[Tensor], Tensor]]:
        """Stage -> what makes its output of the one before, the first of what `prepare` gives."""

    def stages(self, inputs: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield each stage's name and output, the last being ``pooled``."""
        for name, segment in self.segments().items():
            inputs = segment(inputs)
            yield name, inputs

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (b, classes) of what `prepare` gives."""
        *_, (_, pooled) = self.stages(inputs)
        return self.fc(pooled)
