"""Pictures, files and sound of chat completions and Responses."""

import pytest

from anyrouter.core.errors import ClientError
from anyrouter.wire.form.parts import Source
from anyrouter.wire.form.text import JsonText, quote, unquote
from anyrouter.wire.translation.openai_media import audio_format, audio_type, filename_of, source_of_file, source_of_url, url_of


@pytest.mark.parametrize(
    ("url", "media_type"),
    [
        ("data:image/png;base64,AAAA", "image/png"),
        ("DATA:image/png;BASE64,AAAA", "image/png"),
        ("data:image/svg+xml;charset=utf-8;base64,AAAA", "image/svg+xml"),
        ("data:;base64,AAAA", None),
        ("data:image/png;base64,AA\nAA", "image/png"),
    ],
)
def test_a_data_url_is_taken_apart(url: str, media_type: str | None) -> None:
    source = source_of_url(quote(url), "x")
    assert source.data is not None
    assert (unquote(source.data), source.media_type) == ("AAAA", media_type)


@pytest.mark.parametrize("raw", [rb'"data:image\/png;base64,A\/A="', rb'"\u0064ata:image/png;base64,A/A="'])
def test_a_data_url_is_seen_through_its_escapes(raw: bytes) -> None:
    assert source_of_url(JsonText(raw), "x") == Source(data=quote("A/A="), media_type="image/png")


@pytest.mark.parametrize("url", ["data:", "data:image/png,AAAA", "data:text/plain,hello", "data:image/png;base64,$$"])
def test_a_data_url_that_is_no_base64_is_refused(url: str) -> None:
    with pytest.raises(ClientError) as caught:
        source_of_url(quote(url), "messages[0].content[0].image_url")
    assert caught.value.denied.param == "messages[0].content[0].image_url"


def test_an_address_stays_an_address() -> None:
    assert source_of_url(quote("https://example.com/ü.png"), "x") == Source(url="https://example.com/ü.png")


def test_a_file_is_base64_with_or_without_its_type_or_an_address() -> None:
    assert source_of_file(quote("JVBERi0="), "x") == Source(data=quote("JVBERi0="), media_type="application/pdf")
    assert source_of_file(quote("data:text/csv;base64,YQ=="), "x") == Source(data=quote("YQ=="), media_type="text/csv")
    assert source_of_file(quote("https://example.com/a.pdf"), "x") == Source(url="https://example.com/a.pdf")


def test_a_source_is_written_as_an_address_again() -> None:
    assert url_of(Source(data=quote("AAAA")), "image/png") == quote("data:image/png;base64,AAAA")
    assert url_of(Source(url="https://example.com"), "image/png") == quote("https://example.com")
    assert url_of(Source(file_id="file-1"), "image/png") is None


def test_a_file_has_a_name_that_ends_in_what_it_is() -> None:
    assert filename_of("notes.txt", "application/pdf") == "notes.txt"
    assert filename_of("notes", "text/csv") == "notes.csv"
    assert filename_of(None, None) == filename_of(None, "application/octet-stream") == "document.pdf"


@pytest.mark.parametrize("name", ["wav", "mp3", "flac", "ogg", "m4a", "aac"])
def test_a_format_of_sound_has_a_media_type_and_back(name: str) -> None:
    assert audio_format(audio_type(name)) == name


def test_sound_without_a_format_is_a_wave() -> None:
    assert audio_type(None) == "audio/wav"
    assert audio_format(None) == audio_format("audio/x-wav") == "wav"
