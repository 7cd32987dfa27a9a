"""Every golden file of single steps, and the comparison with it."""

from __future__ import annotations

import golden_avmc
import golden_bert
import golden_files as gf
import golden_late
import golden_mult
import golden_recurrent

# file name -> function of the golden file that returns (model, renaming rules, batch, function
# computing the losses)
CASES = {
    **golden_avmc.CASES,
    **golden_late.CASES,
    **golden_recurrent.CASES,
    **golden_mult.CASES,
    **golden_bert.CASES,
}
OTHERS = ("Self_MM_labels", "light_asd")  # files of other kinds


def case_of(file: str) -> str | None:
    """The case that a file's name begins with, so that a model may have several files."""
    named = [name for name in (*CASES, *OTHERS) if file.startswith(name)]
    case = max(named, key=len, default=None)
    return None if case in OTHERS else case


FILES = sorted(path.stem for path in gf.FOLDER.glob("*.safetensors") if case_of(path.stem))


def equals_reference(file: str) -> None:
    """Asserts that outputs, losses and gradients equal those of the golden file."""
    golden = gf.read(file)
    model, rules, batch, compute = CASES[case_of(file)](golden)
    gf.load(model, golden, rules)
    expected = golden.group("loss")
    gf.check(
        model(batch),
        {name: t for name, t in golden.group("output").items() if name not in expected},
    )
    losses = compute()
    expected.pop("L1_M")
    gf.check(losses, expected)
    model.zero_grad()
    losses["total"].backward()
    gf.check_gradients(model, golden, rules)
