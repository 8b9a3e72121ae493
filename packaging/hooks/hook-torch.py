"""What PyInstaller cannot see of torch, and no more.

The hook that comes with PyInstaller takes every library that lies around: several hundred megabytes that nothing
loads. Here only the roots are named, and PyInstaller follows what each of them is linked with.
"""

import re
import sys
from pathlib import Path

from PyInstaller.utils.hooks import collect_dynamic_libs, get_package_paths

TORCH = Path(get_package_paths("torch")[1])

# torch reads the source of these while it is imported: settings by their comments, overloads by their bodies.
_READ = re.compile(r"install_config_module\(|\b_overload(_method)?\b|@(torch\.)?jit\.(script|interface)\b")
module_collection_mode = {
    ".".join(path.relative_to(TORCH.parent).with_suffix("").parts).removesuffix(".__init__"): "pyz+py"
    for path in TORCH.rglob("*.py")
    if _READ.search(path.read_text(encoding="utf-8"))
}

# Imported by a list of names with the first optimizer.
polyfills = sorted((TORCH / "_dynamo" / "polyfills").glob("[!_]*.py"))
hiddenimports = [f"torch._dynamo.polyfills.{path.stem}" for path in polyfills]

datas = []
binaries = []
if sys.platform == "linux":
    # Opened by name at run time. torch_shm_manager is looked for by the import itself.
    opened = ["lib/libtorch_global_deps.so", "lib/libtorch_cuda_linalg.so", "lib/libcaffe2_nvrtc.so"]
    binaries += [(str(TORCH / name), "torch/lib") for name in opened if (TORCH / name).is_file()]
    binaries.append((str(TORCH / "bin" / "torch_shm_manager"), "torch/bin"))
    for name in (
        "cudnn/lib/libcudnn_*.so.*",
        "cu*/lib/libnvrtc-builtins.so.*",
    ):
        for path in sorted((TORCH.parent / "nvidia").glob(name)):
            binaries.append((str(path), str(path.parent.relative_to(TORCH.parent))))
    # A link beside the program would have torch look for its libraries there.
    bindepend_symlink_suppression = ["**/torch/lib/*.so*", "**/nvidia/*/lib/*.so*"]
else:
    binaries += collect_dynamic_libs("torch")
    if sys.platform == "darwin":
        binaries.append((str(TORCH / "bin" / "torch_shm_manager"), "torch/bin"))
