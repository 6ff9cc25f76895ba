"""Random changes of training images, whole batches at a time, in the TensorFlow graph.

All geometric changes are one affine transform with one bilinear interpolation: faster
than a chain of layers, and sharper (docs/performance.md). Every draw derives from the
seed of the batch, so a repeated epoch sees the same images.
"""

import math

import tensorflow as tf

from autocnn.core.arrays import Tensor
from autocnn.spaces.knobs import Settings

NUM_SEEDS = 16
ERASED_AREA = (0.02, 0.2)
"""Smallest and largest share of the image that erasing blanks (arXiv:1708.04896)."""

FIELD_KNOTS = 3
"""Random values along each side that a field runs through (N4, Tustison 2010, corrects with 4)."""


class Augmenter:
    """Changes batches of images and labels as the params say.

    Args:
        settings: The augmentation knobs are read.
        image_shape: (height, width, channels).
    """

    def __init__(self, settings: Settings, image_shape: tuple[int, int, int]) -> None:
        self.height, self.width, _ = image_shape
        flip = settings.text("flip")
        self.flip_x = flip in ("horizontal", "both")
        self.flip_y = flip in ("vertical", "both")
        self.rotation = settings.number("rotation") * math.pi / 180
        self.zoom = settings.number("zoom")
        self.shift = settings.number("shift")
        self.shear = settings.number("shear")
        self.brightness = settings.number("brightness")
        self.field = settings.number("field")
        self.contrast = settings.number("contrast")
        self.noise = settings.number("noise")
        self.erasing = settings.number("erasing")
        self.mixup = settings.number("mixup")
        self.cutmix = settings.number("cutmix")

    def __call__(self, images: Tensor, labels: Tensor, seed: Tensor) -> tuple[Tensor, Tensor]:
        """Change one batch.

        Args:
            images: uint8, shape (batch, height, width, channels).
            labels: float32, shape (batch, classes), rows sum to 1.
            seed: int32, shape (2,).

        Returns:
            Images (uint8) and labels (float32) of the same shapes.
        """
        seeds = _split(seed, NUM_SEEDS)
        x = tf.cast(images, tf.float32)
        if self._moves:
            x = self._move(x, seeds[:8])
        if self.field:
            x = self._apply_field(x, seeds[14])
        x = self._recolor(x, seeds[8:11])
        if self.erasing:
            x = self._erase(x, seeds[11])
        if self.mixup:
            x, labels = self._mix(x, labels, seeds[12])
        if self.cutmix:
            x, labels = self._cut_and_mix(x, labels, seeds[13])
        return tf.cast(tf.clip_by_value(tf.round(x), 0.0, 255.0), tf.uint8), labels

    @property
    def _moves(self) -> bool:
        sizes = (self.rotation, self.zoom, self.shift, self.shear)
        return any(sizes) or self.flip_x or self.flip_y

    def _move(self, x: Tensor, seeds: list[Tensor]) -> Tensor:
        """Mirror, turn, zoom, shift and shear in one projective transform."""
        n = tf.shape(x)[0]
        angle = _uniform(seeds[0], n, self.rotation)
        scale = 1.0 + _uniform(seeds[1], n, self.zoom)
        shift_x = _uniform(seeds[2], n, self.shift * self.width)
        shift_y = _uniform(seeds[3], n, self.shift * self.height)
        shear = _uniform(seeds[4], n, self.shear)
        mirror_x = _sign(seeds[5], n, self.flip_x)
        mirror_y = _sign(seeds[6], n, self.flip_y)
        cos, sin = tf.cos(angle) * scale, tf.sin(angle) * scale
        a = cos * mirror_x
        b = (shear * cos - sin) * mirror_y
        c = sin * mirror_x
        d = (shear * sin + cos) * mirror_y
        center_x, center_y = (self.width - 1) / 2.0, (self.height - 1) / 2.0
        offset_x = center_x + shift_x - (a * center_x + b * center_y)
        offset_y = center_y + shift_y - (c * center_x + d * center_y)
        zero = tf.zeros_like(a)
        return tf.raw_ops.ImageProjectiveTransformV3(
            images=x,
            transforms=tf.stack([a, b, offset_x, c, d, offset_y, zero, zero], axis=1),
            output_shape=[self.height, self.width],
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="NEAREST",
        )

    def _apply_field(self, x: Tensor, seed: Tensor) -> Tensor:
        """Times a smooth field, as uneven light or the coils of an MRI scanner make it."""
        n = tf.shape(x)[0]
        size = math.log1p(self.field)
        knots = tf.random.stateless_uniform([n, FIELD_KNOTS, FIELD_KNOTS, 1], seed, -size, size)
        return x * tf.exp(tf.image.resize(knots, (self.height, self.width), "bicubic"))

    def _recolor(self, x: Tensor, seeds: list[Tensor]) -> Tensor:
        """Contrast about the image's mean, brightness as a factor, Gaussian noise."""
        n = tf.shape(x)[0]
        if self.contrast:
            mean = tf.reduce_mean(x, axis=(1, 2, 3), keepdims=True)
            x = mean + (x - mean) * _per_image(1.0 + _uniform(seeds[0], n, self.contrast))
        if self.brightness:
            x = x * _per_image(1.0 + _uniform(seeds[1], n, self.brightness))
        if self.noise:
            strength, pattern = _split(seeds[2], 2)
            level = tf.random.stateless_uniform([n], strength, 0.0, self.noise * 255.0)
            x = x + tf.random.stateless_normal(tf.shape(x), pattern) * _per_image(level)
        return x

    def _erase(self, x: Tensor, seed: Tensor) -> Tensor:
        """Blank one rectangle with the image's mean."""
        n = tf.shape(x)[0]
        chance, area_seed, box_seed = _split(seed, 3)
        area = tf.random.stateless_uniform([n], area_seed, *ERASED_AREA)
        inside = self._boxes(tf.sqrt(area), box_seed)
        drawn = tf.random.stateless_uniform([n], chance) < self.erasing
        mean = tf.reduce_mean(x, axis=(1, 2, 3), keepdims=True)
        return tf.where(inside & _per_image(drawn), mean, x)

    def _mix(self, x: Tensor, labels: Tensor, seed: Tensor) -> tuple[Tensor, Tensor]:
        """MixUp (Zhang et al. 2018, arXiv:1710.09412) with the batch in reverse order."""
        n = tf.shape(x)[0]
        first, second = _split(seed, 2)
        one = tf.random.stateless_gamma([n], first, self.mixup)
        other = tf.random.stateless_gamma([n], second, self.mixup)
        share = tf.math.divide_no_nan(one, one + other)
        share = tf.maximum(share, 1.0 - share)
        mixed = x * _per_image(share) + tf.reverse(x, [0]) * _per_image(1.0 - share)
        share = share[:, None]
        return mixed, labels * share + tf.reverse(labels, [0]) * (1.0 - share)

    def _cut_and_mix(self, x: Tensor, labels: Tensor, seed: Tensor) -> tuple[Tensor, Tensor]:
        """CutMix (Yun et al. 2019, arXiv:1905.04899) with the batch in reverse order."""
        n = tf.shape(x)[0]
        chance, size_seed, box_seed = _split(seed, 3)
        side = tf.sqrt(tf.random.stateless_uniform([n], size_seed, 0.0, 0.5))
        drawn = tf.random.stateless_uniform([], chance) < self.cutmix
        inside = self._boxes(side, box_seed) & drawn
        pasted = tf.reduce_mean(tf.cast(inside, tf.float32), axis=(1, 2, 3))[:, None]
        mixed_labels = labels * (1.0 - pasted) + tf.reverse(labels, [0]) * pasted
        return tf.where(inside, tf.reverse(x, [0]), x), mixed_labels

    def _boxes(self, sides: Tensor, seed: Tensor) -> Tensor:
        """True inside one box per image; `sides` are fractions of both, places are random."""
        n = tf.shape(sides)[0]
        seed_x, seed_y = _split(seed, 2)
        x = (tf.range(self.width, dtype=tf.float32) + 0.5) / self.width
        y = (tf.range(self.height, dtype=tf.float32) + 0.5) / self.height
        left = tf.random.stateless_uniform([n], seed_x) * (1.0 - sides)
        top = tf.random.stateless_uniform([n], seed_y) * (1.0 - sides)
        columns = (x >= left[:, None]) & (x < (left + sides)[:, None])
        rows = (y >= top[:, None]) & (y < (top + sides)[:, None])
        return (rows[:, :, None] & columns[:, None, :])[..., None]


def _split(seed: Tensor, number: int) -> list[Tensor]:
    """Seeds from a seed; on the processor also for a GPU, which would be asked for each of them."""
    with tf.device("CPU:0"):
        return list(tf.unstack(tf.random.split(seed, number), num=number))


def _uniform(seed: Tensor, n: Tensor, size: float) -> Tensor:
    """Shape (n,), each in [-size, size]."""
    return tf.random.stateless_uniform([n], seed, -size, size) if size else tf.zeros([n])


def _sign(seed: Tensor, n: Tensor, is_random: bool) -> Tensor:
    """Shape (n,), each 1 or, half of the time where `is_random`, -1."""
    if not is_random:
        return tf.ones([n])
    return tf.where(tf.random.stateless_uniform([n], seed) < 0.5, -1.0, 1.0)


def _per_image(values: Tensor) -> Tensor:
    """Shape (n,) -> (n, 1, 1, 1)."""
    return values[:, None, None, None]
