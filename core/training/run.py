"""The folder of a run: recipe, bundles, looks, log and models."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.atomic import replacing
from core.contract.errors import UserError
from core.training.checkpoint import save_bundle
from core.training.recipe import Recipe, parse_recipe, recipe_toml

if TYPE_CHECKING:
    from core.training.step import Training
    from core.training.validation import HeldOut


class RunFolder:
    """Where everything of one run lies."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bundles = path / "bundles"
        self.looks = path / "looks"
        self.log_file = path / "log.jsonl"

    def create(self, recipe: Recipe) -> None:
        """Make the folder.

        Raises:
            UserError: it holds a run already.
        """
        if (self.path / "recipe.toml").exists():
            raise UserError(f"{self.path} holds a run already.", "Resume it, or choose another folder.")
        for folder in (self.path, self.bundles, self.looks):
            folder.mkdir(parents=True, exist_ok=True)
        with replacing(self.path / "recipe.toml") as temporary:
            temporary.write_text(recipe_toml(recipe), encoding="utf-8")

    def recipe(self) -> Recipe:
        """The run's own recipe."""
        path = self.path / "recipe.toml"
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise UserError(f"{self.path} holds no run to go on with.", "Check the folder, or start anew.") from error
        return parse_recipe(text, str(path))

    def save(self, training: Training, held_out: HeldOut) -> Path:
        """Save a bundle of this moment."""
        state = {**training.state(), "best": held_out.best}
        return save_bundle(self.bundles, training.step, training.parts(), state, training.recipe.keep_bundles)

    def log(self, event: Any) -> None:
        """Append an event to the log, one JSON object a line."""
        with self.log_file.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"event": type(event).__name__, **asdict(event)}, default=str) + "\n")

    def forget_after(self, step: int) -> None:
        """Drop what the log says of steps that will be done again."""
        if not self.log_file.exists():
            return
        kept = []
        for line in self.log_file.read_text(encoding="utf-8").splitlines():
            try:
                if json.loads(line).get("step", 0) <= step:
                    kept.append(line)
            except ValueError:
                continue  # the half line of a killed run
        with replacing(self.log_file) as temporary:
            temporary.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
