"""Invented names in many scripts, with the things in them that break careless code.

Belongs here: vocabulary, and how names are put together from it. Does not belong here: which
artist or track bears which name (that is `catalogue`).
"""

from __future__ import annotations

import random

_SPACED: dict[str, tuple[str, ...]] = {
    "latin": tuple(
        "Åska Brûlé Čaj Døgn Éclair Fjörður Gökyüzü Høst Île Jütte Kōwhai Łódka Mañana Nøkken "
        "Ørken Příliv São Ştefan Trường Übermut Vänern Wëst Ýmir Žluť Smörgås Naïve Fiancée".split()
    ),
    "english": tuple(
        "Lantern Harbour Velvet Static Paper Orchard Copper Midnight Gravel Honey Signal Winter "
        "Engine Hollow Marble Tidal Second Kitchen Ladder Neon Salt Feather Borrowed Quiet".split()
    ),
    "cyrillic": tuple(
        "Тихий Берег Ночной Трамвай Жёлтый Снег Дальний Свет Їжак Ґанок Река Щука Объезд Вьюга "
        "Медный Голос Ёлка Пыль".split()
    ),
    "greek": tuple(
        "Θάλασσα Νύχτα Άνεμος Φως Δρόμος Καράβι Ψίθυρος Ήλιος Χαρταετός Γαλάζιο Σκόνη".split()
    ),
    "hebrew": tuple("לילה רחוב שקט גשם מגדל ירוק שביל אור חלון קצה סערה מחר".split()),
    "arabic": tuple("قمر شارع هادئ مطر برج أخضر نافذة ريح حافة غدًا صدى ورق".split()),
    "devanagari": tuple("रात सड़क धीमी बारिश हरी खिड़की हवा किनारा कल गूँज काग़ज़ श्रृंखला".split()),
    "hangul": tuple("밤거리 조용한 비 초록 창문 바람 끝 내일 메아리 종이배 유리 등불".split()),
}
_UNSPACED: dict[str, tuple[str, ...]] = {
    "thai": tuple("คืน ถนน เงียบ ฝน หอคอย เขียว หน้าต่าง ลม ขอบฟ้า พรุ่งนี้ เสียง กระดาษ".split()),
    "kana": tuple(
        "よる みち しずか あめ みどり まど カゼ ハシ アシタ コダマ ガラス ランプ".split()
    ),
    "han": tuple("夜行 長路 靜雨 綠塔 窗邊 風聲 明日 回音 紙船 玻璃 燈火 海岸".split()),
}
_EMOJI = ("🌙", "🚲💨", "👩🏽\u200d🚀", "🏳️\u200d🌈", "❤️\u200d🔥", "🇺🇳", "🫠", "☕️")
SCRIPTS = (*_SPACED, *_UNSPACED)

# Every one of these is in the catalogue of any seed.
AWKWARD_TITLES = (
    "<script>alert(1)</script>",
    "<b>Bold</b> & Beautiful",
    "Fish &amp; Chips &lt;3",
    "{{ 7 * 7 }} {% raw %}",
    "${HOME} $(whoami) `id`",
    "100%s of %d and %(name)s",
    "Robert'); drop table plays;--",
    "' OR '1'='1",
    'She Said "Later" (12" Mix)',
    "Don’t, Can`t, Won't",
    "“Curly” ‘Quotes’ „unten“ «guillemets»",
    "C:\\new\\table\\u0041",
    "=HYPERLINK(1+1)",
    "comma, semicolon; tab\there | pipe",
    "  Two Spaces Before and After  ",
    "null",
    "NaN",
    "0",
    "007",
    "-1",
    "1e5",
    "true",
    "2026-02-30",
    "..",
    "../../etc/passwd",
    "?",
    "A",
    "Zalgo Ŝ̷̢͉ö̵́ṋ̴̈g̶̱̊",
    "cafe\u0301 is not café",
    "Zero\u200bWidth and Soft\u00adHyphen",
    "No\u00a0Break\u2009Thin\u3000Wide",
    "right \u202eto left\u202c override",
    "شارع 12 (Remix) לילה",
    "ﬁ ﬂ Ⅷ ½ ™ ﷽",
    "𝔉𝔯𝔞𝔨𝔱𝔲𝔯 𓂀 𠮷",
    "🌙",
    "👩🏽\u200d🚀 goes 🏳️\u200d🌈",
    "İstanbul'da ılık ıslık",
    "STRASSE / Straße",
    "The Title That Would Not End, "
    + "or, How It Went On and On Through the Long Night Without Ever Coming to Its Point, " * 6,
)
AWKWARD_ARTISTS = (
    "Ampersand & Sons",
    'The "Quoted" <Ensemble>',
    "O'Malley\\Brûlé",
    "{{ artist }} 🫠",
)
AWKWARD_ALBUMS = (
    "<i>Self</i>-Titled",
    "Vol. 1; drop table albums",
    "B-Sides & “Rarities”",
    "99%",
)
_VERSIONS = ("(Live)", "- Remastered 2011", "(Acoustic)", "- Radio Edit", "(Demo)", "[Deluxe]")


def phrase(rng: random.Random, script: str, longest: int = 3) -> str:
    """One to `longest` words of the script, joined as the script joins them."""
    spaced = script in _SPACED
    words = _SPACED[script] if spaced else _UNSPACED[script]
    chosen = rng.sample(words, k=rng.randint(1 if spaced else 2, longest))
    return (" " if spaced else "").join(chosen)


def title(rng: random.Random, script: str) -> str:
    """A title: mostly in the artist's script, sometimes in English, with the usual additions."""
    text = phrase(rng, script if rng.random() < 0.85 else "english", 4)
    if rng.random() < 0.06:
        text = f"{text} {rng.choice(_EMOJI)}"
    if rng.random() < 0.1:
        text = f"{text} {rng.choice(_VERSIONS)}"
    return text
