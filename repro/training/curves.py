"""What is drawn over the steps of a run."""

from typing import Any

import torch
from torch import Tensor

POINTS = 200  # of a curve, at most


class Curves:
    """Training loss and error as means between points, test metrics where measured. Waits for no device.

    An error is the mean over the batches that have one.
    """

    def __init__(self, steps: int):
        self.every, self.steps = max(1, -(-steps // POINTS)), steps
        self.window: list[Tensor] = []
        self.points: list[tuple[int, Tensor]] = []
        self.tests: list[tuple[int, dict[str, float]]] = []

    def add(self, step: int, loss: Tensor, error: Tensor) -> None:
        """Take in a batch's loss and error; `step` counts from 1."""
        self.window.append(torch.stack((loss, error)))
        if step % self.every == 0 or step == self.steps:
            self.points.append((step, _mean(torch.stack(self.window))))
            self.window = []

    def test(self, step: int, metrics: dict[str, float]) -> None:
        self.tests.append((step, metrics))

    def state(self) -> dict[str, Any]:
        return {"window": self.window, "points": self.points, "tests": self.tests}

    def restore(self, state: dict[str, Any], device: torch.device) -> None:
        self.window = [value.to(device) for value in state["window"]]
        self.points = [(step, value.to(device)) for step, value in state["points"]]
        self.tests = [(step, metrics) for step, metrics in state["tests"]]

    def lists(self) -> dict[str, list[tuple[int, float]]]:
        """By name: (step, value), at most `POINTS` of them, the last one of the last step."""
        rows = [(step, *value.tolist()) for step, value in self.points]
        curves = {
            "batch_loss": [(s, loss) for s, loss, _ in rows],
            "batch_error": [(s, error) for s, _, error in rows],
        }
        for step, metrics in self.tests[::-1][:: -(-len(self.tests) // POINTS) or 1][::-1]:
            for name, value in metrics.items():
                curves.setdefault(name, []).append((step, value))
        return curves


def _mean(rows: Tensor) -> Tensor:
    """Of losses and errors [N, 2]."""
    loss, error = rows.mean(0)
    return torch.stack((loss, torch.where(error.isnan(), rows[:, 1].nanmean(), error)))
