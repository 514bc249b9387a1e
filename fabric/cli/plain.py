"""Text of others on a terminal: a proof, a policy or a fabric may say anything, also what moves the cursor."""


def plain(text: str) -> str:
    """Returns a text in one line; what is not printable is spelled as an escape."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
