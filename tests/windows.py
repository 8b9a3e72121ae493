"""Tests that cannot hold on Windows or under Wine, and why: reasons of the system or the test, never of the program.

`tests/conftest.py` skips them there.
"""

from __future__ import annotations

import ctypes
import sys
from fnmatch import fnmatch

_BATCH = "tests/core/upscale/test_batch.py::"
_LINK = "makes a link"
_CASES = "needs a file system where upper and lower case are two names"
_SIGNALS = "a test can send no signal to another program there"
WINDOWS: dict[str, str] = {
    _BATCH + "test_names_of_every_kind[[]new*line.png]": "Windows' file names have no line breaks",
    _BATCH + "test_names_of_every_kind[[]*udce9.png]": "Windows' file names are Unicode",
    "tests/core/upscale/test_journal.py::test_names_that_are_no_text_are_kept": "Windows' file names are Unicode",
    _BATCH + "test_a_full_disk_is_one_failure_and_the_end*": "the full disk is Linux's /dev/full",
    _BATCH
    + "test_a_folder_that_is_unplugged_ends_the_run[[]output]": "no folder with an open file in it can be removed",
    _BATCH
    + "test_a_path_that_no_file_system_takes_is_one_failure": "Windows says of too long a name that it is not there",
    _BATCH + "test_bad_files_end_in_words_and_the_rest_goes_on": "makes a link that leads nowhere",
    "tests/core/upscale/test_scan.py::test_each_picture_comes_once_and_links_that_loop_end": "makes links",
    "tests/core/images/test_hostile.py::test_a_full_disk_says_so_and_leaves_the_old_file*": (
        "the full disk is Linux's /dev/full"
    ),
    "tests/core/test_names.py::test_a_link_to_nothing_is_taken": "makes a link that leads nowhere",
    "tests/core/test_windows.py::test_one_picture_named_twice_in_other_case_is_one_there": _CASES,
    "tests/core/test_archives.py::test_a_colon_in_a_name_makes_no_drive[[]linux]": "a colon is a disk's there",
    "tests/core/evaluate/test_blind.py::test_a_name_cannot_break_out_of_the_page": "a file's name has no < and > there",
    "tests/core/models/test_graph_files.py::test_a_link_out_of_the_folder_is_not_followed": _LINK,
    "tests/desktop/upscale/test_scanning.py::test_links_that_loop_end": "makes links",
    # Windows has no signals: what a console says comes as an event, and only to a program that shares the console.
    "tests/core/commands/test_training.py::test_ctrl_c_saves_and_says_so": _SIGNALS,
    "tests/core/commands/test_upscale.py::test_ctrl_c_stops_and_the_same_command_does_the_rest": _SIGNALS,
    "tests/core/commands/test_upscale.py::test_a_watched_folder_is_waited_at_until_ctrl_c": _SIGNALS,
    "tests/core/test_worker.py::test_ctrl_c_in_the_terminal_is_for_the_window": _SIGNALS,
    "tests/desktop/test_main_window.py::test_a_logout_closes_the_window_in_order*": _SIGNALS,
    "tests/core/test_worker.py::test_a_logout_lets_a_training_run_save_its_state*": _SIGNALS,
    "tests/core/upscale/test_folder_listing.py::test_folders_are_told_apart_and_hidden_files_are_left_out": _LINK,
    "tests/core/upscale/test_plan_stream.py::test_archives_and_folders_of_one_name_stay_in_one_portion": _CASES,
    "tests/core/upscale/test_plan.py::test_names_that_would_be_one_are_parted_before_anything_starts": _CASES,
}
"""By the test's name, as pytest says it (`*` stands for anything)."""

WINE: dict[str, str] = {}
"""Those that Windows itself would pass."""


def under_wine() -> bool:
    """Whether what says that it is Windows is Wine."""
    return sys.platform == "win32" and hasattr(ctypes.windll.ntdll, "wine_get_version")


def reason(test: str) -> str | None:
    """Why a test does not hold here; None where it does."""
    if sys.platform != "win32":
        return None
    reasons = WINDOWS | (WINE if under_wine() else {})
    return next((why for name, why in reasons.items() if fnmatch(test, name)), None)
