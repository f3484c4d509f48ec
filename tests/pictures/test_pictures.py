import io

import av
import numpy as np
import pytest
from PIL import Image

from genieredux import pictures


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    return {"truth": frames, "dream": frames[::-1]}


def test_pixels_stay_pixels(rows):
    big = pictures.upscale(rows["truth"], 3)
    assert big.shape == (6, 48, 48, 3)
    assert (big[:, ::3, ::3] == rows["truth"]).all()
    strip = np.asarray(pictures.filmstrip(rows, pictures.column_labels(2, 6), scale=3))
    first = big[0]
    found = [
        (y, x)
        for y in range(strip.shape[0] - 47)
        for x in range(strip.shape[1] - 47)
        if (strip[y, x] == first[0, 0]).all() and np.array_equal(strip[y : y + 48, x : x + 48], first)
    ]
    assert len(found) == 2  # once in the truth, once in the reversed dream


def test_labels():
    assert pictures.column_labels(2, 4) == ["given", "given", "+1", "+2"]


def test_loops_play_for_ever_with_every_frame(tmp_path, rows):
    film = pictures.panels(rows, scale=2)
    path = pictures.write_loop(tmp_path / "clip.gif", film, fps=10)
    with Image.open(path) as image:
        assert image.n_frames == 6
        assert image.info["loop"] == 0
        assert image.size == (film.shape[2], film.shape[1])
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_mp4_can_be_read_back(tmp_path, rows):
    film = pictures.panels(rows, scale=3)
    path = pictures.write_loop(tmp_path / "clip.mp4", film, fps=5, hold_s=1)
    with av.open(path) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 6 + 5
    assert frames[0].shape == film[0].shape


def test_unknown_film_is_named(tmp_path, rows):
    with pytest.raises(ValueError, match=r"not clip.avi"):
        pictures.write_loop(tmp_path / "clip.avi", rows["truth"])
    assert not list(tmp_path.iterdir())


def test_heat_rises_in_brightness():
    colours = pictures.heat(np.linspace(0, 2, 8).reshape(1, 1, 8), 16, 2.0)
    assert colours.shape == (1, 16, 16, 3)
    assert (np.diff(colours[0, 0].astype(int).sum(-1))[1::2] > 0).all()


def test_sprite_is_lossless(rows):
    import base64

    uri = pictures.sprite(rows["truth"])
    assert uri.startswith("data:image/webp;base64,")
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))
    assert (image == np.concatenate(list(rows["truth"]), 1)).all()


def test_rows_of_two_sizes_are_refused(rows):
    with pytest.raises(ValueError, match="one size"):
        pictures.panels({**rows, "other": rows["truth"][:, :8]})


def test_rows_of_a_grid_stand_apart_and_end_with_the_ground(rows):
    long, short = rows["truth"], rows["truth"][:2]
    sheet = pictures.grid([long, short], gap=3, ground=(1, 2, 3))
    assert sheet.shape == (2 * 16 + 3, 6 * 16 + 5 * 3, 3)
    assert (sheet[19:, 19:35] == short[1]).all()
    assert (sheet[:, 16:19] == (1, 2, 3)).all()
    assert (sheet[19:, 2 * 19 :] == (1, 2, 3)).all()


def test_large_frames_are_averaged_down_and_small_ones_stay(rows):
    assert pictures.reduced(rows["truth"], 16) is rows["truth"]
    small = pictures.reduced(rows["truth"], 8)
    blocks = rows["truth"].reshape(6, 8, 2, 8, 2, 3).mean((2, 4))
    assert np.abs(small - blocks).max() <= 1


def test_a_lossless_film_is_the_frames_to_the_bit(tmp_path, rows):
    pictures.write_video(tmp_path / "film.mp4", rows["truth"], fps=5, lossless=True)
    with av.open(tmp_path / "film.mp4") as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert (np.stack(frames) == rows["truth"]).all()


@pytest.mark.parametrize("ndim", [3, 4])
def test_a_picture_is_a_png_and_a_film_a_gif_that_loops(tmp_path, rows, ndim):
    pixels = rows["truth"] if ndim == 4 else rows["truth"][0]
    path = pictures.write_picture(tmp_path / "step-1.5", pixels)
    assert path.name == ("step-1.5.gif" if ndim == 4 else "step-1.5.png")
    with Image.open(path) as image:
        assert getattr(image, "n_frames", 1) == (6 if ndim == 4 else 1)
        if ndim == 3:
            assert (np.asarray(image) == pixels).all()
