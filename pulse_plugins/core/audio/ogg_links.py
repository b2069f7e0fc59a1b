"""Where the parts of a chained Ogg file begin.

Ogg files may be written one after another into one file, and each part may have another codec,
sample rate or number of channels. FFmpeg 7 and later refuse to go on where these change, so each
part has to be opened for itself.

Source: RFC 3533, sections 4 and 6.
"""

from __future__ import annotations

from mmap import mmap

_PAGE = b"OggS\0"  # the capture pattern, and version 0
_FIRST = 0x02  # the flag of a page that begins a logical stream


def is_ogg(head: bytes) -> bool:
    """Whether the first bytes of a file are those of an Ogg file."""
    return head.startswith(_PAGE)


def links(data: bytes | mmap) -> list[int]:
    """The places at which the parts begin.

    The streams that are interleaved in one part begin together, before any page with their
    content. So a part begins where a page begins a stream after a page that did not.

    Args:
        data: A whole Ogg file.

    Returns:
        Bytes from the start of the file; the first place is 0.
    """
    found = [0]
    begins = True
    at = data.find(_PAGE)
    while at >= 0 and at + len(_PAGE) < len(data):
        first = bool(data[at + len(_PAGE)] & _FIRST)
        if first and not begins:
            found.append(at)
        begins = first
        at = data.find(_PAGE, at + len(_PAGE))
    return found
