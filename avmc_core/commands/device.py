"""``avmc device``: where runs are computed here, and how a GPU is used."""

from __future__ import annotations

import click


@click.command("device")
def main() -> None:
    """Report where runs are computed here, and why; on a GPU, also what computes the
    recurrences, and whether seeds are trained at once."""
    import torch

    from avmc_core.kernels import dropout, gpu, launched
    from avmc_core.runs.computing import MOST
    from avmc_core.runs.grid import checked_device

    if checked_device(None) == "cpu":
        why = gpu.absent() or "$AVMC_DEVICE keeps them off the GPU"
        click.echo(f"Runs are computed on the processor: {why}.")
        return
    facts = gpu.described()
    click.echo(
        f"Runs are computed on {facts['gpu']}, with PyTorch {torch.__version__} and CUDA "
        f"{torch.version.cuda}; products rounded to TF32: {'yes' if facts['tf32'] else 'no'}."
    )
    sizes = [size for size in (16, 32, 64, 128) if launched.resident(size) is not None]
    if sizes:
        click.echo(
            f"LSTMs of up to {max(sizes)} hidden units are one launch of Triton "
            f"{facts['triton']}; larger ones are computed by cuDNN."
        )
    else:
        click.echo("LSTMs are computed by cuDNN, which takes several launches for every time step.")
    if sizes and dropout.launches():
        click.echo(f"Up to {MOST} seeds of AV-MC are trained at once, as one network.")
    else:
        click.echo("Seeds are trained one after the other.")
