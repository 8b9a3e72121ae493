"""Models that can be had elsewhere: what each is good at, whose it is, where it lies. Plain, for the window.

One entry here is all that a new one needs. Only models whose licence lets anybody use them are listed, and only files
whose SHA-256 is known: what a server sends is taken for nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.models.card import ModelCard


@dataclass(frozen=True, slots=True)
class KnownModel:
    """One file that can be downloaded."""

    url: str
    sha256: str
    megabytes: float
    """About how large the file is, for people; what is checked is the hash."""
    good_at: str
    card: ModelCard

    @property
    def file_name(self) -> str:
        """What it is called in the user's folder."""
        return self.url.rsplit("/", 1)[1]

    @property
    def key(self) -> str:
        """What a request calls it once it is here, and before."""
        return self.file_name.rsplit(".", 1)[0]


def _real_esrgan(
    release: str, file: str, sha256: str, megabytes: float, good_at: str, *, scale: int, architecture: str, size: str
) -> KnownModel:
    card = ModelCard(
        name=file.removesuffix(".pth"),
        author="Xintao Wang et al.",
        license="BSD-3-Clause",
        scale=scale,
        architecture=architecture,
        size=size,
        tags=("gan", "blind"),
        description=good_at,
        dataset="DIV2K, Flickr2K, OutdoorSceneTraining" if "anime" not in file else "",
    )
    url = f"https://github.com/xinntao/Real-ESRGAN/releases/download/{release}/{file}"
    return KnownModel(url, sha256, megabytes, good_at, card)


KNOWN: tuple[KnownModel, ...] = (
    _real_esrgan(
        "v0.1.0",
        "RealESRGAN_x4plus.pth",
        "4fa0d38905f75ac06eb49a7951b426670021be3018265fd191d2125df9d682f1",
        67.0,
        "Photographs with noise, blur and JPEG damage; slow, and tends to look painted.",
        scale=4,
        architecture="ESRGAN",
        size="64nf 23nb",
    ),
    _real_esrgan(
        "v0.2.5.0",
        "realesr-general-x4v3.pth",
        "8dc7edb9ac80ccdc30c3a5dca6616509367f05fbc184ad95b731f05bece96292",
        4.9,
        "Any picture with some damage, many times faster than x4plus; takes noise away.",
        scale=4,
        architecture="RealESRGAN Compact",
        size="64nf 32nc",
    ),
    _real_esrgan(
        "v0.2.5.0",
        "realesr-general-wdn-x4v3.pth",
        "1641f8c4464b9f097c9fdda5589273713f67cf59f3d909e0bd688f0cee269dca",
        4.9,
        "As general-x4v3, but leaves the grain in; blend both for anything between.",
        scale=4,
        architecture="RealESRGAN Compact",
        size="64nf 32nc",
    ),
    _real_esrgan(
        "v0.2.1",
        "RealESRGAN_x2plus.pth",
        "49fafd45f8fd7aa8d31ab2a22d14d91b536c34494a5cfe31eb5d89c2fa266abb",
        67.1,
        "Photographs with noise, blur and JPEG damage, by 2; gentler than x4plus.",
        scale=2,
        architecture="ESRGAN",
        size="64nf 23nb",
    ),
    _real_esrgan(
        "v0.2.2.4",
        "RealESRGAN_x4plus_anime_6B.pth",
        "f872d837d3c90ed2e05227bed711af5671a6fd1c9f7d7e91c911a61f155e99da",
        17.9,
        "Drawings, anime and comics.",
        scale=4,
        architecture="ESRGAN",
        size="64nf 6nb",
    ),
    _real_esrgan(
        "v0.2.5.0",
        "realesr-animevideov3.pth",
        "b8a8376811077954d82ca3fcf476f1ac3da3e8a68a4f4d71363008000a18b75d",
        2.5,
        "Frames of animated films, and drawings in a hurry.",
        scale=4,
        architecture="RealESRGAN Compact",
        size="64nf 16nc",
    ),
)
"""The ones to offer first come first."""


def known_model(key: str) -> KnownModel | None:
    """The entry of this key."""
    return next((model for model in KNOWN if model.key == key), None)


def known_by_hash(sha256: str) -> KnownModel | None:
    """The entry whose file has this SHA-256."""
    return next((model for model in KNOWN if model.sha256 == sha256), None)
