"""The networks equal the public reference: outputs and losses to 1e-5, gradients to 1e-4."""

from __future__ import annotations

import pytest
from golden_cases import CASES, equals_reference


@pytest.mark.parametrize("name", CASES)
def test_equals_reference(name):
    equals_reference(name)
