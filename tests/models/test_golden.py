"""The networks equal the public reference: outputs and losses to 1e-5, gradients to 1e-4."""

from __future__ import annotations

import pytest
from golden_cases import CASES, FILES, case_of, equals_reference
from golden_files import GOLDEN


def test_every_case_has_a_file():
    """In the project's own folder, also when the tests below are run on another folder."""
    own = {case_of(path.stem) for path in GOLDEN.glob("*.safetensors")} - {None}
    assert own == set(CASES) and FILES


@pytest.mark.parametrize("file", FILES)
def test_equals_reference(file):
    equals_reference(file)
