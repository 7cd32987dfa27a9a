"""Who speaks in each frame, by Light-ASD (Liao et al., CVPR 2023), whose weights come with the
package.

They are the public weights "finetuning_TalkSet", trained on AVA-ActiveSpeaker and then on TalkSet,
in half precision, which moves a score by at most .0043. Their licence (MIT) lies beside them. What
the network is shown is in ``active_speaker``.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING

from avmc_core.errors import InputError
from avmc_core.home import resource

if TYPE_CHECKING:
    from avmc_core.clips.light_asd_network import LightASD

NAME = "Light-ASD, frame by frame"
RESOURCE = "light_asd.safetensors"
# SHA-256 of the resource
DIGEST = "ac5d6646b387b6126b532371fb8ff1d175bf657fac0bcc9512cc0c5b19c44253"


@cache
def load() -> LightASD:
    """The network with the weights of the package. Raises InputError where the installation has
    damaged them."""
    from safetensors.torch import load as read

    from avmc_core.clips.light_asd_network import LightASD

    path = resource(RESOURCE)
    data = path.read_bytes() if path.is_file() else b""
    if (digest := hashlib.sha256(data).hexdigest()) != DIGEST:
        raise InputError(
            path,
            f"{len(data)} bytes with digest {digest[:12]}",
            f"{DIGEST[:12]}: install the package again",
        )
    network = LightASD()
    # all but the counters of batch norm, as the tests check
    network.load_state_dict(read(data), strict=False)
    return network.eval().requires_grad_(False)


def version() -> str:
    """The name and version of what chose the speakers, for a store's manifest."""
    return f"{NAME}, weights finetuning_TalkSet in half precision {DIGEST[:12]}"
