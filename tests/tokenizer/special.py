# SPDX-License-Identifier: Apache-2.0
"""Texts that are hard for tokenizers for one reason or another, all of our own making: groups (name, texts)."""

# White_Space of Unicode, and what is taken for it now and then.
BLANKS = [0x9, 0xa, 0xb, 0xc, 0xd, 0x20, 0x85, 0xa0, 0x1680, *range(0x2000, 0x200b), 0x2028, 0x2029, 0x202f, 0x205f, 0x3000,
          0x1c, 0x1d, 0x1e, 0x1f, 0x180e, 0x200b, 0x200c, 0x200d, 0x2060, 0xfeff, 0x2581, 0x120, 0x10a, 0x2800, 0x3164]
CONTRACTIONS = ["s", "t", "re", "ve", "m", "ll", "d", "S", "T", "RE", "Re", "rE", "VE", "M", "LL", "Ll", "D", "\u017f", "\u017fs",
                "l", "r", "v", "x", "st", "sx", "lll", "1", "", " s", "\u0301s"]
APOSTROPHES = ["'", "\u2019", "\u02bc", "`", "\uff07", "''", "\u2032"]
MARKERS = ["<s>", "</s>", "<unk>", "<pad>", "<bos>", "<eos>", "<mask>", "[CLS]", "[SEP]", "[UNK]", "[MASK]", "[PAD]", "<|endoftext|>",
           "<|endofprompt|>", "<|fim_prefix|>", "<|fim_middle|>", "<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<|eot_id|>",
           "<|start_header_id|>", "<|end_header_id|>", "<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|return|>", "<think>",
           "</think>", "<tool_call>", "</tool_call>", "<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<unused0>",
           "<0x0A>", "<0x41>", "<\uff5cbegin\u2581of\u2581sentence\uff5c>", "<\uff5cend\u2581of\u2581sentence\uff5c>",
           "<\uff5cUser\uff5c>", "<\uff5cAssistant\uff5c>", "<\uff5c\u2581pad\u2581\uff5c>", "<table>", "<h1>", "</h1>", "\n\n\n", "\t\t",
           "\u2581\u2581", "##ing", "Ġ", "Ċ"]

