"""`srgan upscale` and `srgan devices` as somebody types them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from rich.progress import Progress
from typer.testing import CliRunner

from core.commands.program import app
from core.commands.upscale import UpscaleLines
from core.contract.settings import OUTPUT, SETTINGS, WATCH
from core.contract.upscale import FileFailed, FileStarted, Planned
from core.images import load
from core.upscale import plan as planning
from core.upscale.engine import open_engine
from core.upscale.plan import plans
from tests.core.networks import save_small_model
from tests.core.upscale.conftest import files_in, picture
from tests.warm_start import start_program


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_small_model(tmp_path_factory.mktemp("model") / "small.safetensors"))


def srgan(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(each) for each in arguments], env={"COLUMNS": "200"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_a_folder_is_upscaled_and_the_results_are_named(tmp_path: Path, model: str) -> None:
    picture(tmp_path / "in" / "a.png")
    code, text = srgan("upscale", tmp_path / "in", "-o", tmp_path / "out", "-m", model, "-s", "2x", "-f", "webp")
    assert code == 0
    assert "1 saved, 0 were done before, 0 failed" in text
    assert "12 x 9 to 24 x 18" in text
    assert load(tmp_path / "out" / "a.webp").width == 24


def test_what_is_larger_than_asked_for_was_not_done_before(tmp_path: Path, model: str) -> None:
    picture(tmp_path / "in" / "a.png")
    picture(tmp_path / "in" / "b.png", 80, 60)
    arguments = ("upscale", tmp_path / "in", "-o", tmp_path / "out", "-m", model, "-s", "40px")
    code, text = srgan(*arguments)
    assert code == 0
    assert "1 saved, 0 were done before, 1 are larger, 0 failed" in text
    code, text = srgan(*arguments)
    assert "0 saved, 1 were done before, 1 are larger, 0 failed" in text


def test_failures_are_listed_with_advice_and_end_in_1(tmp_path: Path, model: str) -> None:
    picture(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "bad [red]one.png").write_bytes(b"")
    code, text = srgan("upscale", tmp_path / "in", "-m", model)
    assert code == 1
    assert "1 saved" in text
    assert "bad [red]one.png" in text
    assert "is empty" in text
    assert "Copy or download it again" in text


def test_json_lines_are_the_events(tmp_path: Path, model: str) -> None:
    picture(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "bad.png").write_bytes(b"")
    code, text = srgan("upscale", tmp_path / "in", "-m", model, "--json")
    events = [json.loads(line) for line in text.splitlines()]
    assert code == 1
    assert [e["event"] for e in events if e["event"] != "Progress"] == [
        "Planned", "FileFailed", "Notice", "FileStarted", "FileSaved", "BatchFinished",
    ]  # fmt: skip
    saved = next(e for e in events if e["event"] == "FileSaved")
    assert saved["output"] == str(tmp_path / "in_4x" / "a.png")


def test_a_preset_is_named_or_refused(tmp_path: Path, model: str) -> None:
    picture(tmp_path / "in" / "a.png")
    code, text = srgan("upscale", tmp_path / "in", "-m", model, "--preset", "web 2X")
    assert code == 0, text
    assert (tmp_path / "in_2x" / "a.webp").is_file()
    code, text = srgan("upscale", tmp_path / "in", "-m", model, "--preset", "nothing")
    assert code != 0
    assert "no preset “nothing”" in text
    assert "Archive TIFF 16 bit" in text


def test_a_dry_run_tells_and_does_nothing(tmp_path: Path, model: str) -> None:
    picture(tmp_path / "in" / "done.png")
    srgan("upscale", tmp_path / "in", "-m", model)
    picture(tmp_path / "in" / "new.png", seed=1)
    (tmp_path / "in" / "bad.png").write_bytes(b"")
    before = files_in(tmp_path)
    code, text = srgan("upscale", tmp_path / "in", "-m", model, "--dry-run")
    assert code == 1
    assert "1 to write, 1 to skip, 1 refused" in text
    assert files_in(tmp_path) == before
    code, text = srgan("upscale", tmp_path / "in", "-m", model, "--dry-run", "--json")
    assert code == 1
    assert {line["plan"] for line in map(json.loads, text.splitlines())} == {"write", "skip", "refuse"}


@pytest.mark.parametrize(("detail", "told"), [("40", "detail x4 at 40 % detail"), ("100", "detail x4 on")])
def test_detail_is_asked_of_the_model_that_has_some(tmp_path: Path, detail: str, told: str) -> None:
    source = picture(tmp_path / "a.png")
    for model in ((), ("-m", "faithful-x4"), ("-m", "detail-x4")):
        code, text = srgan("upscale", source, *model, "--detail", detail, "--existing", "number")
        assert code == 0
        assert told in text


def test_without_a_word_on_detail_the_model_that_was_named_is_used(tmp_path: Path) -> None:
    source = picture(tmp_path / "a.png")
    assert "faithful x4 on" in srgan("upscale", source, "--existing", "number", "-m", "faithful-x4")[1]
    assert "Automatic on" in srgan("upscale", source, "--existing", "number")[1]
    assert "Automatic on" in srgan("upscale", source, "--existing", "number", "-m", "auto")[1]
    assert "detail x4 on" in srgan("upscale", source, "--existing", "number", "-m", "detail-x4")[1]


def test_a_negative_tile_is_refused(tmp_path: Path, model: str) -> None:
    source = picture(tmp_path / "a.png")
    code, text = srgan("upscale", source, "-m", model, "--tile", "-5")
    assert (code, "A tile size of -5 is out of range. Choose 0 to 8,192." in text.replace("\n", " ")) == (1, True), text
    (tmp_path / "settings.toml").write_text("tile = -5\n")
    code, text = srgan("upscale", source, "-m", model, "--settings", tmp_path / "settings.toml")
    assert (code, files_in(tmp_path)) == (1, ["a.png", "settings.toml"])
    assert "A tile size of -5" in text


def test_a_settings_file_is_used_and_the_command_line_goes_before_it(tmp_path: Path, model: str) -> None:
    source = picture(tmp_path / "in" / "a.png")
    srgan("upscale", source, "-o", tmp_path / "one", "-m", model, "-s", "2x", "-f", "webp", "-q", "80")
    settings = tmp_path / "one" / ".srgan" / "settings.toml"
    code, _ = srgan("upscale", source, "-o", tmp_path / "two", "--settings", settings, "-s", "3x")
    assert code == 0
    assert load(tmp_path / "two" / "a.webp").width == 36
    assert "quality = 80" in (tmp_path / "two" / ".srgan" / "settings.toml").read_text()


def test_every_setting_is_an_option(tmp_path: Path) -> None:
    _code, text = srgan("upscale", "--help")
    assert all(declared.option in text for declared in (*SETTINGS.values(), OUTPUT, WATCH))


def test_another_model_than_that_of_the_file_has_a_detail_of_its_own(tmp_path: Path, model: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('model = "detail-x4"\ndetail = 50\n')
    for wanted, left in (("faithful-x4", "faithful x4 on"), (model, "small on")):
        source = picture(tmp_path / f"{Path(wanted).stem}.png")
        code, text = srgan("upscale", source, "--settings", file, "-m", wanted)
        assert (code, left in text) == (0, True), text
    # As it was called in version 0.1.
    _, text = srgan("upscale", picture(tmp_path / "b.png"), "--recipe", file)
    assert "detail x4 at 50 % detail on" in text


def test_refused_pictures_are_not_counted_among_those_at_work() -> None:
    bar = Progress(disable=True)
    lines = UpscaleLines(bar, [])
    for event in (
        Planned(2, 0, 2),
        FileFailed(Path("x"), "No."),
        FileFailed(Path("y"), "No."),
        FileStarted(Path("a"), Path("b"), (1, 1), (4, 4)),
    ):
        lines(event)
    assert bar.tasks[0].description.startswith("1 of 2 ")
    lines(FileFailed(Path("a"), "No."))
    lines(FileStarted(Path("c"), Path("d"), (1, 1), (4, 4)))
    assert bar.tasks[0].description.startswith("2 of 2 ")


def test_of_a_large_batch_is_said_what_is_known_so_far() -> None:
    bar = Progress(disable=True)
    lines = UpscaleLines(bar, [])
    for event in (
        Planned(2, 0, 1, complete=False),
        FileFailed(Path("x"), "No."),
        FileStarted(Path("a"), Path("b"), (1, 1), (4, 4)),
    ):
        lines(event)
    assert bar.tasks[0].description.startswith("1 of 2 so far ")
    lines(FileFailed(Path("a"), "No."))
    for event in (Planned(4, 0, 2), FileFailed(Path("y"), "No."), FileStarted(Path("c"), Path("d"), (1, 1), (4, 4))):
        lines(event)
    assert bar.tasks[0].description.startswith("2 of 4  ")
    # The next batch of a watch.
    lines(Planned(1, 0, 0))
    lines(FileStarted(Path("e"), Path("f"), (1, 1), (4, 4)))
    assert bar.tasks[0].description.startswith("1 of 1 ")


def test_a_large_batch_is_shown_in_portions(tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(7):
        picture(tmp_path / "in" / f"{number}.png")
    (tmp_path / "in" / "3.png").write_text("No picture.")
    whole = srgan("upscale", tmp_path / "in", "-m", model, "--dry-run", "--json")
    monkeypatch.setattr(planning, "plans", lambda request, cancel: plans(request, cancel, 2))
    code, text = srgan("upscale", tmp_path / "in", "-m", model, "--dry-run", "--json")
    assert sorted(text.splitlines()) == sorted(whole[1].splitlines())
    assert code == whole[0] == 1
    code, text = srgan("upscale", tmp_path / "in", "-m", model, "--dry-run")
    assert text.count("What would be done") == 1
    assert "6 to write, 0 to skip, 1 refused." in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-s", "huge"], "“huge” is not an output size"),
        (["--existing", "burn"], "existing cannot be “burn”"),
        (["-m", "nothing"], "There is no model “nothing”"),
        (["--device", "cuda:7"], "There is no device “cuda:7”"),
        (["-q", "0"], "out of range"),
    ],
)
def test_impossible_wishes_are_refused_in_two_lines(
    tmp_path: Path, model: str, arguments: list[str], words: str
) -> None:
    source = picture(tmp_path / "a.png")
    code, text = srgan("upscale", source, "-m", model, *arguments)
    assert code == 1
    assert words in text
    assert "Traceback" not in text
    assert files_in(tmp_path) == ["a.png"]


def test_devices_are_listed(model: str) -> None:
    code, text = srgan("devices")
    assert code == 0
    assert "cpu" in text
    listed = [json.loads(line)["name"] for line in srgan("devices", "--json")[1].splitlines()]
    assert "cpu" in listed
    # torch's come first: the first is what auto takes unless a trial finds another faster.
    assert listed[0] == open_engine(model, "auto").device


def test_ctrl_c_stops_and_the_same_command_does_the_rest(tmp_path: Path, model: str) -> None:
    for index in range(4):
        picture(tmp_path / "in" / f"{index}.png", 48, 48, seed=index)
    # The last one takes seconds, a signal but a moment.
    Image.new("RGB", (1000, 800), "grey").save(tmp_path / "in" / "large.png")
    command = ["upscale", str(tmp_path / "in"), "-m", model, "--json"]
    with start_program("core.cli", command, {**os.environ, "OMP_NUM_THREADS": "1"}) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if '"FileSaved"' in line:
                process.send_signal(signal.SIGINT)
                break
        process.stdout.read()
        assert process.stderr is not None
        errors = process.stderr.read()
    assert process.returncode == 130, errors
    assert "Stopped" in errors
    done = files_in(tmp_path / "in_4x")
    assert 0 < len(done) < 5
    code, text = srgan("upscale", tmp_path / "in", "-m", model)
    assert code == 0
    assert f"{5 - len(done)} saved, {len(done)} were done before" in text


def test_a_watched_folder_is_waited_at_until_ctrl_c(tmp_path: Path, model: str) -> None:
    (tmp_path / "in").mkdir()
    command = ["upscale", str(tmp_path / "in"), "-m", model, "--watch", "--json"]
    with start_program("core.cli", command) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "Watching" in process.stdout.readline()
        picture(tmp_path / "in" / "late.png")
        for line in process.stdout:
            if '"BatchFinished"' in line:
                process.send_signal(signal.SIGINT)
                break
        errors = process.stderr.read()
    assert process.returncode == 130, errors
    assert files_in(tmp_path / "in_4x") == ["late.png"]


def test_the_version_is_told() -> None:
    code, text = srgan("--version")
    assert code == 0
    assert text.startswith("srgan 0.")


def test_finding_that_all_is_done_does_not_wait_for_torch(tmp_path: Path, model: str) -> None:
    picture(tmp_path / "in" / "a.png")
    srgan("upscale", tmp_path / "in", "-m", model)
    code = (
        "import sys; from core.commands.program import app\n"
        "try: app(sys.argv[1:])\n"
        "except SystemExit as end: assert not end.code\n"
        "assert 'torch' not in sys.modules"
    )
    command = [sys.executable, "-c", code, "upscale", str(tmp_path / "in"), "-m", model]
    result = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert result.returncode == 0, result.stderr
    assert "0 saved, 1 were done before" in result.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--workers", "2"], "Add --cluster auto"),
        (["--per-worker", "cpu=1"], "Add --cluster auto"),
        (["--cluster", "auto", "--per-worker", "much"], "gpu=1"),
        (["--cluster", "auto", "--watch"], "cannot watch"),
        (["--cluster", "auto", "--workers", "0"], "greater than or equal to 1"),
    ],
)
def test_what_makes_no_sense_with_a_cluster_is_said(tmp_path: Path, model: str, options: list[str], words: str) -> None:
    code, text = srgan("upscale", picture(tmp_path / "in" / "a.png").parent, "-m", model, *options)
    assert code != 0
    assert words in text
    assert not (tmp_path / "in_4x").exists()


def test_a_dry_run_needs_no_cluster(tmp_path: Path, model: str) -> None:
    picture(tmp_path / "in" / "a.png")
    code, text = srgan("upscale", tmp_path / "in", "-m", model, "--cluster", "nowhere.invalid:1", "--dry-run")
    assert code == 0
    assert "1 to write" in text
