"""The spectrum of what nets draw: checkerboards show as bright points and lines at half the frequency."""

import numpy as np
import torch
from PIL import Image

from repro.bounds import PositiveInt
from repro.data.split import head
from repro.measures.checkerboard import outputs_on, power_spectrum
from repro.pictures.sheet import sheet
from repro.state.net import State


@torch.no_grad()
def spectrum(states: dict[str, State], *, images: PositiveInt = 300) -> Image.Image:
    """Power of the outputs on the first `images` test images, in decibels below its largest, a column an arm.

    Black is -60 dB.

    Frequency 0 is in the middle, half the sampling frequency at the border (rows and columns 0 of each
    image).
    """
    outputs = {arm: outputs_on(state, head(state.data.test, images)[0]) for arm, state in states.items()}
    return sheet({arm: [_shown(power_spectrum(maps))] for arm, maps in outputs.items()})


def _shown(spectrum: torch.Tensor) -> np.ndarray:
    """[H, W] → uint8 [H, W, 3], with frequency 0 in the middle"""
    decibels = 10 * torch.log10(spectrum / spectrum.max())
    levels: torch.Tensor = 255 * (1 + decibels / 60).clamp(0, 1)
    grey = torch.fft.fftshift(levels).round().to(torch.uint8)
    shown: np.ndarray = grey.cpu()[..., None].expand(-1, -1, 3).numpy()
    return shown
