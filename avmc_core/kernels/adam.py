"""Adam in one call of compiled C for all tensors of a group; elsewhere PyTorch's."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from inspect import unwrap

import torch

from avmc_core.kernels.compiled import kernels, takes


class Adam(torch.optim.Adam):
    """torch.optim.Adam with its state, in the reference's constants: weight decay is the L2 term
    added to the gradient.

    The bytes of an entry's new value depend on that entry alone, wherever in memory it lies.
    """

    def __init__(self, groups: list[dict]):
        super().__init__(groups, betas=(0.9, 0.999), eps=1e-8, fused=True)

    @torch.no_grad()
    def step(self, closure: Callable | None = None) -> None:
        parameters = [
            p for group in self.param_groups for p in group["params"] if p.grad is not None
        ]
        if not (takes(*parameters) and all(map(_contiguous, parameters))):
            super().step(closure)
            return
        for group in self.param_groups:
            self._step([p for p in group["params"] if p.grad is not None], group)

    def _step(self, parameters: list[torch.Tensor], group: dict) -> None:
        states = [self._state(p) for p in parameters]
        # a parameter that had no gradient at times has made fewer steps
        by_step: dict[float, list[int]] = {}
        for number, state in enumerate(states):
            state["step"] += 1
            by_step.setdefault(state["step"].item(), []).append(number)
        beta_1, beta_2 = group["betas"]
        for step, numbers in by_step.items():
            sizes = (ctypes.c_int64 * len(numbers))(*(parameters[n].numel() for n in numbers))
            rate, root = group["lr"] / (1 - beta_1**step), math.sqrt(1 - beta_2**step)
            betas = (beta_1, 1 - beta_1, beta_2, 1 - beta_2)
            constants = (group["weight_decay"], *betas, rate, root, group["eps"])
            settings = _Settings(len(numbers), ctypes.addressof(sizes), *constants)
            own = [parameters[n] for n in numbers]
            tensors = (
                own,
                [p.grad for p in own],
                *([states[n][k] for n in numbers] for k in ("exp_avg", "exp_avg_sq")),
            )
            pointers = (
                (ctypes.c_void_p * len(numbers))(*(t.data_ptr() for t in part)) for part in tensors
            )
            kernels().adam_step(ctypes.byref(settings), *pointers)

    def _state(self, p: torch.Tensor) -> dict[str, torch.Tensor]:
        state = self.state[p]
        if not state:
            state |= {
                "step": torch.zeros(()),
                "exp_avg": torch.zeros_like(p),
                "exp_avg_sq": torch.zeros_like(p),
            }
        return state


# PyTorch's wrap these in what imports its compiler, for a second, at the first call
for name in ("add_param_group", "state_dict", "load_state_dict", "zero_grad"):
    setattr(Adam, name, unwrap(getattr(torch.optim.Adam, name)))

CONSTANTS = ("decay", "keep_mean", "new_mean", "keep_square", "new_square", "step", "root", "eps")


class _Settings(ctypes.Structure):
    """Adam of the C code."""

    _fields_ = (
        ("tensors", ctypes.c_int64),
        ("size", ctypes.c_void_p),
        *((name, ctypes.c_float) for name in CONSTANTS),
    )


def _contiguous(p: torch.Tensor) -> bool:
    return p.is_contiguous() and p.grad.is_contiguous()
