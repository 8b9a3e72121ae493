"""How often a picture goes through a network on its way to a size. Plain."""

from __future__ import annotations


def pass_sizes(source: tuple[int, int], target: tuple[int, int], scale: int) -> list[tuple[int, int]]:
    """The (width, height) that goes into the network at each pass; the last, times `scale`, is at least the target.

    Empty where the target is no larger than the source on either side: then the network has nothing to do.
    """
    if target[0] <= source[0] and target[1] <= source[1]:
        return []
    sizes = [source]
    while any(side * scale < wanted for side, wanted in zip(sizes[-1], target, strict=True)):
        sizes.append((sizes[-1][0] * scale, sizes[-1][1] * scale))
    for index in range(len(sizes) - 1, 0, -1):
        wanted = (-(-target[0] // scale), -(-target[1] // scale)) if index == len(sizes) - 1 else sizes[index]
        sizes[index] = (max(wanted[0], source[0]), max(wanted[1], source[1]))
    return sizes
