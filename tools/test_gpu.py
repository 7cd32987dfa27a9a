"""What a GPU must give, on the machine that has one: python tools/test_gpu.py [--device cpu].

Needs a checkout and PyTorch 2.11 or later with numpy, pandas, scipy, scikit-learn, safetensors,
transformers, click, tqdm and pytest; neither this package installed nor a data set nor a network.
Golden steps, every network against the processor, recurrences against double precision, the same
run twice, stopped and continued. Ends with what computed. Without a GPU nothing is tested, and the
exit status is 0; ``--device cpu`` rehearses the tests on the processor.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("arguments", nargs="*", help="for pytest, after --")
    asked = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    from avmc_core.kernels.gpu import absent

    if asked.device == "cuda" and (why := absent()):
        print(f"skipped: {why}")
        return 0
    start = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", "tests/gpu"]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    surroundings = {**os.environ, "PYTHONPATH": path, "AVMC_TEST_DEVICE": asked.device}
    status = subprocess.run([*command, *asked.arguments], cwd=ROOT, env=surroundings).returncode
    print(f"{what_computed(asked.device)}; {time.monotonic() - start:.0f} s; exit status {status}")
    return status


def what_computed(device: str) -> str:
    import torch

    try:
        triton = version("triton")
    except PackageNotFoundError:
        triton = "none"
    name = torch.cuda.get_device_name() if device == "cuda" else platform.machine()
    return (
        f"{name}, Python {platform.python_version()}, PyTorch {torch.__version__}, "
        f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}, Triton {triton}"
    )


if __name__ == "__main__":
    sys.exit(main())
