"""Networks made without weights, so that those of a file take their place without a copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from uois_sam.errors import MissingExtraError, UOISError


class _NoWeights(TorchFunctionMode):
    """Make what parameters are made of on the meta device, and nothing else.

    ``torch.device("meta")`` would take tables that a module computes from its sizes as well (rotary frequencies), and
    no file brings those back.
    """

    makers = (torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in self.makers and kwargs.get("device") is None:
            kwargs = {**kwargs, "device": "meta"}
        return func(*args, **kwargs)


@contextmanager
def unloaded(what: str) -> Iterator[None]:
    """Import from transformers, and make its modules, without weights.

    Raises:
        MissingExtraError: transformers is not installed, or too old to know ``what``.
        UOISError: transformers finds a torchvision that was made for another torch, and so cannot be imported.
    """
    try:
        with _NoWeights():
            yield
    except (ImportError, RuntimeError) as error:
        if (reason := _foreign_torchvision(error)) is not None:
            raise UOISError(
                f"{what} needs transformers, which imports torchvision where it is installed: expected one made for "
                f"torch {torch.__version__}, found another ({reason}); install both from one index, or remove it"
            ) from error
        if isinstance(error, ImportError):
            raise MissingExtraError(what, "full", "transformers") from error
        raise


def _foreign_torchvision(error: BaseException | None) -> str | None:
    """Return what torch says, at the root of a failed import, of an operator that torchvision's library would bring."""
    while error is not None:
        if isinstance(error, RuntimeError) and "torchvision::" in str(error):
            return str(error)
        error = error.__cause__ or error.__context__
    return None


def _usual(parent: nn.Module, key: str) -> float:
    """Middle of the values of a vector: scales are near one, but small where many blocks add to each other."""
    if isinstance(parent, nn.BatchNorm2d) and key == "weight":
        return 0.3
    return 1.0 if (isinstance(parent, nn.LayerNorm) and key == "weight") or key == "lambda1" else 0.0


@torch.no_grad()
def randomise(module: nn.Module, seed: int) -> None:
    """Give a module without weights random ones of moderate activations, on the processor. FOR TESTS AND TIMING."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in module.state_dict().items():
        parent = module.get_submodule(name.rpartition(".")[0])
        key = name.rpartition(".")[2]
        if not value.is_floating_point():  # a counter of batches
            continue
        filled = torch.randn(value.shape, generator=generator)
        if key == "running_var":
            filled = filled.abs() + 0.5
        elif value.dim() > 1 and key != "positional_embedding":
            filled *= max(1, value[0].numel()) ** -0.5
        elif value.dim() <= 1:
            filled = filled * 0.1 + _usual(parent, key)
        if key in parent._parameters:
            parent._parameters[key] = nn.Parameter(filled)
        else:
            parent._buffers[key] = filled
