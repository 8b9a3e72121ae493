"""What the curves need: forms that are imported by name. Its icons and colour maps stay out, as no menu shows them."""

from PyInstaller.utils.hooks import collect_data_files

hiddenimports = [
    "pyqtgraph.graphicsItems.PlotItem.plotConfigTemplate_generic",
    "pyqtgraph.graphicsItems.ViewBox.axisCtrlTemplate_generic",
    "pyqtgraph.multiprocess.bootstrap",  # named by PyInstaller's own runtime hook
]
datas = collect_data_files("pyqtgraph", includes=["icons/*.svg", "icons/*.png"])
excludedimports = ["PySide6.QtTest", "PySide6.QtOpenGLWidgets", "pyqtgraph.opengl", "pyqtgraph.examples"]
