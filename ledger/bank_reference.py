"""Bank references as people read them: on chain they are 32 bytes."""

from interline.safe_text import safe_text


def reference_text(raw: bytes) -> str | None:
    """The text that was put into a bank reference, else 0x and its 64 digits; None where it is all zero.

    Text stands at the beginning, in UTF-8, with zeros after it: as `ape run consortium deposit --reference` writes it.
    """
    text = raw.rstrip(b"\0")
    if not text:
        return None
    try:
        shown = text.decode()
    except UnicodeDecodeError:
        return f"0x{raw.hex()}"
    words = shown.split(" ")
    plain = all(safe_text(word) == word for word in words) and shown == shown.strip() and not shown.startswith("0x")
    return shown if plain else f"0x{raw.hex()}"
