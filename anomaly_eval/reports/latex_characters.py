"""Characters of names in LaTeX, such that pdflatex without further packages prints them or what they are spelt with."""

from __future__ import annotations

import unicodedata
from functools import cache

from anomaly_eval.reports.characters import spelt_out

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    "\n": " ",
    "†": r"$^\dagger$",
    "✓": r"$\checkmark$",
    "✗": r"$\times$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
}
_MATHEMATICS = {
    "INFINITY": "infty",
    "LESS-THAN OR EQUAL TO": "leq",
    "GREATER-THAN OR EQUAL TO": "geq",
    "NOT EQUAL TO": "neq",
    "ALMOST EQUAL TO": "approx",
    "IDENTICAL TO": "equiv",
    "TILDE OPERATOR": "sim",
    "MUCH LESS-THAN": "ll",
    "MUCH GREATER-THAN": "gg",
    "PLUS-MINUS SIGN": "pm",
    "MULTIPLICATION SIGN": "times",
    "DIVISION SIGN": "div",
    "MIDDLE DOT": "cdot",
    "RIGHTWARDS ARROW": "rightarrow",
    "LEFTWARDS ARROW": "leftarrow",
    "LEFT RIGHT ARROW": "leftrightarrow",
    "RIGHTWARDS DOUBLE ARROW": "Rightarrow",
    "N-ARY SUMMATION": "sum",
    "N-ARY PRODUCT": "prod",
    "SQUARE ROOT": "surd",
    "PARTIAL DIFFERENTIAL": "partial",
    "NABLA": "nabla",
    "ELEMENT OF": "in",
    "EMPTY SET": "emptyset",
    "UNION": "cup",
    "INTERSECTION": "cap",
    "SCRIPT SMALL L": "ell",
    "MICRO SIGN": "mu",
    "GREEK SMALL LETTER FINAL SIGMA": "varsigma",
    "GREEK SMALL LETTER LAMDA": "lambda",
    "GREEK CAPITAL LETTER LAMDA": "Lambda",
    "GREEK SMALL LETTER EPSILON": "varepsilon",
    "GREEK SMALL LETTER PHI": "varphi",
}
_GREEK = set(
    [
        "alpha",
        "beta",
        "gamma",
        "delta",
        "zeta",
        "eta",
        "theta",
        "iota",
        "kappa",
        "mu",
        "nu",
        "xi",
        "pi",
        "rho",
        "sigma",
        "tau",
        "upsilon",
        "chi",
        "psi",
        "omega",
    ]
)
_CAPITALS = {"gamma", "delta", "theta", "xi", "pi", "sigma", "upsilon", "phi", "psi", "omega"}
_LIKE_LATIN = dict(alpha="A", beta="B", epsilon="E", zeta="Z", eta="H", iota="I", kappa="K", mu="M", nu="N")
_LIKE_LATIN |= dict(omicron="O", rho="P", tau="T", chi="X")
_OTHERS = {
    "MINUS SIGN": "$-$",
    "DEGREE SIGN": r"$^\circ$",
    "NO-BREAK SPACE": "~",
    "LATIN SMALL LETTER DOTLESS I": r"\i{}",
}
_WITH_TYPE = set("ßæÆœŒøØłŁ–—‘’“”…§¶©")  # noqa: RUF001  (dashes and quotes of texts)
_ACCENTS = set("\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327")
_FIRST_WITHOUT_TYPE = 0x180
"""Beyond Latin Extended-A LaTeX knows few letters."""


def escape(text: str) -> str:
    """Return the text such that LaTeX prints it as it is, and spells out what pdflatex has no type for."""
    # Accents are joined to their letters, as only these have type.
    return "".join(map(_written, unicodedata.normalize("NFC", text)))


@cache
def _written(character: str) -> str:
    known = _SPECIAL.get(character)
    if known is not None or character.isascii():
        return known or character
    if _has_type(character):
        return character
    found = _named(unicodedata.name(character, "")) or _raised(character)
    return found or escape(spelt_out(character))


def _has_type(character: str) -> bool:
    """Whether pdflatex without packages prints it: a Latin letter with an accent, or one of a few."""
    parts = unicodedata.normalize("NFD", character)
    accented = len(parts) == 2 and parts[0].isascii() and parts[0].isalpha() and parts[1] in _ACCENTS
    return character in _WITH_TYPE or (accented and ord(character) < _FIRST_WITHOUT_TYPE)


def _named(name: str) -> str:
    """Write what Unicode calls by this name; empty where there is no command for it."""
    if name in _OTHERS:
        return _OTHERS[name]
    command = _MATHEMATICS.get(name, "")
    small, capital = (
        name.removeprefix(start).lower() if name.startswith(start) else ""
        for start in ("GREEK SMALL LETTER ", "GREEK CAPITAL LETTER ")
    )
    if not command and (small in _GREEK or capital in _CAPITALS):
        command = small or capital.capitalize()
    if command:
        return rf"$\{command}$"
    return _LIKE_LATIN.get(capital, "o" if small == "omicron" else "")


def _raised(character: str) -> str:
    """Write a superscript or a subscript; empty for other characters."""
    kind, _, code = unicodedata.decomposition(character).partition(" ")
    sign = {"<super>": "^", "<sub>": "_"}.get(kind)
    if sign is None or " " in code:
        return ""
    plain = chr(int(code, 16)).replace("\N{MINUS SIGN}", "-")
    return f"${sign}{{{plain}}}$" if plain.isascii() else ""