EMOJI = """
😀 👍 👍🏽 👍🏿👍🏻 👨‍👩‍👧‍👦 👩🏽‍🚀 🧑🏾‍🤝‍🧑🏻 🏴󠁧󠁢󠁳󠁣󠁴󠁿 🏳️‍🌈 ❤️ ❤ ❤️‍🔥 ☺︎ ☺️ 🇩🇪 🇩🇪🇫🇷 🇩🇪🇫 🇦🇧🇨🇩🇪 1️⃣ #️⃣ *️⃣ ©️ ®️ ™️ ‼️ ⁉️ 〰️ ㊗️ 🈁 🫠🫡 🥲🥹 😶‍🌫️ 👁️‍🗨️ ⛹🏻‍♀️ 🕵️‍♂️
a👍b 👍👍👍👍 ok👌. 😂😂😂 x❤️y 🎉!!! 3️⃣2️⃣1️⃣🚀 👩‍💻 writes 💻 ‍🧑 🏽 🏻🏼🏽🏾🏿 🀄🃏 ♠♣♥♦ ✅❌ ➡️⬅️ 🔟 💯% ⌚️12:30 ☎️+49 🅰️🅱️
"""
SCRIPTS = {
    "marks": """é|e\u0301|e\u0301\u0323|e\u0323\u0301|\u1ec7|e\u0323\u0302|e\u0302\u0323|ệ|Việt Nam|Vie\u0302\u0323t Nam|Tiê\u0301ng Viê\u0323t|
tiếng Việt rất hay|o\u0308|\u00f6|\u0041\u030a|\u212b|\u00c5|\u2126|\u03a9|\u212a|K|\u1e9b\u0323|\u017f\u0323\u0307|\u0958|\u0915\u093c|\u0344|\u0308\u0301|
\u0301|\u0301\u0301\u0301|a\u0301\u0301\u0301b|Z\u0351\u036b\u0343a\u0363\u0366l\u034dg\u0321o\u0328|\u1112\u1161\u11ab\u1100\u1173\u11af|한글|\u1112\u1161\u11ab|\ud55c|
\uac00\u11a8|\u1100\u1161\u1161|\u1100\u1100\u1161|\u11a8\u1161|\u3131\u314f|\uf900|\u8c48|\ufa10|\U0002f800|\U0001d15e|\U0001d157\U0001d165|
\u0f43|\u0f42\u0fb7|\u09cb|\u09c7\u09be|\u0b94|\u0b92\u0bd7|\u30ac|\u30ab\u3099|\uff76\uff9e|\ufb2a|\u05e9\u05c1|\u2adc|\u2add\u0338|\u0340|\u0374|\u037e|\u0387|\u1fef""",
    "compatibility": "ﬁne|ﬂow|ﬃ|①②③|½ cup|x²+y³|H₂O|ＡＢＣ１２３|ｱｲｳｴｵ|㎏|㍿|℡|…|‥|Ⅳ|ⅷ|㈱|㋿|ﷺ|ﷲ|ﻻ|ĳ|ŉ|ǆ|ſt|µ|Å|𝐀𝒷𝓒𝔡𝕖𝟙𝟚𝟛|⒈⒉|㉐|︷|﹪|￥|\u2002|\u3000|ʰʲ|ª º",
    "cjk": """中文字符，测试。|你好，世界！|日本語テスト、カタカナとひらがな。|한국어 문장입니다.|繁體中文測試：「引號」『雙引號』|漢字かな交じり文|ＡＩ技術の進歩|我有3个apple和12本书|2024年1月2日|
第十章第3節|１２３４５|東京都千代田区1-2-3|这是GPT-4模型|𠀀𠀁𪛕|〇々〆ヶ|ㄅㄆㄇㄈ|ꀀꀁ|「」、。！？|——……|价格：￥99.9|あいうえおアイウエオ|ー〜|ｶﾀｶﾅ|呵呵呵呵呵呵呵呵|人人人人|不不不 不不|한 글 자 씩""",
    "semitic": """مرحبا بالعالم|السَّلَامُ عَلَيْكُمْ|١٢٣٤٥٦|۱۲۳۴|كتاب، قلم؛ دفتر؟|لا إله|ﻻ|العربية English مختلط 123|فارسی می‌خواهم|اُردُو|\u202babc\u202c|ـــــ|הֲלוֹ עוֹלָם|שלום עולם|בְּרֵאשִׁית|
שלום, world! 42|ירושלים־תל|״ציטוט״|ܐܒܓ|ދިވެހި|ⴰⴱⴳ""",
    "indic": "नमस्ते दुनिया|हिन्दी में १२३|क्षत्रिय|ज़िंदगी|বাংলা ভাষা|தமிழ் மொழி|తెలుగు|ಕನ್ನಡ|മലയാളം|ਪੰਜਾਬੀ|ગુજરાતી|සිංහල|བོད་སྐད།|မြန်မာဘာသာ|ភាសាខ្មែរ|ລາວ",
    "thai": "สวัสดีชาวโลก|ภาษาไทยไม่มีช่องว่าง|ราคา ๑๒๓ บาท|น้ำ|น\u0e49\u0e33|เก็บ|ที่ ๆ|กขค abc กขค|ฯลฯ",
    "european": """Größe und Übermut straßenbahn|STRASSE ẞ ß|l'été où ça coûte|Žluťoučký kůň|İstanbul ısı Iı|Ελληνικά ΣΊΣΥΦΟΣ ς|Привет, мир! Ёлка|Україна ґ|Հայերեն|ქართული|ᏣᎳᎩ|
Ꭰꭰ|ᚠᚢᚦ|naïve façade|L’homme d’aujourd’hui|O'Neill's rock'n'roll|¿Qué? ¡Sí!|„Zitat“ «cite»|10 000,50 €|½ ¾|Straße's|àéîõü|ÀÉÎÕÜ|ǅ ǈ ǋ ǲ|ʻOkina|Łódź|þæð|Ĳ|Đorđe|ﬀ""",
    "digits": "0|1|12|123|1234|12345|123456|1234567|1234567890123456789|3.14159265358979|1,234,567.89|-1|+1|1e10|0x1F|0b101|1st 2nd 3rd|1a2b3c|a1b2|12 34 567 8901|١٢٣٤٥|१२३४|１２３４|𝟏𝟐𝟑𝟒|Ⅳ½²|12:34:56|192.168.0.1|2024-01-02T03:04:05Z|1²3|½1¼|万1千|123abc456|1_000_000|00000000|①②③④",
}
CODE = {
    "c": "#include <stdio.h>\n\nint main(int argc, char **argv)\n{\n\tfor (size_t i = 0; i < n; i++)\n\t\tx[i] ^= ~(y << 3) & 0xffULL;\n\treturn -1; /* \u00bfno? */\n}\n",
    "python": "def f(x: int = 0, *args, **kw) -> str:\n    '''It's a doc'''\n    return f\"{x!r:>10}\\n\" if x else \"don't\"\n\n\n@property\nasync def g(self):\n    yield from (i**2 for i in range(10))\n",
    "js": "const f = async ({a, ...b}) => { await fetch(`/api/${a}?q=${encodeURIComponent(b)}`); return a?.b ?? null; };\r\n\r\n// comment\r\nlet re = /^\\s*[\\w.-]+$/giu;\r\n",
    "html": "<!DOCTYPE html>\n<html lang=\"en\"><body class='x y'>\n  <p>Hello &amp; goodbye&nbsp;!</p>\n\n  <br/>\n</body></html>\n",
    "sql": "SELECT a.id, COUNT(*) AS n FROM t a LEFT JOIN u USING (id) WHERE name LIKE '%it''s%' GROUP BY 1 HAVING n >= 10;--x\n",
    "shell": "for f in *.c; do [[ -f $f ]] && sed -e 's/a\\/b/c/g' \"${f%.c}.h\" 2>/dev/null | awk '{print $1}'; done\n",
    "yaml": "a:\n  - b: 1\n    c: [x, 'y', \"z\"]\n  - |\n    text\n\n    more\n...\n",
    "latex": "\\begin{equation}\n  \\int_0^\\infty e^{-x^2}\\,dx = \\frac{\\sqrt{\\pi}}{2} % note\n\\end{equation}\n",
    "go": "func (s *S) Do(ctx context.Context) (err error) {\n\tdefer func() { if r := recover(); r != nil { err = fmt.Errorf(\"x: %w\", r) } }()\n\treturn nil\n}\n",
    "rust": "impl<'a, T: 'static + ?Sized> Foo<'a, T> { fn r#fn(&'a mut self) -> Result<(), Box<dyn Error>> { Ok(()) } }\n",
    "json": "{\"a\": [1, -2.5e-3, true, null], \"b\": \"\\u00e9\\n\", \"c\": {}}\n",
    "diff": "--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n-\told\n+\tnew\n \n",
    "brackets": "((((((((([[[[[[[{{{{{{{}}}}}}}]]]]]]])))))))))",
    "rules": "-" * 80 + "\n" + "=" * 80 + "\n" + "*" * 79 + "\n" + "#" * 33 + "\n" + "/" * 77 + "\n" + "_" * 65,
    "url": "https://user:pw@example.com:8080/a/b.html?q=1&r=%20x#frag mailto:a.b+c@d.org",
    "base64": "TWFuIGlzIGRpc3Rpbmd1aXNoZWQsIG5vdCBvbmx5IGJ5IGhpcyByZWFzb24sIGJ1dCBieQ==",
    "paths": "C:\\Users\\x\\AppData\\Local\\..\\file.txt ../../usr/lib64/libc.so.6",
    "camel": "getHTTPResponseCode XMLHttpRequest snake_case_name SCREAMING_CASE kebab-case iPhone MacOS eBay aB AbCdEF ABCdef",
}


