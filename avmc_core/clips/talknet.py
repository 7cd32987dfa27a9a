"""Who speaks in each frame, by TalkNet (Tao et al. 2021), from published weights in a file that the
user has.

The published weights were not available where this was written: the network agrees with the public
code on generated weights, but how well it finds speakers in real clips was never verified. What it
is shown, and how, is in ``active_speaker``.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from avmc_core.errors import InputError

if TYPE_CHECKING:
    from avmc_core.clips.talknet_network import TalkNet

NAME = "TalkNet, frame by frame"


@cache
def load(weights: str) -> TalkNet:
    """The network with the weights of a file: a checkpoint of the public code, or its tensors as
    safetensors; no code that a file may hold is run. Tensors that the network does not know are
    passed over, as the public code does.

    Raises InputError for a file that cannot be read and for tensors that are missing, of another
    shape or not finite.
    """
    import torch
    from safetensors.torch import load_file

    from avmc_core.clips.talknet_network import TalkNet

    remedy = "a checkpoint of TalkNet, such as pretrain_TalkSet.model"
    try:
        safe = Path(weights).suffix == ".safetensors"
        state = (
            load_file(weights)
            if safe
            else torch.load(weights, map_location="cpu", weights_only=True)
        )
        state = {name.replace("module.", ""): tensor for name, tensor in state.items()}
        shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    except Exception as error:  # whatever a file makes its reader do
        raise InputError(weights, f"{type(error).__name__}: {str(error)[:200]}", remedy) from None
    network = TalkNet()
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    wrong = [f"no {name}" for name in wanted if name not in shapes]
    wrong += [
        f"{name} of {shapes[name]}, not {shape}"
        for name, shape in wanted.items()
        if shapes.get(name, shape) != shape
    ]
    wrong = wrong or [
        f"{name} not finite" for name in wanted if not torch.isfinite(state[name]).all()
    ]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise InputError(weights, "; ".join(wrong[:3]) + more, remedy)
    network.load_state_dict({name: state[name] for name in wanted})
    return network.eval().requires_grad_(False)


def version(weights: str) -> str:
    """The name and version of what chose the speakers, for a store's manifest."""
    return (
        f"{NAME}, weights {Path(weights).name} "
        f"{hashlib.sha256(Path(weights).read_bytes()).hexdigest()[:12]}"
    )
