from core.images import READABLE_SUFFIXES, load, probe
from core.paths import RESOURCES

SAMPLES = RESOURCES / "samples"


def test_the_samples_are_readable_small_varied_and_have_a_source():
    sources = (SAMPLES / "SOURCES.md").read_text(encoding="utf-8")
    files = [path for path in SAMPLES.rglob("*") if path.is_file() and path.suffix in READABLE_SUFFIXES]
    assert 8 <= len(files) <= 12
    assert sum(path.stat().st_size for path in files) < 1_000_000
    for path in files:
        assert f"| {path.relative_to(SAMPLES).as_posix()} |" in sources
        picture = load(path)
        assert 120 <= max(picture.width, picture.height) <= 240
        assert picture.notes == ()
    headers = [probe(path) for path in files]
    assert {header.format for header in headers} == {"png", "jpeg", "webp"}
    assert any(header.alpha for header in headers)
    assert any(load(path).pixels.shape[2] == 1 for path in files)
    assert any(path.parent != SAMPLES for path in files)
