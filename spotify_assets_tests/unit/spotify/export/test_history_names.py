"""Which files of a download are histories, by names that Spotify, browsers and people gave."""

from __future__ import annotations

import random

import pytest

from spotify_assets.sandbox.export import PERSONAL_FILES
from spotify_assets.spotify.export.names import (
    Kind,
    in_order,
    kind_of,
    looks_like_history,
    may_be_history,
    series,
)

KNOWN = {
    Kind.EXTENDED: (
        "Streaming_History_Audio_2019-2020_3.json",
        "Streaming_History_Audio_2024_7.json",
        "Streaming_History_Audio_2015.json",
        "Streaming_History_Audio_2024_12.json",
        "Streaming_History_Video_2017-2024.json",
        "Streaming_History_Video_2025.json",
        "endsong_0.json",
        "endsong_27.json",
        "endsong.json",
        "endvideo.json",
        "endvideo_1.json",
        "streaming_history_audio_2019.JSON",
        "Streaming_History_Audio_2019_1 (1).json",
        "Streaming_History_Audio_2019_1(2).json",
        "Streaming_History_Audio_2019_1 copy.json",
        "Streaming_History_Audio_2019_1 copy 2.json",
        "Streaming_History_Audio_2019_1 - copy.json",
        "Streaming_History_Audio_2019-2020_3 2.json",
        "Streaming_History_Audio_2019-2020_3 - Kopie.json",
        "Streaming_History_Audio_2019-2020_3 (1) (1).json",
        "Streaming_History_Audio_2019_1_backup.json",
        "endsong_0~.json",
        "a/folder/endsong_0.json",
        "a\\folder\\endsong_0.json",
    ),
    Kind.MUSIC: (
        "StreamingHistory_music_0.json",
        "StreamingHistory_music_11.json",
        "StreamingHistory0.json",
        "StreamingHistory12.json",
        "StreamingHistory.json",
        "StreamingHistory_music_0 (3).json",
    ),
    Kind.PODCAST: ("StreamingHistory_podcast_0.json",),
    Kind.AUDIOBOOK: ("StreamingHistory_audiobook_3.json",),
}
UNKNOWN = (
    "Streaming_History_Podcast_2026_1.json",
    "StreamingHistory_video_0.json",
    "ListeningHistory_2026.json",
    "PlaybackHistory_0.json",
    "endbook_0.json",
    "Streaming_History_Audio_spotify_import_test.json",
    "My_StreamingHistory0.json",
)
NO_HISTORIES = (
    *(f"{name}.json" for name in PERSONAL_FILES),
    *("Playlist1.json", "YourSoundCapsule.json", "UserAttributes.json", "DuoNewFamily.json"),
    *("ReadMeFirst_ExtendedStreamingHistory.pdf", "Read_Me_First.pdf", "StreamingHistory.csv"),
    *("._Streaming_History_Audio_2019_1.json", "._endsong_0.json", ".StreamingHistory0.json"),
    *("Streaming_History_Audio_2019.json.exe", "Streaming_History_Audio_2019.json\n", "json", ""),
    *("Streaming_History_Audio_2019.json/../Userdata.json", "endsong_0.json\\Userdata.json"),
)


@pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for kind, names in KNOWN.items() for name in names]
)
def test_which_of_spotifys_histories_has_a_name(name: str, kind: Kind) -> None:
    assert kind_of(name) == kind


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_may_be_a_history_under_a_new_name_is_reported(name: str) -> None:
    assert kind_of(name) is None
    assert looks_like_history(name)


@pytest.mark.parametrize("name", NO_HISTORIES)
def test_what_is_no_history_is_not_even_mentioned(name: str) -> None:
    assert kind_of(name) is None
    assert not looks_like_history(name)


@pytest.mark.parametrize("name", [f"{name}.json" for name in PERSONAL_FILES])
def test_what_is_about_the_person_is_never_looked_into(name: str) -> None:
    assert not may_be_history(name)
    assert not may_be_history(name.replace(".json", " (1).json"))


@pytest.mark.parametrize("name", ["my_listens.json", "2024.JSON", "Playlist of plays.json"])
def test_into_whatever_else_is_json_a_look_is_taken(name: str) -> None:
    assert may_be_history(name)


@pytest.mark.parametrize(
    "name",
    ["StreamingHistory{}.json", "StreamingHistory_music_{}.json", "endsong_{}.json",
     "StreamingHistory_podcast_{}.json", "StreamingHistory_music_{} (1).json",
     "StreamingHistory_music_{} - Kopie.json",
     "MyData/StreamingHistory_music_{}.json", "Streaming_History_Audio_2019-2020_{}.json"],
)  # fmt: skip
def test_files_that_differ_in_their_number_only_continue_each_other(name: str) -> None:
    assert len(set(series(name.format(number) for number in (0, 7, 12, "08", 2023)))) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("StreamingHistory0.json", "StreamingHistory_music_1.json"),
        ("StreamingHistory0.json", "StreamingHistory_1.json"),
        ("StreamingHistory0.json", "StreamingHistory.json"),
        ("StreamingHistory_music_0.json", "StreamingHistory_podcast_1.json"),
        ("StreamingHistory_music_0.json", "streaminghistory_music_1.json"),
        ("StreamingHistory_music_0.json", "streaminghistory_music_0.JSON"),
        ("StreamingHistory_music_0.json", "StreamingHistory_music_0.JSON"),
        ("StreamingHistory_music_0.json", "StreamingHistory_music_00.json"),
        ("StreamingHistory_music_0.json", "StreamingHistory_music_0_.json"),
        ("StreamingHistory_music_0.json", "StreamingHistory_music_0_1.json"),
        ("StreamingHistory_music_0.json", "StreamingHistory_music_1 (1).json"),
        ("a/StreamingHistory_music_0.json", "b/StreamingHistory_music_1.json"),
        ("mine_1.json", "mine_2.json"),
        ("mine.json", "mine.json"),
    ],
)
def test_files_that_differ_otherwise_or_in_nothing_do_not(one: str, other: str) -> None:
    assert len(set(series([one, other]))) == 2


def test_numbers_that_occur_again_continue_each_other() -> None:
    names = [f"StreamingHistory{number}.json" for number in ("0", "1", "00", "01", "2", "000")]
    found = series(names)
    assert found[0] == found[1] == found[4]
    assert found[2] == found[3]
    assert len(set(found)) == 3


def test_files_are_read_in_the_order_of_their_numbers() -> None:
    names = [
        "endsong_2.json",
        "endsong_10.json",
        f"endsong_{'9' * 5000}.json",
        "Streaming_History_Audio_2019-2020_9.json",
        "Streaming_History_Audio_2019-2020_10.json",
        "Streaming_History_Audio_2020_11.json",
    ]
    mixed = random.Random(5).sample(names, k=len(names))
    ordered = sorted(mixed, key=in_order)
    assert [name for name in ordered if "9999" not in name] == [
        name for name in names if "9999" not in name
    ]
