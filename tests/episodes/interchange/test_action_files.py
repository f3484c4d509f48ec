"""Action files as people's programs write them."""

from pathlib import Path

import pytest

from genieredux.episodes.interchange.action_files import read_actions
from genieredux.errors import UserError

PLAIN = "frame,action\n0,LEFT\n1,RIGHT\n2,LEFT\n"
AS_WRITTEN = {
    "plain": PLAIN,
    "semicolons": PLAIN.replace(",", ";"),
    "tabs": PLAIN.replace(",", "\t"),
    "capitals": PLAIN.replace("frame,action", "Frame,ACTION"),
    "byte order mark": "\ufeff" + PLAIN,
    "quotes": '"frame","action"\n"0","LEFT"\n"1","RIGHT"\n"2","LEFT"\n',
    "lines of Windows": PLAIN.replace("\n", "\r\n"),
    "lines of old Macs": PLAIN.replace("\n", "\r"),
    "empty lines below": PLAIN + "\n,\n ,\n\n",
    "empty lines above": "\n\n" + PLAIN,
    "Excel's separator": "sep=;\n" + PLAIN.replace(",", ";"),
    "other names": PLAIN.replace("frame,action", "Frame Number,Action Name"),
    "more columns": "time,frame,action\n0.1,0,LEFT\n0.2,1,RIGHT\n0.3,2,LEFT\n",
    "an empty column": PLAIN.replace("\n", ",\n"),
    "decimals": "frame;action\n0,0;LEFT\n1.0;RIGHT\n2E+00;LEFT\n",
    "spaces": PLAIN.replace(",", " , "),
    "no last line end": PLAIN.rstrip(),
    "any order": "frame,action\n2,LEFT\n0,LEFT\n1,RIGHT\n",
}


@pytest.mark.parametrize("kind", AS_WRITTEN)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_table_as_spreadsheets_write_it(tmp_path: Path, kind: str, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(AS_WRITTEN[kind].encode(encoding))
    table = read_actions(path, ["a.mp4"])
    assert [table.names[k] for k in table.actions["a.mp4"]] == ["LEFT", "RIGHT", "LEFT"]


def test_names_of_another_alphabet(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("frame;action\n0;Süd\n1;Öst\n".encode("cp1252"))
    assert read_actions(path, ["a.mp4"]).names == ("Süd", "Öst")


def test_one_table_for_several_videos(tmp_path: Path) -> None:
    path = tmp_path / "all.tsv"
    path.write_text("Video\tFrame\tAction\nb.mp4\t0\t1\na.mp4\t0\t0\nb.mp4\t1\t1,0\n")
    table = read_actions(path, ["a.mp4", "b.mp4"])
    assert table.names == ("ACTION_0", "ACTION_1")
    assert {name: values.tolist() for name, values in table.actions.items()} == {"a.mp4": [0], "b.mp4": [1, 1]}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "frame,action\n0,10000000000\n", "an action is 10000000000; indices of actions must be below"),
        ("a.json", "[10000000000]", "an action is 10000000000; indices"),
        ("a.csv", "frame,action\n10000000000,LEFT\n", "no action at frame 0"),
        ("a.csv", "frame,action\nx,LEFT\n", "line 2: frame is 'x'"),
        ("a.csv", "", "its first line must name the columns"),
        ("a.csv", "\0\0\0", "its first line must name|not readable"),
        ("a.csv", "frame,action\n0," + "x" * 200_000, "not readable|the actions are|ACTION"),
        ("a.json", "[" * 100_000, "not readable"),
        ("a.json", '{"actions": [1.5]}', "an action is 1.5"),
        ("a.txt", "LEFT", "ends in .csv, .tsv or .json"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_actions(path, ["a.mp4"])


def test_an_index_beyond_the_names_is_one_short_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("frame,action\n0,3000\n")
    with pytest.raises(UserError, match=r"frame 0 is 3000; the actions are A0, A1, .*, \.\.\.$") as caught:
        read_actions(path, ["a.mp4"], tuple(f"A{k}" for k in range(2000)))
    assert len(str(caught.value)) < 400
