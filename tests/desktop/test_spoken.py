"""Starting again to speak another language; which one is chosen stands in `test_languages`."""

from srgan_desktop.opening import InstanceServer
from srgan_desktop.spoken import start_again


def test_the_program_starts_again_by_itself(qapp, qtbot):
    """What was started is a whole program: it finds the window that is there, and brings it forward."""
    server = InstanceServer(qapp)
    try:
        with qtbot.waitSignal(server.asked, timeout=90_000) as asked:
            start_again()
    finally:
        server.close()
        qapp.removeEventFilter(server)
        server.deleteLater()
    assert asked.args == [[], ""]
