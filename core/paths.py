"""Where things lie: what ships with the program, and what belongs to the user."""

from __future__ import annotations

from pathlib import Path

import platformdirs

APP = "srgan-desktop"

# The repository root, site-packages, or PyInstaller's bundle folder: `resources` stands beside `core` in all three.
RESOURCES = Path(__file__).resolve().parent.parent / "resources"
SHIPPED_MODELS = RESOURCES / "models"


def user_models() -> Path:
    """The per-user folder of imported, downloaded and trained models; not necessarily there yet."""
    return Path(platformdirs.user_data_dir(APP, appauthor=False)) / "models"


def user_runs() -> Path:
    """The per-user folder of training runs; not necessarily there yet."""
    return Path(platformdirs.user_data_dir(APP, appauthor=False)) / "runs"


def user_pasted() -> Path:
    """Where pasted pictures go if the system names no folder of pictures; not necessarily there yet."""
    return Path(platformdirs.user_data_dir(APP, appauthor=False)) / "pasted"


def user_presets() -> Path:
    """The per-user folder of presets; not necessarily there yet."""
    return Path(platformdirs.user_config_dir(APP, appauthor=False)) / "presets"


def user_settings() -> Path:
    """The file of what the window keeps between starts; not necessarily there yet."""
    return Path(platformdirs.user_config_dir(APP, appauthor=False)) / "settings.ini"


def user_queue() -> Path:
    """The file that keeps what waits in the window's queue; not necessarily there yet."""
    return Path(platformdirs.user_data_dir(APP, appauthor=False)) / "queue.json"


def user_cache() -> Path:
    """Scan results and downloaded content weights: whatever can be deleted at any time; not necessarily there yet."""
    return Path(platformdirs.user_cache_dir(APP, appauthor=False))


def downloaded_content(network: str) -> Path:
    """Where torchvision's VGG features (`vgg16`, `vgg19`) lie once a training run has downloaded them."""
    return user_cache() / "content" / f"{network}-imagenet.safetensors"


def user_logs() -> Path:
    """The per-user folder of log files; not necessarily there yet."""
    return Path(platformdirs.user_log_dir(APP, appauthor=False))