def blanks():
    row = [chr(c) for c in BLANKS]
    for w in row:
        yield from (w, w + w, w * 3, w + "a", "a" + w, "a" + w + "b", "a" + w + w + "b", "a " + w + " b", "a" + w + " b", "a " + w + "b",
                    "." + w + ".", "1" + w + "2", "a" + w + "\n" + w + "b", "a\n" + w + "\nb", w + "\n", "\r" + w + "\n", "'" + w + "s",
                    w + "中", "中" + w + w, w * 17 + "x", "x" + w * 17)
    for v in row:
        for w in row:
            yield "a" + v + w + "b" + w + v


def newlines():
    parts = ["\n", "\r", "\r\n", " ", "\t", "a", ".", ""]
    for a in parts:
        for b in parts:
            for c in parts:
                for d in parts:
                    yield "x" + a + b + c + d + "y"


def contractions():
    for a in APOSTROPHES:
        for c in CONTRACTIONS:
            yield from ("it" + a + c, "IT" + a + c + " x", a + c, " " + a + c, "1" + a + c, "é" + a + c + "z", "." + a + c, "a" + a + c + a + c,
                        "\n" + a + c, "中" + a + c)


def markers():
    for m in MARKERS:
        yield from (m, " " + m, m + " ", m + m, "a" + m + "b", "a " + m + " b", m + "\n" + m, "  " + m + "  x", m[:-1], m[1:], m + m[:-1],
                    "'" + m + "s", m.upper(), "中" + m + "文")
    yield "".join(MARKERS)
    yield " ".join(MARKERS)
    yield "<|im_start|>system\nYou're helpful.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
    yield "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST] Hello </s><s>[INST] Bye [/INST]"


