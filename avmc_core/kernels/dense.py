"""Chains of linear layers and batch norm, for one set of weights or, seeds side by side, for
several at once.

A small model's step is all overhead: a chain is one call of compiled C (``resources/dense.c``)
forward and one backward, with its dropout and its activations. Weights of several seeds have a
leading axis, as what they are applied to. The results of a seed are the same bytes whether it is
computed alone or with others. Without a compiler, or in another precision, PyTorch computes the
same; with several seeds as batched products, whose last bits may then differ from a seed's alone.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, linear, pad

from avmc_core.draws import bits
from avmc_core.kernels import gpu
from avmc_core.kernels.compiled import call, takes
from avmc_core.kernels.dropout import dropout, least


def chain(
    x: Tensor, layers: Sequence[nn.Linear], relu: Sequence[bool], drop: nn.Dropout | None = None
) -> list[Tensor]:
    """The outputs (..., H) of all layers, one applied to the other, each after its ReLU where it
    has one.

    x (..., D) goes through the dropout first."""
    p = drop.p if drop is not None and drop.training else 0.0
    if takes(x, *(layer.weight for layer in layers)):
        parameters = [p for layer in layers for p in (layer.weight, layer.bias)]
        return list(_Chain.apply(x, p, tuple(relu), *parameters))
    outputs, x = [], dropout(x, p, True)
    for layer, active in zip(layers, relu, strict=True):
        x = product(x, layer.weight, layer.bias)
        x = x.relu() if active else x
        outputs.append(x)
    return outputs


def affine(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A linear layer whose weight (H, D) and bias (H,) are no module's: (..., D) to (..., H)."""
    if takes(x, weight):
        return _Chain.apply(x, 0.0, (False,), weight, bias)[0]
    return product(x, weight, bias)


def product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """torch.nn.functional.linear; with weights (S, H, D) for x (S, ..., D)."""
    if weight.dim() == 2:
        return linear(x, weight, bias)
    rows, turned = x.flatten(1, -2), weight.transpose(1, 2)
    y = rows.bmm(turned) if bias is None else torch.baddbmm(bias[:, None], rows, turned)
    return y.view(*x.shape[:-1], -1)


class Linear(nn.Linear):
    """A linear layer with the parameters of torch.nn.Linear."""

    def forward(self, x: Tensor) -> Tensor:
        return chain(x, [self], [False])[0]


class BatchNorm(nn.BatchNorm1d):
    """torch.nn.BatchNorm1d over the last axis but one of x (..., B, D): B clips. What lies before,
    seeds apart, are passes over the batch: each is normalised by its own mean and variance, and the
    running ones are updated with one after the other."""

    def forward(self, x: Tensor) -> Tensor:
        sets = len(self.weight) if self.weight.dim() == 2 else 1
        groups = x.reshape(sets, -1, *x.shape[-2:])
        if self.training:
            if x.shape[-2] < 2:
                raise ValueError(
                    f"batch norm needs more than one clip in training, got {x.shape[-2]}"
                )
            with torch.no_grad():
                self.num_batches_tracked.add_(groups.shape[1])
        if takes(x, self.weight):
            return _Norm.apply(groups.contiguous(), self.weight, self.bias, self).view(x.shape)
        if gpu.on_gpu(x):
            return self._by_column(groups).view(x.shape)
        state = (self.running_mean, self.running_var, self.weight, self.bias)
        own = zip(*(t.view(sets, -1) for t in state), strict=True)
        constants = (self.training, self.momentum, self.eps)
        parts = [
            torch.stack([batch_norm(clips, *values, *constants) for clips in passes])
            for passes, values in zip(groups, own, strict=True)
        ]
        return torch.stack(parts).view(x.shape)

    def _by_column(self, groups: Tensor) -> Tensor:
        """For all sets and passes at once, (S, P, B, D): each column of each pass is a channel of
        PyTorch's batch norm."""
        sets, passes, clips, width = groups.shape

        def spread(value: Tensor) -> Tensor:
            return value.view(sets, 1, width).expand(-1, passes, -1).reshape(-1)

        running = self.running_mean, self.running_var
        # in training not the running statistics: with a momentum of 1 they become the batch's own
        seen = [torch.zeros_like(spread(r)) if self.training else spread(r) for r in running]
        x = groups.permute(2, 0, 1, 3).reshape(clips, -1)
        gain, shift = spread(self.weight), spread(self.bias)
        y = batch_norm(x, *seen, gain, shift, self.training, 1.0, self.eps)
        if self.training:
            shape = *running[0].shape[:-1], passes, width
            with torch.no_grad():
                for latest in zip(*(value.view(shape).unbind(-2) for value in seen), strict=True):
                    torch._foreach_lerp_(running, latest, self.momentum)
        return y.view(clips, sets, passes, width).permute(1, 2, 0, 3).contiguous()


