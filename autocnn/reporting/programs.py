"""Programs that predict one image without autocnn, for the page, model cards and the docs.

Each reads an image as the study read its own: upright (EXIF), on white where it is transparent,
and from more than 8 bits as the study's images were; and prints every class with its probability.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autocnn.core.records import ExportFormat, Fit


@dataclass(frozen=True)
class Taken:
    """What a model file takes.

    Attributes:
        channels: 1 or 3.
        size: (width, height) to which the program resizes an image; None: the model does.
        levels: Values of images with more than 8 bits that become 0 and 255; None: the study had
            no such images.
        fit: How the program makes squares, where it is the one that resizes.
    """

    channels: int
    size: tuple[int, int] | None = None
    levels: tuple[float, float] | None = None
    fit: Fit = "stretch"


@dataclass(frozen=True)
class _Runtime:
    """How a format is loaded and asked, as lines of Python."""

    imports: tuple[str, ...]
    load: str
    probabilities: str


_RUNTIMES: Mapping[ExportFormat, _Runtime] = {
    "keras": _Runtime(
        ("import keras",),
        'model = keras.saving.load_model("{path}")',
        "model.predict(pixels, verbose=0)[0]",
    ),
    "savedmodel": _Runtime(
        ("import tensorflow",),
        'model = tensorflow.saved_model.load("{path}")',
        'model.signatures["serving_default"](image=tensorflow.constant(pixels))'
        '["probabilities"].numpy()[0]',
    ),
    "onnx": _Runtime(
        ("import onnxruntime",),
        'model = onnxruntime.InferenceSession("{path}")',
        'model.run(["probabilities"], {"image": pixels})[0][0]',
    ),
    "litert": _Runtime(
        ("from ai_edge_litert.interpreter import Interpreter",),
        'model = Interpreter("{path}")',
        'model.get_signature_runner("serving_default")(image=pixels)["probabilities"][0]',
    ),
}


_CROPS: Mapping[Fit, str] = {
    "stretch": "",
    "pad": ".crop((-x, -y, image.width + x, image.height + y))",
    "crop": ".crop((x, y, x + side, y + side))",
}
"""What makes a square, of the names that `_squaring` gives; Pillow is black beyond an image."""


def write_program(
    format: ExportFormat,  # noqa: A002 - the command's word
    path: str,
    taken: Taken,
    *,
    classes: str,
    before: Sequence[str] = (),
) -> str:
    """A whole program: Python that prints the classes of image.png with their probabilities.

    Args:
        format: Of the model file.
        path: Of the model file, where the program runs.
        taken: What the model takes.
        classes: An expression for the names of the classes; `json` and `Path` are there.
        before: Lines that come first.

    >>> taken = Taken(channels=1, size=(32, 32))
    >>> print(write_program("keras", "model.keras", taken, classes='["cat", "dog"]'))
    import json
    import keras
    import numpy
    from pathlib import Path
    from PIL import Image, ImageOps
    <BLANKLINE>
    classes = ["cat", "dog"]
    model = keras.saving.load_model("model.keras")
    image = ImageOps.exif_transpose(Image.open("image.png"))
    if image.has_transparency_data:  # what is transparent is white
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    image = image.convert("L").resize((32, 32), Image.Resampling.BILINEAR)
    pixels = numpy.asarray(image)[None, :, :, None]
    for name, probability in zip(classes, model.predict(pixels, verbose=0)[0]):
        print(name, probability)
    """
    runtime = _RUNTIMES[format]
    is_grey = taken.channels == 1
    square = _CROPS[taken.fit]
    resize = f"{square}.resize({taken.size}, Image.Resampling.BILINEAR)" if taken.size else ""
    imports = [
        "import json",
        "import numpy",
        "from pathlib import Path",
        "from PIL import Image, ImageOps",
        *runtime.imports,
    ]
    lines = (
        *before,
        *sorted(imports, key=lambda line: (line.startswith("from"), line.lower())),
        "",
        f"classes = {classes}",
        runtime.load.format(path=path),
        'image = ImageOps.exif_transpose(Image.open("image.png"))',
        *_scaling(taken.levels),
        "if image.has_transparency_data:  # what is transparent is white",
        '    white = Image.new("RGBA", image.size, "white")',
        '    image = Image.alpha_composite(white, image.convert("RGBA"))',
        *(_squaring(taken.fit) if taken.size else ()),
        f'image = image.convert("{"L" if is_grey else "RGB"}"){resize}',
        f"pixels = numpy.asarray(image)[None{', :, :, None' if is_grey else ''}]",
        f"for name, probability in zip(classes, {runtime.probabilities}):",
        "    print(name, probability)",
    )
    return "\n".join(lines)


def _squaring(fit: Fit) -> tuple[str, ...]:
    if fit == "stretch":
        return ()
    side, how = ("max", "on black") if fit == "pad" else ("min", "its middle")
    return (
        f"side = {side}(image.size)  # {how}",
        "x, y = abs(image.width - side) // 2, abs(image.height - side) // 2",
    )


def _scaling(levels: tuple[float, float] | None) -> tuple[str, ...]:
    if levels is None:
        return ()
    low, high = levels
    return (
        'if image.mode[0] in "IF":  # more than 8 bits: scaled as the images of the study were',
        f"    values = (numpy.asarray(image, float) - {low:.12g}) * {255 / ((high - low) or 1)!r}",
        '    image = Image.fromarray(values.clip(0, 255).round().astype("uint8"))',
    )