def controls():
    for c in [*range(0, 32), *range(0x7f, 0xa0), 0xad, 0x34f, 0x61c, *range(0x200b, 0x2010), *range(0x202a, 0x202f), *range(0x2060, 0x2065),
              *range(0x2066, 0x2070), 0xfeff, *range(0xfff9, 0xfffe), 0xe0001, 0xe0020, 0xe007f]:
        yield "%ca%c b%c%c1" % (c, c, c, c)
    yield "".join(map(chr, range(128)))
    yield "".join(map(chr, range(256)))


def runs():
    for piece in ("a", "A", " ", "\n", "\r\n", "\t", "1", ".", "'", "é", "中", "😀", "\u0301", "가", "ab", "a ", " a", "a\n", "the ", "=-", "\u2581", "1a", "'s",
                  "\u3000", "กา", "ش", "abcdefghij", "<s>", "\0", "  a", "e\u0301"):
        for n in (2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1000, 4099):
            yield piece * n


def long_parts(size):
    yield "a" * size
    yield " " * size
    yield "\n" * size
    yield "0" * size
    yield "=" * size
    yield "中" * (size // 3)
    yield "😀" * (size // 4)
    yield "\u0301" * (size // 2)
    state, letters = 1, []
    for _ in range(size):
        state = state * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
        letters.append(state >> 33)
    yield "".join(chr(97 + x % 26) for x in letters)
    yield "".join(chr(33 + x % 94) for x in letters)
    yield "".join(chr(48 + x % 10) for x in letters)
    yield "".join(chr(0x4e00 + x % 20000) for x in letters[:size // 3])
    yield "".join("ab"[x % 2] for x in letters)
    yield "".join(" \t\n\r"[x % 4] for x in letters)
    yield "".join("eu\u0301\u0323\u0302"[x % 5] for x in letters[:size // 2])
    yield "x" + " \n" * (size // 2) + "y"
    yield "hello " * (size // 6)


def special():
    yield "empty", [b"", b" ", b"\n", b"a"]
    yield "emoji", [t.encode() for line in EMOJI.split("\n") for t in [line, *line.split()]] + [EMOJI.encode()]
    for name, row in SCRIPTS.items():
        parts = [p.strip("\n") for p in row.split("|")]
        yield name, [t.encode() for p in parts for t in (p, " " + p, p + p, "a" + p + " " + p + "\n", p + "1" + p + ".")] + \
            ["".join(parts).encode(), " ".join(parts).encode()]
    for name, text in CODE.items():
        yield name, [text.encode(), text.upper().encode(), text.replace("\n", "\r\n").encode(), text.replace(" ", "").encode(),
                     text.replace("\t", "    ").encode(), (text * 50).encode()]
    for family in (blanks, newlines, contractions, markers, controls, runs):
        yield family.__name__, [t.encode() for t in family()]


def long_texts(size=1 << 20):
    """A megabyte with no space in it, a megabyte of one character, and their like: work has to stay near-linear."""
    for n, text in enumerate(long_parts(size)):
        yield str(n), [text.encode()]
