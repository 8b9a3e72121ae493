import os

import numpy as np
import pytest
from PIL import Image

from core.contract.cancel import Cancelled, CancelToken
from core.contract.errors import UserError
from srgan_desktop.compare.decoding import Finished, PictureDecoded, PictureRefused, Promised, decode, decode_patch
from tests.desktop.test_pixels import adobe_rgb


def decoded_from(sources, known=()):
    return list(decode(sources, known, CancelToken()))


def test_sizes_come_first_then_pictures_in_order(save, noise):
    small, large = noise(20, 30, 3), noise(80, 120, 3)
    promised, first, second, finished = decoded_from([save("a.png", small), save("b.png", large)])
    assert promised == Promised((120, 80))
    assert (first.index, second.index) == (0, 1)
    np.testing.assert_array_equal(first.decoded.pyramid.levels[0], small)
    np.testing.assert_array_equal(second.decoded.pyramid.levels[0], large)
    assert finished == Finished()


def test_large_pictures_come_rough_and_then_exact(noise):
    large, other = noise(2_100, 2_200), noise(40, 50)
    kinds = [(each.index, each.decoded.pyramid.exact) for each in decoded_from([large, other])[1:-1]]
    assert kinds == [(0, False), (1, True), (0, True)]


def test_one_that_cannot_be_read_does_not_hold_up_the_others(tmp_path, save, noise):
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(save("whole.png", noise(50, 50, 3)).read_bytes()[:700])
    got = decoded_from([tmp_path / "missing.png", damaged, noise(9, 9, 3)])
    refused = [each for each in got if isinstance(each, PictureRefused)]
    assert [each.index for each in refused] == [0, 1]
    assert all(isinstance(each.error, UserError) for each in refused)
    assert [each.index for each in got if isinstance(each, PictureDecoded)] == [2]
    assert got[-1] == Finished()


def test_nothing_is_decoded_for_what_is_not_there_yet(noise):
    got = decoded_from([noise(9, 9, 3), None])
    assert [type(each) for each in got] == [PictureDecoded, Finished]


def test_a_file_that_did_not_change_is_not_decoded_again(save, noise):
    path = save("a.png", noise(20, 30, 3))
    known = decoded_from([path])[0].decoded
    assert decoded_from([path, noise(9, 9)], [known])[1].decoded is known
    save("a.png", noise(21, 31, 3))
    os.utime(path, ns=(1, 1))
    again = decoded_from([path], [known])[0].decoded
    assert again.pyramid.size == (31, 21)


def test_an_array_is_known_again(noise):
    pixels = noise(20, 30, 3)
    known = decoded_from([pixels])[0].decoded
    assert decoded_from([pixels], [known])[0].decoded is known
    assert decoded_from([pixels.copy()], [known])[0].decoded is not known


def test_nothing_is_decoded_once_nobody_wants_it(noise):
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        list(decode([noise(9, 9)], (), token))


def test_a_patch_takes_the_colours_of_its_picture(tmp_path, noise):
    pixels = noise(24, 24, 3)
    path = tmp_path / "wide.png"
    Image.fromarray(pixels).save(path, icc_profile=adobe_rgb())
    decoded = decoded_from([path])[0].decoded
    assert not np.array_equal(decoded.pyramid.levels[0], pixels)
    patch = next(decode_patch(pixels[4:12, 6:16], decoded, CancelToken()))
    np.testing.assert_array_equal(patch.levels[0], decoded.pyramid.levels[0][4:12, 6:16])


def test_a_patch_of_a_grey_picture_with_alpha(tmp_path, noise):
    path = tmp_path / "grey.png"
    Image.merge("LA", [Image.fromarray(noise(24, 24)), Image.fromarray(noise(24, 25)[:, 1:].copy())]).save(path)
    decoded = decoded_from([path])[0].decoded
    assert decoded.grey
    shown = decoded.pyramid.levels[0]
    assert shown.shape == (24, 24, 4)
    patch = next(decode_patch(shown[2:9, 3:7], decoded, CancelToken()))
    np.testing.assert_array_equal(patch.levels[0], shown[2:9, 3:7])
