"""How an export is compared with the study's model."""

import numpy as np
import pytest

from autocnn.core.errors import ExportError
from autocnn.core.records import Precision
from autocnn.inference.export.check import check_parity, compare


def parity_of(difference: float, precision: Precision, *, num_other: int = 0) -> None:
    """Compare 100 predictions with some that differ, and pass judgement."""
    reference = np.tile([0.7, 0.3], (100, 1))
    found = reference + np.array([difference, -difference])
    found[:num_other] = found[:num_other, ::-1]
    parity = compare(reference, found, runtime="x 1", precision=precision)
    check_parity(parity, "litert", precision)


def test_float_may_differ_by_a_ten_thousandth() -> None:
    parity_of(0.00009, "float32")
    with pytest.raises(ExportError, match=r"at most 0\.0001, got 0\.00011") as caught:
        parity_of(0.00011, "float32")
    assert caught.value.exit_code == 6


def test_int8_must_agree_on_98_of_100_images() -> None:
    parity_of(0.1, "int8", num_other=2)
    with pytest.raises(ExportError, match=r"at least 98% .* got 97\.0%"):
        parity_of(0.1, "int8", num_other=3)


def test_numbers_that_are_none_are_no_agreement() -> None:
    reference = np.tile([0.7, 0.3], (4, 1))
    parity = compare(reference, reference * np.nan, runtime="x 1", precision="float32")
    with pytest.raises(ExportError, match="got nan"):
        check_parity(parity, "onnx", "float32")


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ExportError, match=r"shape \(2, 3\), got \(2, 2\)"):
        compare(np.zeros((2, 3)), np.zeros((2, 2)), runtime="x 1", precision="float32")
