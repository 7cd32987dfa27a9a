"""Makes avmc_core/resources/light_asd.safetensors again: python tools/half_weights.py
finetuning_TalkSet.safetensors.

The file holds the public weights of that name under their public names, in single precision; what
is shipped is half of it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

RESOURCE = Path(__file__).resolve().parents[1] / "avmc_core" / "resources" / "light_asd.safetensors"

if __name__ == "__main__":
    state = load_file(sys.argv[1])
    save_file({name: state[name].to(torch.float16) for name in sorted(state)}, RESOURCE)
