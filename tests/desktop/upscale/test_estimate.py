"""What Start would take, before it is pressed."""

import pytest

from core.contract.settings import OutputSize
from core.contract.upscale import PreviewRequest, UpscaleRequest
from core.images import Probe
from core.upscale.plan import BYTES_PER_PIXEL
from srgan_desktop.upscale.estimate import HOURS, Estimate, Pace, estimate, estimate_words

PLAIN = UpscaleRequest(())


def header(width=100, height=50, format="png", sixteen_bit=False):
    return Probe(width, height, format, sixteen_bit, alpha=False, frames=1)


def test_pixels_and_bytes_follow_from_the_headers_and_the_settings():
    settings = UpscaleRequest((), size=OutputSize("factor", 2))
    found = estimate([header(), header(format="jpeg"), header(sixteen_bit=True), None], settings, Pace())
    assert found.pixels == 3 * 200 * 100
    assert found.size == pytest.approx(20_000 * (BYTES_PER_PIXEL["png"] * 3 + BYTES_PER_PIXEL["jpeg"]))
    assert found.unread == 1
    assert found.seconds is None
    smaller = estimate([header()], UpscaleRequest((), size=OutputSize("factor", 2), format="webp"), Pace())
    assert smaller.size == pytest.approx(20_000 * BYTES_PER_PIXEL["webp"])


def test_time_follows_from_what_was_measured():
    pace = Pace()
    pace.learn_preview(PreviewRequest(None, None), 1000, 9.0)
    pace.learn_preview(PreviewRequest(None, None), 1000, 2.0)
    assert estimate([header()] * 2, PLAIN, pace).seconds == pytest.approx(20.0)
    # Whole pictures tell more than previews, and one that took long because of a pause does not count.
    for seconds in (5.0, 5.0, 500.0):
        pace.learn(PLAIN, 5000, seconds)
    assert estimate([header()] * 2, PLAIN, pace).seconds == pytest.approx(10.0)
    assert estimate([header()], UpscaleRequest((), ensemble=True), pace).seconds is None
    # Another share of the same models is as quick.
    assert estimate([header()], UpscaleRequest((), detail=30), pace).seconds == pytest.approx(5.0)
    assert estimate([], PLAIN, pace).seconds is None


def test_what_takes_hours_or_does_not_fit_warns():
    assert not Estimate(1, 1e6, 60.0, free=10**9).warns
    assert Estimate(1, 1e6, HOURS).warns
    assert Estimate(1, 2e9, 60.0, free=10**9).warns
    assert not Estimate(1, 2e9, None).warns


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Estimate(120_000_000, 85e6, 200.0), "about 3 min · 120 megapixels · 85 MB"),
        (Estimate(400_000, 2e6, None, unread=3), "0.4 megapixels · 2 MB · 3 not measured yet"),
        (
            Estimate(40_000_000, 2.4e9, 7900.0, free=10**9),
            "about 2 h 10 min · 40 megapixels · 2.4 GB, and 1.0 GB are free",
        ),
        (Estimate(0, 0.0, None, unread=4), "4 not measured yet"),
    ],
)
def test_words(found, words):
    assert estimate_words(found) == words
