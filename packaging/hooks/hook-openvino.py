"""What computes in OpenVINO is opened by name, and never all of it is needed: no front end, as networks are built layer
by layer; no graphics (ncnn computes there by Vulkan) and no neural processor, as both are larger than that is worth."""

from pathlib import Path

from PyInstaller.utils.hooks import get_package_paths

LIBRARIES = Path(get_package_paths("openvino")[1]) / "libs"
NAMES = (
    "*openvino_intel_cpu_plugin.*",
    "*openvino_arm_cpu_plugin.*",
    # Which cores are fast ones, and memory that threads do not wait for; opened by TBB.
    *("libtbbbind*", "tbbbind*.dll", "libtbbmalloc.*", "tbbmalloc.dll", "libhwloc*", "hwloc*.dll"),
)
binaries = [(str(path), "openvino/libs") for name in NAMES for path in sorted(LIBRARIES.glob(name))]
excludedimports = ["openvino.tools", "openvino.torch", "openvino_telemetry"]
