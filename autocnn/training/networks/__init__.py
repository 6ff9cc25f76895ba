"""Networks from params: `build_model`, and the augmentation of their training images."""

from autocnn.training.networks.network import build_model

__all__ = ["build_model"]
