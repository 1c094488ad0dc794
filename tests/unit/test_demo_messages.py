"""Files of messages, as people have them at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from creditgate.pricing.usage import Direction
from creditgate_server.cli.demo_messages import MessageFile, MessagesUnreadable, read_messages, read_sample

OUT, IN = Direction.OUTBOUND, Direction.INBOUND


def read(tmp_path: Path, name: str, content: str | bytes, encoding: str = "utf-8") -> MessageFile:
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return read_messages(file)


def texts(file: MessageFile) -> list[str]:
    return [message.text for message in file.messages]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        pytest.param("plain.txt", "one\ntwo, with a comma\n", ["one", "two, with a comma"], id="a-message-a-line"),
        pytest.param("plain", "one\r\n\r\n  two\rthree", ["one", "  two", "three"], id="any-line-end-and-blank-lines"),
        pytest.param(
            "plain.txt", "one\u2028still one\u0085and still\n", ["one\u2028still one\u0085and still"], id="u2028"
        ),
        pytest.param("a.txt", "body\nhello", ["body", "hello"], id="a-text-without-columns-has-no-header"),
        pytest.param("a.csv", 'id,message\n1,hello\n2,"a, ""b""\nc"\n', ["hello", 'a, "b"\nc'], id="csv-quotes"),
        pytest.param("a.csv", "Message Body;Nr\nhello, you;1\n", ["hello, you"], id="csv-semicolon"),
        pytest.param("a.csv", "message_id,sms_text\nm-1,hello\n", ["hello"], id="csv-two-word-header"),
        pytest.param("a.csv", "content,text\nhtml,hello\n", ["hello"], id="csv-the-likelier-name"),
        pytest.param("a.csv", "message\nhello\n", ["hello"], id="csv-one-column"),
        pytest.param("a.csv", "1,hello there,x\n2,bye,y\n", ["hello there", "bye"], id="csv-longest-column"),
        pytest.param("a.csv", "id,message\n1,hello\n2\n3,bye\n", ["hello", "bye"], id="csv-short-rows"),
        pytest.param("export", "id,text\n1,hello\n", ["hello"], id="csv-by-its-header"),
        pytest.param(
            "a.tsv", 'ham\t"Hi" she said\nspam\t"open\n', ['"Hi" she said', '"open'], id="tsv-without-quoting"
        ),
        pytest.param("SMSCollection", "ham\thello\nspam\twin now\n", ["hello", "win now"], id="tsv-by-its-tabs"),
        pytest.param("a.tab", "text\tlabel\nhello\tham\n", ["hello"], id="tsv-header"),
        pytest.param("bom.csv", "\ufeffmessage\nhello\n", ["hello"], id="byte-order-mark"),
    ],
)
def test_messages_are_found(tmp_path: Path, name: str, content: str, expected: list[str]) -> None:
    assert texts(read(tmp_path, name, content)) == expected


def test_directions_are_read_where_a_column_tells_them(tmp_path: Path) -> None:
    content = "direction\ttext\noutbound\ta\nInbound\tb\nreceived\tc\nwho knows\td\n"
    file = read(tmp_path, "a.tsv", content)

    assert [message.direction for message in file.messages] == [OUT, IN, IN, None]


@pytest.mark.parametrize(
    ("encoding", "notes"),
    [
        ("utf-8", ()),
        ("utf-8-sig", ()),
        ("cp1252", ("it is not UTF-8: read as cp1252",)),
        ("utf-16", ("it is not UTF-8: read as utf-16",)),
    ],
)
def test_what_is_not_utf_8_is_read_all_the_same_and_said_aloud(
    tmp_path: Path, encoding: str, notes: tuple[str, ...]
) -> None:
    file = read(tmp_path, "a.txt", "“Olá”, João\n", encoding)

    assert texts(file) == ["“Olá”, João"]
    assert file.notes == notes


def test_bytes_of_no_windows_code_page_are_latin_1(tmp_path: Path) -> None:
    file = read(tmp_path, "a.txt", b"caf\xe9 \x81")

    assert texts(file) == ["café \x81"]
    assert file.notes == ("it is not UTF-8: read as latin-1",)


def test_a_guessed_column_is_said_aloud(tmp_path: Path) -> None:
    file = read(tmp_path, "a.tsv", "ham\thello\n")

    assert file.notes == ("no column is called message or text: column 2 holds the longest texts",)


def test_a_message_over_the_bound_is_left_out_and_said_aloud(tmp_path: Path) -> None:
    file = read(tmp_path, "a.txt", "hello\n" + "é" * 8193 + "\n" + "é" * 8192)

    assert texts(file) == ["hello", "é" * 8192]
    assert file.notes == ("left out, for they are over 16 KiB: 1",)


@pytest.mark.parametrize("content", [b"\0\1\2", b"caf\xe9 \x01", b"\xff\xfea"])
def test_bytes_that_are_no_text_are_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(MessagesUnreadable, match="it is not a text file"):
        read(tmp_path, "a.txt", content)


def test_a_file_that_does_not_fit_into_memory_is_refused() -> None:
    with pytest.raises(MessagesUnreadable, match="larger than 64 MiB"):
        read_messages(Path("/dev/zero"))


def test_texts_are_not_in_what_a_message_shows_of_itself(tmp_path: Path) -> None:
    assert "hello" not in repr(read(tmp_path, "a.txt", "hello"))


def test_the_sample_is_varied_and_goes_both_ways() -> None:
    sample = read_sample()

    assert 60 <= len(sample.messages) <= 120
    assert {message.direction for message in sample.messages} == {OUT, IN}
    assert len(set(texts(sample))) == len(sample.messages)
    assert sample.notes == ()
