"""Films come in as a player shows them, and nothing but the film is read."""

import os
import socket
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image

from genieredux.episodes import Dataset
from genieredux.episodes.interchange import VideoConfig, import_videos
from genieredux.episodes.interchange.decode import (
    MediaError,
    count_frames,
    estimate_frames,
    read_timed_video,
    read_video,
)

HEIGHT, WIDTH = 32, 64


def scene(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A picture whose four quarters differ: red, green above blue, white."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2, 0] = 255
    picture[: height // 2, width // 2 :, 1] = 255
    picture[height // 2 :, : width // 2, 2] = 255
    picture[height // 2 :, width // 2 :] = 255
    return picture


def film(path: Path, codec: str = "libx264rgb", layout: str = "rgb24", count: int = 5, **stream: object) -> Path:
    picture = scene()
    with av.open(str(path), "w") as container:
        out = container.add_stream(codec, rate=10)
        out.width, out.height, out.pix_fmt = WIDTH, HEIGHT, layout
        if codec.startswith("libx264"):
            out.options = {"crf": "0"}
        for name, value in stream.items():
            setattr(out, name, value)
        for k in range(count):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = k
            container.mux(out.encode(frame))
        container.mux(out.encode())
    return path


def with_matrix(path: Path, a: int, b: int, c: int, d: int) -> Path:
    """The MP4 with another display matrix (its track header's)."""
    data = bytearray(path.read_bytes())
    at = data.find(b"tkhd") + 44
    one = 1 << 16
    data[at : at + 36] = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((1, 0, 0, 1), scene()),
        ((0, 1, -1, 0), np.rot90(scene(), -1)),  # a phone held upright: turn it clockwise
        ((-1, 0, 0, -1), np.rot90(scene(), 2)),
        ((0, -1, 1, 0), np.rot90(scene(), 1)),
        ((-1, 0, 0, 1), scene()[:, ::-1]),
        ((1, 0, 0, -1), scene()[::-1]),
        ((0, 1, 1, 0), scene().transpose(1, 0, 2)),
        ((0, -1, -1, 0), np.rot90(scene(), 2).transpose(1, 0, 2)),
    ],
)
def test_a_film_is_turned_and_mirrored_as_it_says(tmp_path: Path, matrix: tuple, shown: np.ndarray) -> None:
    path = with_matrix(film(tmp_path / "a.mp4"), *matrix)
    frames = list(read_video(path))
    assert len(frames) == 5
    assert np.array_equal(frames[0], shown)


def test_a_rotated_film_arrives_upright_in_the_data_set(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    with_matrix(film(tmp_path / "films/a.mp4"), 0, 1, -1, 0)
    made = import_videos(VideoConfig(str(tmp_path / "films"), "phone", str(tmp_path / "out"), 64))
    frame = Dataset.open(made.path).episode(0).frames[0]
    inner = frame[:, 16:48]  # upright: 64 high and 32 wide, between two bars
    assert not frame[:, :15].any()
    assert inner[8, 4].tolist() == [0, 0, 255]
    assert inner[8, 28].tolist() == [255, 0, 0]


@pytest.mark.parametrize(("aspect", "shape"), [((2, 1), (32, 128)), ((1, 2), (64, 64)), ((500, 1), (32, 64))])
def test_pixels_that_are_not_square_are_made_so(tmp_path: Path, aspect: tuple[int, int], shape: tuple) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        out = container.add_stream("libx264rgb", rate=10)
        out.width, out.height, out.pix_fmt = WIDTH, HEIGHT, "rgb24"
        out.codec_context.sample_aspect_ratio = Fraction(*aspect)
        container.mux(out.encode(av.VideoFrame.from_ndarray(scene(), format="rgb24")))
        container.mux(out.encode())
    assert next(read_video(path)).shape[:2] == shape


@pytest.mark.parametrize("matrix", [Colorspace.ITU601, Colorspace.ITU709])
@pytest.mark.parametrize("span", [ColorRange.MPEG, ColorRange.JPEG])
def test_colours_are_those_that_were_filmed(tmp_path: Path, matrix: Colorspace, span: ColorRange) -> None:
    picture = np.full((HEIGHT, WIDTH, 3), (200, 60, 30), np.uint8)
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        out = container.add_stream("libx264", rate=10)
        out.width, out.height, out.pix_fmt, out.options = WIDTH, HEIGHT, "yuv420p", {"crf": "1"}
        out.codec_context.color_range, out.codec_context.colorspace = int(span), int(matrix)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        container.mux(out.encode(frame.reformat(format="yuv420p", dst_colorspace=matrix, dst_color_range=span)))
        container.mux(out.encode())
    assert np.abs(next(read_video(path)).astype(int) - picture).max() <= 3


@pytest.mark.parametrize(("height", "matrix"), [(480, Colorspace.ITU601), (720, Colorspace.ITU709)])
def test_a_film_that_names_no_matrix_has_that_of_its_size(tmp_path: Path, height: int, matrix: Colorspace) -> None:
    picture = np.full((height, 640, 3), (200, 60, 30), np.uint8)
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        out = container.add_stream("libx264", rate=10)
        out.width, out.height, out.pix_fmt, out.options = 640, height, "yuv420p", {"crf": "1"}
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p", dst_colorspace=matrix)
        frame.colorspace = 2
        container.mux(out.encode(frame))
        container.mux(out.encode())
    assert np.abs(next(read_video(path)).astype(int) - picture).max() <= 3


@pytest.mark.parametrize("ending", ["gif", "png", "webp"])
def test_moving_pictures_are_films_and_what_is_transparent_is_black(tmp_path: Path, ending: str) -> None:
    clear = np.dstack([scene(), np.full((HEIGHT, WIDTH), 255, np.uint8)])
    clear[:8, :, 3] = 0
    pictures = [Image.fromarray(np.roll(clear, k, axis=1)) for k in range(4)]
    options = {"lossless": True} if ending == "webp" else {}
    path = tmp_path / f"a.{ending}"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=[100, 300, 100, 100], **options)
    assert estimate_frames(path) == count_frames(path) == 4
    frames = list(read_timed_video(path))
    assert [round(frame.time, 3) for frame in frames] == [0, 0.1, 0.4, 0.5]
    assert not frames[0].pixels()[:8].any()
    assert frames[0].pixels()[10, 0].tolist() == [255, 0, 0]


def test_a_transparent_film_is_shown_over_black(tmp_path: Path) -> None:
    path = tmp_path / "a.mov"
    clear = np.dstack([scene(), np.full((HEIGHT, WIDTH), 255, np.uint8)])
    clear[:, :10, 3] = 0
    with av.open(str(path), "w") as container:
        out = container.add_stream("qtrle", rate=10)
        out.width, out.height, out.pix_fmt = WIDTH, HEIGHT, "argb"
        container.mux(out.encode(av.VideoFrame.from_ndarray(clear, format="rgba").reformat(format="argb")))
        container.mux(out.encode())
    shown = next(read_video(path))
    assert not shown[:, :10].any()
    assert np.array_equal(shown[:, 10:], scene()[:, 10:])


def test_ten_bits_and_interlaced_films_come_in(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mkv", "libx264", "yuv420p10le")
    assert np.abs(next(read_video(path)).astype(int)[4, 4] - [255, 0, 0]).max() < 8
    path = film(tmp_path / "b.mkv", "libx264", "yuv420p", options={"crf": "0", "x264opts": "tff=1"})
    assert len(list(read_video(path))) == 5


def test_times_that_vary_and_begin_late_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        out = container.add_stream("libx264rgb", rate=1000)
        out.width, out.height, out.pix_fmt = WIDTH, HEIGHT, "rgb24"
        for time in (2000, 2100, 2500, 2600):
            frame = av.VideoFrame.from_ndarray(scene(), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(out.encode(frame))
        container.mux(out.encode())
    assert [round(frame.time, 3) for frame in read_timed_video(path)] == [0, 0.1, 0.5, 0.6]


def add_sound(container: av.container.OutputContainer) -> None:
    out = container.add_stream("aac", rate=8000)
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
    frame.sample_rate, frame.pts = 8000, 0
    container.mux(out.encode(frame))
    container.mux(out.encode())


def test_sound_alone_and_still_pictures_are_no_films(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "song.mp4"), "w") as container:
        add_sound(container)
    Image.fromarray(scene()).save(tmp_path / "cover.png")
    for name in ("song.mp4", "cover.png"):
        with pytest.raises(MediaError, match="no film"):
            estimate_frames(tmp_path / name)


def test_a_cover_is_no_film_and_the_film_beside_it_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 16, 16, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        out = container.add_stream("libx264rgb", rate=10)
        out.width, out.height, out.pix_fmt = WIDTH, HEIGHT, "rgb24"
        container.mux(cover.encode(av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")))
        container.mux(cover.encode())
        for k in range(3):
            frame = av.VideoFrame.from_ndarray(scene(), format="rgb24")
            frame.pts = k
            container.mux(out.encode(frame))
        container.mux(out.encode())
    assert [frame.shape for frame in read_video(path)] == [(HEIGHT, WIDTH, 3)] * 3


@pytest.mark.parametrize(
    "name", ["12:30.mp4", "a%03d.mp4", "concat:b.mp4", "-i.mp4", "a[1]*.mp4", "fd:.mp4", "été.mp4"]
)
def test_a_name_is_neither_an_address_nor_a_pattern(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / "http:").mkdir()
    film(tmp_path / "x.mp4").rename(tmp_path / "http:" / name)
    monkeypatch.chdir(tmp_path)
    assert count_frames(Path("http:") / name) == 5
    made = import_videos(VideoConfig(".", "game", str(tmp_path / "out"), 16))
    assert made.episodes == 1


def test_pictures_that_no_square_can_hold_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = film(tmp_path / "x.mp4")
    monkeypatch.setattr("genieredux.episodes.interchange.decode.LONGEST_SIDE", 8)
    with pytest.raises(MediaError, match=r"its pictures are \d+x\d+; their sides must be 8 at the most"):
        count_frames(path)


def test_a_name_that_is_not_utf8_is_imported(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    film(tmp_path / "x.mp4").rename(tmp_path / "films" / os.fsdecode(b"caf\xe9.mp4"))
    (tmp_path / "films" / "broken\udce9.mp4").write_bytes(b"no film")
    made = import_videos(VideoConfig(str(tmp_path / "films"), "game", str(tmp_path / "out"), 16))
    assert made.episodes == 1
    assert Dataset.open(made.path, verify=True).index["tags"].to_pylist() == [["caf\ufffd.mp4"]]
    assert str(made.left_out[0]).isprintable()


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{target}'\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\n"
    "a=rtpmap:96 H264/90000\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
    '<Representation id="1" mimeType="video/mp4"><BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period>'
    "</MPD>",
    "smil": "<smil><body><video src='{target}'/></body></smil>",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("ending", [".mp4", ".m3u8", ".sdp", ".mpd", ".ffconcat"])
def test_a_playlist_reaches_nothing(tmp_path: Path, kind: str, ending: str) -> None:
    outside = film(tmp_path / "outside.mp4")
    films = tmp_path / "films"
    films.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        port = server.getsockname()[1]
        for k, target in enumerate(
            (str(outside), "../outside.mp4", f"http://127.0.0.1:{port}/x.ts", f"file:{outside}")
        ):
            (films / f"list{k}{ending}").write_text(PLAYLISTS[kind].format(target=target, port=port))
        for path in films.iterdir():
            with pytest.raises(MediaError):
                estimate_frames(path)
            with pytest.raises(MediaError):
                count_frames(path)
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize("keep", [0, 1, 0.3, 0.6, 0.9])
def test_a_cut_film_is_one_line_or_as_far_as_it_goes(tmp_path: Path, keep: float) -> None:
    path = film(tmp_path / "a.mp4", count=30)
    data = path.read_bytes()
    path.write_bytes(data[: int(keep if keep == 1 else keep * len(data))])
    frames: list[np.ndarray] = []
    with pytest.raises(MediaError, match=r"a\.mp4"):
        frames.extend(read_video(path))
    assert len(frames) < 30


def test_linked_folders_are_followed_once_and_strays_are_passed_over(tmp_path: Path) -> None:
    films, elsewhere = tmp_path / "films", tmp_path / "elsewhere"
    for folder in (films / "deep", elsewhere):
        folder.mkdir(parents=True)
    film(films / "deep" / "a.mp4")
    film(elsewhere / "b.mp4")
    (films / "link").symlink_to(elsewhere)
    (films / "again").symlink_to(elsewhere)
    (films / "circle").symlink_to(films)
    (films / "gone").symlink_to(tmp_path / "nowhere")
    for stray in (".DS_Store", "Thumbs.db", "desktop.ini", "._a.mp4", "a.mp4~", "b.mp4.part"):
        (films / stray).write_bytes(b"\0\0")
    for folder in (".git", "__MACOSX", "lost+found", ".ipynb_checkpoints"):
        (films / folder).mkdir()
        (films / folder / "x.mp4").write_bytes(b"half")
    (films / "empty.mp4").write_bytes(b"")
    os.mkfifo(films / "pipe.mp4")
    (films / "endless.mp4").symlink_to("/dev/zero")
    made = import_videos(VideoConfig(str(films), "game", str(tmp_path / "out"), 16))
    assert made.episodes == 2
    assert {what.where for what in made.left_out} == {"empty.mp4", "gone"}
