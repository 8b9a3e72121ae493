"""The queue of the last time: what waited when the window was closed, to be offered again."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from core import paths
from core.archives import exists
from core.atomic import replacing

log = logging.getLogger(__name__)

VERSION = 1


def load_queue() -> list[Path]:
    """The pictures that waited and are still there; none where nothing was kept, or nobody can read it."""
    try:
        kept = json.loads(paths.user_queue().read_text(encoding="utf-8"))
        if kept["version"] != VERSION:
            return []
        # File names need not be text.
        pictures = [Path(os.fsdecode(bytes.fromhex(each))) for each in kept["pictures"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("the queue of the last time: %s", error)
        return []
    return [picture for picture in pictures if exists(picture)]


def save_queue(pictures: Sequence[Path]) -> None:
    """Keep these; with none there is nothing to offer."""
    path = paths.user_queue()
    try:
        if not pictures:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = {"version": VERSION, "pictures": [os.fsencode(picture).hex() for picture in pictures]}
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(kept), encoding="utf-8")
    except OSError as error:
        # Nobody is held up for what is only a convenience.
        log.warning("the queue could not be kept: %s", error)