def sigmoid(x: Tensor) -> Tensor:
    """torch.sigmoid with the same arithmetic for all numbers of a tensor: PyTorch's own treats the
    last few differently."""
    return pad(x, (0, -x.shape[-1] % 32)).sigmoid()[..., : x.shape[-1]]


class _Layers(ctypes.Structure):
    """Chain of the C code."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("sets", "rows", "layers", "threads")),
        *((name, ctypes.c_void_p) for name in ("width", "relu", "bits")),
        ("least", ctypes.c_int64),
        ("scale", ctypes.c_float),
    )


class _Chain(torch.autograd.Function):
    """x, the probability of its dropout, which layers have a ReLU, then weight and bias of each
    layer."""

    @staticmethod
    def forward(
        ctx, x: Tensor, p: float, relu: tuple[bool, ...], *parameters: Tensor
    ) -> tuple[Tensor, ...]:
        weights, biases = ([t.contiguous() for t in parameters[i::2]] for i in (0, 1))
        x, sets = x.contiguous(), len(weights[0]) if weights[0].dim() == 3 else 1
        width = [x.shape[-1], *(w.shape[-2] for w in weights)]
        outputs = [x.new_empty(*x.shape[:-1], n) for n in width[1:]]
        drawn = bits(x.shape) if p else None
        kept = torch.empty_like(x) if p else x
        ctx.shape = (sets, x.numel() // x.shape[-1] // sets, width, relu, drawn, p)
        arrays = map(_pointers, (weights, biases, outputs))
        call("chain_forward", _layers(*ctx.shape), x, kept, *arrays)
        ctx.save_for_backward(kept, *weights, *outputs)
        ctx.set_materialize_grads(False)
        return tuple(outputs)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, *d_outputs: Tensor | None) -> tuple[Tensor | None, ...]:
        x, count = ctx.saved_tensors[0], len(d_outputs)
        weights, outputs = ctx.saved_tensors[1 : 1 + count], ctx.saved_tensors[1 + count :]
        nothing = (None,) * (3 + 2 * count)
        if all(d is None for d in d_outputs):
            return nothing
        d_outputs = [None if d is None else d.contiguous() for d in d_outputs]
        last = max(number for number, d in enumerate(d_outputs) if d is not None)
        d_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        d_weights = [torch.empty_like(w) for w in weights[: last + 1]]
        d_biases = [w.new_empty(w.shape[:-1]) for w in weights[: last + 1]]
        given, gradients = (
            map(_pointers, tensors)
            for tensors in ((weights, outputs, d_outputs), (d_weights, d_biases))
        )
        call("chain_backward", _layers(*ctx.shape), x, *given, d_x, *gradients)
        of_parameters = [d for pair in zip(d_weights, d_biases, strict=True) for d in pair]
        return d_x, None, None, *of_parameters, *nothing[3 + len(of_parameters) :]


def _layers(
    sets: int, rows: int, width: list[int], relu: tuple[bool, ...], drawn: Tensor | None, p: float
) -> _Layers:
    sizes, active = (ctypes.c_int64 * len(width))(*width), (ctypes.c_int64 * len(relu))(*relu)
    pointers = (
        ctypes.addressof(sizes),
        ctypes.addressof(active),
        None if drawn is None else drawn.data_ptr(),
    )
    layers = _Layers(
        sets, rows, len(relu), torch.get_num_threads(), *pointers, least(p), 1 / (1 - p)
    )
    layers.kept = sizes, active  # as long as the structure that points there
    return layers


class _Sizes(ctypes.Structure):
    """Norm of the C code."""

    _fields_ = (
        *(
            (name, ctypes.c_int64)
            for name in ("sets", "groups", "rows", "width", "training", "threads")
        ),
        *((name, ctypes.c_float) for name in ("eps", "momentum")),
    )


class _Norm(torch.autograd.Function):
    """x (S, G, B, D), weight and bias, and the module with the running statistics."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor, norm: BatchNorm) -> Tensor:
        y, (mean, scale) = (
            torch.empty_like(x),
            (x.new_empty(*x.shape[:2], x.shape[3]) for _ in range(2)),
        )
        ctx.sizes = _Sizes(
            *x.shape, norm.training, torch.get_num_threads(), norm.eps, norm.momentum
        )
        running = (norm.running_mean, norm.running_var)
        call("norm_forward", ctx.sizes, x, weight, bias, *running, y, mean, scale)
        ctx.save_for_backward(x, weight, mean, scale)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, d_y: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, scale = ctx.saved_tensors
        d_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        d_weight, d_bias, d_y = torch.empty_like(weight), torch.empty_like(weight), d_y.contiguous()
        tensors = (x, weight, mean, scale, d_y, d_x, d_weight, d_bias)
        call("norm_backward", ctx.sizes, *tensors)
        return d_x, d_weight, d_bias, None


def _pointers(tensors: Sequence[Tensor | None]) -> ctypes.Array:
    return (ctypes.c_void_p * len(tensors))(*(None if t is None else t.data_ptr() for t in tensors))
