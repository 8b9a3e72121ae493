"""SRGAN generators as other programs write them, turned into ours. Recognised by the names of their weights alone.

The networks are the paper's with small liberties, so our own generator computes the same: a PReLU with one slope is one
with as many equal slopes, a convolution without bias is one with zeros.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from core.models.generator import fold_batch_norm

State = dict[str, Tensor]


def to_our_layout(state: Mapping[str, Tensor]) -> State | None:
    """The same generator under our names, or None where these are no weights of a known SRGAN program.

    A checkpoint of a whole training, generator and discriminator side by side, gives its generator.
    """
    for prefix in ("", "generator.", "netG.", "net_g."):
        part = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        for layout in LAYOUTS:
            if part and (ours := layout(part)) is not None:
                return _completed(ours)
    return None


def leftthomas(state: Mapping[str, Tensor]) -> State | None:
    """github.com/leftthomas/SRGAN: `block1` to `block8`; 5 residual blocks, none of BN behind them, tanh at the end.

    BN is in the residual blocks only, which our generator does not have; it is folded into the convolutions.
    """
    blocks = sorted({int(match[1]) for key in state if (match := re.match(r"block(\d+)\.", key))})
    residual = [block for block in blocks if f"block{block}.conv1.weight" in state]
    if not residual or blocks != list(range(1, residual[-1] + 3)) or residual != blocks[1:-2]:
        return None
    trunk_end, enlarging = blocks[-2:]
    last = max((int(match[1]) for key in state if (match := re.match(rf"block{enlarging}\.(\d+)\.", key))), default=-1)
    names = {
        r"block1\.0\.": "head.conv.",
        r"block1\.1\.": "head.act.",
        rf"block{trunk_end}\.(?:0\.)?(?=weight|bias)": "trunk_end.",
        rf"block{trunk_end}\.1\.": "trunk_norm.",
        rf"block{enlarging}\.{last}\.": "tail.",
        rf"block{enlarging}\.(\d+)\.conv\.": r"upsample.\1.conv.",
        rf"block{enlarging}\.(\d+)\.prelu\.": r"upsample.\1.act.",
    }
    for index, block in enumerate(residual):
        for part, ours in (
            ("conv1", "conv1"),
            ("bn1", "norm1"),
            ("prelu", "act"),
            ("conv2", "conv2"),
            ("bn2", "norm2"),
        ):
            names[rf"block{block}\.{part}\."] = f"trunk.{index}.{ours}."
    renamed = _renamed(state, names)
    if renamed is None:
        return None
    renamed["squash.middle"] = torch.tensor(0.5)
    return renamed if "trunk_norm.weight" in renamed else fold_batch_norm(_with_biases(renamed))


def lornatang(state: Mapping[str, Tensor]) -> State | None:
    """github.com/Lornatang/SRGAN-PyTorch, of 2022 (`conv_block1`...) and later (`conv1`...): the paper's network."""
    return _renamed(
        state,
        {
            r"conv(?:_block)?1\.0\.": "head.conv.",
            r"conv(?:_block)?1\.1\.": "head.act.",
            r"trunk\.(\d+)\.rcb\.0\.": r"trunk.\1.conv1.",
            r"trunk\.(\d+)\.rcb\.1\.": r"trunk.\1.norm1.",
            r"trunk\.(\d+)\.rcb\.2\.": r"trunk.\1.act.",
            r"trunk\.(\d+)\.rcb\.3\.": r"trunk.\1.conv2.",
            r"trunk\.(\d+)\.rcb\.4\.": r"trunk.\1.norm2.",
            r"conv(?:_block)?2\.0\.": "trunk_end.",
            r"conv(?:_block)?2\.1\.": "trunk_norm.",
            r"upsampling\.(\d+)\.upsample_block\.0\.": r"upsample.\1.conv.",
            r"upsampling\.(\d+)\.upsample_block\.2\.": r"upsample.\1.act.",
            r"conv(?:_block)?3\.(?=weight|bias)": "tail.",
        },
    )


LAYOUTS: tuple[Callable[[Mapping[str, Tensor]], State | None], ...] = (leftthomas, lornatang)


def _renamed(state: Mapping[str, Tensor], names: Mapping[str, str]) -> State | None:
    """Every key under its new name; None where a key fits no pattern, or two would get one name."""
    result: State = {}
    for key, value in state.items():
        for pattern, replacement in names.items():
            new, count = re.subn(f"^{pattern}", replacement, key)
            if count:
                break
        else:
            return None
        if new in result:
            return None
        result[new] = value
    return result if "head.conv.weight" in result and "tail.weight" in result else None


def _completed(state: State) -> State:
    state = _with_biases(state)
    features = state["head.conv.weight"].shape[0]
    for key, value in state.items():
        if key.endswith(".act.weight") and value.numel() == 1:
            state[key] = value.reshape(1).repeat(features)
    return state


def _with_biases(state: State) -> State:
    state = dict(state)
    for key in list(state):
        if key.endswith(".weight") and state[key].dim() == 4:
            state.setdefault(key.removesuffix("weight") + "bias", torch.zeros(state[key].shape[0]))
    return state
