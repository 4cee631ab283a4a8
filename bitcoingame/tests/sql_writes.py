"""Finds in SQL text the tables that it writes, and those whose rows it locks. It reads tokens, not the whole grammar.

It also reads bodies of functions between dollar signs, and text in quotes (EXECUTE '…'). A table whose name is filled
in at run time ({table}, %s) is called UNNAMED.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

UNNAMED = "?"

_TOKEN = re.compile(
    r"""
    (?P<skipped> --[^\n]* | /\*.*?\*/ | \s+ )
    | (?P<end> \$\w*\$ | ; )
    | (?P<text> [eE]'(?:\\.|''|[^'\\])*' | '(?:''|[^'])*' )
    | (?P<name> "[^"]+" )
    | (?P<hole> \{[^{}]*\} | %\(\w+\)s | %s )
    | (?P<word> \w+ )
    | (?P<sign> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_STRENGTHS = (("no", "key", "update"), ("key", "share"), ("update",), ("share",))
_ENDS_FROM = {
    *("where", "group", "having", "window", "order", "limit", "offset", "fetch", "for"),
    *("union", "intersect", "except", "loop", "returning", ";"),
}
_ENDS_ITEM = {
    *("on", "using", "join", "left", "right", "inner", "full", "cross", "natural", "tablesample", ",", ")", ";"),
    *_ENDS_FROM,
}


class Touch(NamedTuple):
    """`verb` is insert, update, delete, truncate, merge, copy, lock, or hides (a CTE hides the table of its name)."""

    verb: str
    table: str


class _Token(NamedTuple):
    word: str
    depth: int
    """How many parentheses are open around it; a parenthesis itself stands outside."""


class _Source(NamedTuple):
    """An item of a FROM: the names that FOR UPDATE OF may use for it, and the tables whose rows it gives."""

    names: set[str]
    tables: set[str]


def touches(sql: str) -> set[Touch]:
    tokens, texts = _tokenize(sql)
    found = {*_writes(tokens), *_locks(tokens), *_hides(tokens)}
    return found.union(*map(touches, texts))


def _tokenize(sql: str) -> tuple[list[_Token], list[str]]:
    """The tokens in lower case, and separately the texts in quotes."""
    tokens: list[_Token] = []
    texts: list[str] = []
    depth = 0
    for match in _TOKEN.finditer(sql):
        token = match[0]
        depth -= token == ")"
        match match.lastgroup:
            case "text":
                texts.append(token[token.index("'") + 1 : -1].replace("''", "'"))
                tokens.append(_Token("''", depth))
            case "end":
                tokens.append(_Token(";", depth))
            case "hole":
                tokens.append(_Token(UNNAMED, depth))
            case "name" | "word" | "sign":
                tokens.append(_Token(token.strip('"').lower(), depth))
        depth += token == "("
    return tokens, texts


def _writes(tokens: list[_Token]) -> Iterator[Touch]:
    for at, token in enumerate(tokens):
        match token.word, _word(tokens, at + 1):
            case ("insert" | "merge") as verb, "into":
                yield Touch(verb, _table(tokens, at + 2)[0])
            case "delete", "from":
                yield Touch("delete", _table(tokens, at + 2)[0])
            case ("truncate" | "lock") as verb, _:
                yield from (Touch(verb, table) for table in _tables(tokens, at + 1))
            case "copy", _:
                table, after = _table(tokens, at + 1)
                if _word(tokens, _past_parentheses(tokens, after)) == "from":
                    yield Touch("copy", table)
            case "update", _:
                table, after = _table(tokens, at + 1)
                after += _word(tokens, after) == "as"
                if "set" in (_word(tokens, after), _word(tokens, after + 1)):
                    yield Touch("update", table)


def _locks(tokens: list[_Token]) -> Iterator[Touch]:
    for at, token in enumerate(tokens):
        if token.word == "for" and (end := _past_strength(tokens, at + 1)):
            yield from (Touch("lock", table) for table in _locked_tables(tokens, at, end))


def _past_strength(tokens: list[_Token], start: int) -> int:
    """The position after the words NO KEY UPDATE, UPDATE, SHARE or KEY SHARE at `start`; 0 if there are none."""
    for strength in _STRENGTHS:
        end = start + len(strength)
        if tuple(token.word for token in tokens[start:end]) == strength:
            return end
    return 0


def _locked_tables(tokens: list[_Token], at: int, end: int) -> set[str]:
    """The tables of the FROM before the FOR at `at`; with an OF at `end`, only those of the items it names."""
    select = _select_before(tokens, at)
    if select is None:
        return {UNNAMED}
    sources = _sources(tokens, *_from_range(tokens, select, at))
    named = set(_tables(tokens, end + 1)) if _word(tokens, end) == "of" else set()
    meant = [source for source in sources if named & source.names] or sources
    return set().union(*(source.tables for source in meant))


def _select_before(tokens: list[_Token], at: int) -> int | None:
    depth = tokens[at].depth
    for index in range(at - 1, -1, -1):
        token = tokens[index]
        if token.depth < depth or token.word == ";":
            return None
        if token.depth == depth and token.word in ("select", "perform"):
            return index
    return None


def _from_range(tokens: list[_Token], select: int, end: int) -> tuple[int, int]:
    """The positions at which the items of the SELECT's FROM begin and end; an empty range if there is no FROM."""
    depth = tokens[select].depth
    for index in range(select + 1, end):
        token = tokens[index]
        if token.depth < depth:
            break
        if token.depth == depth and token.word == "from" and tokens[index - 1].word != "distinct":
            return index + 1, _end_of_from(tokens, index + 1, depth, end)
    return end, end


def _end_of_from(tokens: list[_Token], start: int, depth: int, end: int) -> int:
    for index in range(start, end):
        if tokens[index].depth < depth or (tokens[index].depth == depth and tokens[index].word in _ENDS_FROM):
            return index
    return end


def _sources(tokens: list[_Token], start: int, end: int) -> list[_Source]:
    """The items between `start` and `end`: at the start, and after each comma and JOIN of the same depth."""
    if start >= end:
        return []
    depth = tokens[start].depth
    starts = [start]
    starts += [
        index + 1
        for index in range(start, end - 1)
        if tokens[index].depth == depth and tokens[index].word in (",", "join")
    ]
    return [_source(tokens, index) for index in starts]


def _source(tokens: list[_Token], start: int) -> _Source:
    while _word(tokens, start) in ("only", "lateral"):
        start += 1
    if _word(tokens, start) == "(":
        end = _past_parentheses(tokens, start)
        return _Source(_alias(tokens, end), _tables_within(tokens, start + 1, end - 1))
    table, end = _table(tokens, start)
    if _word(tokens, end) == "(":
        return _Source(set(), set())
    return _Source(_alias(tokens, end) or {table}, {table})


def _tables_within(tokens: list[_Token], start: int, end: int) -> set[str]:
    """The tables of a subquery, or of joins, in parentheses."""
    if _word(tokens, start) in ("select", "with"):
        depth = tokens[start].depth
        selects = [index for index in range(start, end) if tokens[index] == _Token("select", depth)]
        ranges = [_from_range(tokens, select, end) for select in selects]
    else:
        ranges = [(start, end)]
    return set().union(*(source.tables for bounds in ranges for source in _sources(tokens, *bounds)))


def _alias(tokens: list[_Token], at: int) -> set[str]:
    at += _word(tokens, at) == "as"
    word = _word(tokens, at)
    return set() if not word or word in _ENDS_ITEM else {word}


def _hides(tokens: list[_Token]) -> Iterator[Touch]:
    """The names of CTEs. They must differ from tables', because `_locks` takes every name in a FROM for a table."""
    for at, token in enumerate(tokens):
        if token.word in ("with", "recursive", ","):
            after = _past_parentheses(tokens, at + 2)
            words = [_word(tokens, index) for index in range(after, after + 4)]
            if words[0] == "as" and "(" in (words[1], words[2], words[3]) and words[1] in ("(", "materialized", "not"):
                yield Touch("hides", _word(tokens, at + 1))


def _tables(tokens: list[_Token], at: int) -> Iterator[str]:
    """The tables in a list with commas that begins at `at`."""
    at += _word(tokens, at) == "table"
    while True:
        table, at = _table(tokens, at)
        yield table
        if _word(tokens, at) != ",":
            return
        at += 1


def _table(tokens: list[_Token], at: int) -> tuple[str, int]:
    """The name at `at` without its schema, and the position after it."""
    at += _word(tokens, at) == "only"
    while _word(tokens, at + 1) == ".":
        at += 2
    return _word(tokens, at), at + 1


def _past_parentheses(tokens: list[_Token], at: int) -> int:
    """The position after the parentheses that open at `at`; `at` itself if none open there."""
    if _word(tokens, at) != "(":
        return at
    depth = tokens[at].depth
    for index in range(at + 1, len(tokens)):
        if tokens[index].depth == depth and tokens[index].word == ")":
            return index + 1
    return len(tokens)


def _word(tokens: list[_Token], at: int) -> str:
    return tokens[at].word if at < len(tokens) else ""
