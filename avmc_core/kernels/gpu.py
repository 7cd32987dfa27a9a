"""The arithmetic of a GPU that runs rely on: float32 throughout, and the same bytes every time.

By PyTorch's default cuDNN rounds the factors of products to TF32, ten bits after the point, which
moved the gradients of recurrent models by up to .6 % where it was measured. Here it is off unless
AVMC_TF32=1 asks for it, which is part of a run's key. Attention is computed with its whole weights
as plain products: the gradient of PyTorch's fused kernels adds in whatever order its parts are
ready.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version

import torch
from torch import Tensor
from torch.backends import cuda, cudnn
from torch.nn.attention import SDPBackend, sdpa_kernel


def absent() -> str:
    """Why PyTorch has no GPU here; "" where it has one."""
    if torch.version.cuda is None:
        return f"PyTorch {torch.__version__} is built without CUDA"
    return "" if torch.cuda.is_available() else f"PyTorch {torch.__version__} finds no GPU"


def on_gpu(x: Tensor) -> bool:
    """Whether a GPU computes with the tensor. What a GPU does otherwise than a CPU asks this, so
    that tests can have it done on a CPU."""
    return x.is_cuda


def tf32() -> bool:
    """Whether products may round their factors to TF32."""
    return os.environ.get("AVMC_TF32") == "1"


def gpu_identity() -> dict[str, str | bool]:
    """The facts that decide the last bits on a GPU, besides PyTorch and our source; part of a run's
    key."""
    return {"tf32": tf32(), "triton": triton_version()}


def triton_version() -> str:
    """Of the installed Triton; "" where there is none."""
    try:
        return version("triton")
    except PackageNotFoundError:
        return ""


def described() -> dict[str, str | bool]:
    """``gpu_identity`` with the name of the card, for a run's record."""
    return {"gpu": torch.cuda.get_device_name(), **gpu_identity()}


@contextmanager
def arithmetic(device: str) -> Iterator[None]:
    """A context in which a GPU computes as this module's docstring promises. On a CPU it changes
    nothing."""
    if torch.device(device).type != "cuda":
        yield
        return
    before = cudnn.allow_tf32, cuda.matmul.allow_tf32
    cudnn.allow_tf32 = cuda.matmul.allow_tf32 = tf32()
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        cudnn.allow_tf32, cuda.matmul.allow_tf32 = before
