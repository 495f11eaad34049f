"""The words of a command of a stack file, as docker splits them: without a shell. Pure.

Source: docker/cli, cli/compose/loader/loader.go; google/shlex, the tokenizer. In double quotes a backslash stands for the character
behind it, whatever that is; a word that begins with `#` begins a comment.
"""

from __future__ import annotations

_SPACES = " \t\r\n"


def split_words(text: str) -> list[str]:
    """Raises: ValueError for a quote that is never closed, a last backslash, and a comment behind a word.

    Docker drops such a comment with all that follows in its line. In a folded text, that is the rest of the command.
    """
    words: list[str] = []
    position = 0
    while position < len(text):
        if text[position] in _SPACES:
            position += 1
        elif text[position] == "#":
            if text[:position].rpartition("\n")[2].strip(_SPACES):
                raise ValueError("has a # that begins a comment: docker drops the rest of the line")
            position = _line_end(text, position)
        else:
            word, position = _word(text, position)
            words.append(word)
    return words


def _line_end(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end


def _word(text: str, position: int) -> tuple[str, int]:
    """The word that begins at a position, and where it ends."""
    found: list[str] = []
    quote = ""
    while position < len(text):
        character = text[position]
        if not quote and character in _SPACES:
            break
        if character == "\\" and quote != "'":
            position += 1
            if position == len(text):
                raise ValueError("should not end with a backslash")
            found.append(text[position])
        elif character == quote or (not quote and character in "'\""):
            quote = "" if quote else character
        else:
            found.append(character)
        position += 1
    if quote:
        raise ValueError(f"has a {quote} that is never closed")
    return "".join(found), position
