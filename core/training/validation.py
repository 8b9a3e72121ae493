"""Held-out pictures: measured at every look, by the moving average of the weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from core.atomic import replacing
from core.contract.training import Look, LookPicture, StageName
from core.evaluate.metrics import psnr_y, ssim_y
from core.evaluate.resampling import crop_to_multiple, enlarge_bicubic, reduce_bicubic
from core.models.card import ModelCard
from core.models.weights import save_generator
from core.training.dataset import Picture, decode
from core.training.fast_forward import FastForward
from core.training.recipe import Recipe
from core.training.run import RunFolder
from core.training.step import Training


class HeldOut:
    """The pictures of the looks, decoded once, with bicubic's figures."""

    def __init__(self, pictures: Sequence[Picture], recipe: Recipe, folder: RunFolder, best: dict[str, float]) -> None:
        self.recipe = recipe
        self.folder = folder
        self.best = best
        scale = recipe.generator.scale
        chosen = pictures[: recipe.validation.pictures]
        self.names = [p.hr.stem for p in chosen]
        self.hr = [crop_to_multiple(_middle(decode(p.hr), recipe.validation.side), scale) for p in chosen]
        self.lr = [reduce_bicubic(hr, scale) for hr in self.hr]
        bicubic = [enlarge_bicubic(lr, scale) for lr in self.lr]
        self.bicubic_psnr = [psnr_y(hr, b, scale) for hr, b in zip(self.hr, bicubic, strict=True)]
        self.bicubic_psnr_y = float(np.mean(self.bicubic_psnr))
        self.bicubic_ssim_y = float(np.mean([ssim_y(hr, b, scale) for hr, b in zip(self.hr, bicubic, strict=True)]))

    def look(self, stage: StageName, training: Training) -> Look:
        """Measure the moving average, and save its weights."""
        scale = self.recipe.generator.scale
        psnr, ssim = [], []
        for lr, hr in zip(self.lr, self.hr, strict=True):
            sr = training.enlarge(lr)
            psnr.append(psnr_y(hr, sr, scale))
            ssim.append(ssim_y(hr, sr, scale))
        value = float(np.mean(psnr))
        best = value > self.best.get(stage, -np.inf)
        card = ModelCard(name=self.recipe.name, iterations=training.step, metrics={"held-out psnr_y": value})
        path = self.folder.path / "latest.safetensors"
        save_generator(path, training.ema.state_dict(), card)
        if best:
            self.best[stage] = value
            save_generator(self.folder.path / f"best-{stage}.safetensors", training.ema.state_dict(), card)
        return Look(stage, training.step, value, float(np.mean(ssim)), None, (), best, path)


def _middle(picture: np.ndarray, side: int) -> np.ndarray:
    height, width = picture.shape[:2]
    top, left = max(0, height - side) // 2, max(0, width - side) // 2
    return picture[top : top + side, left : left + side]
