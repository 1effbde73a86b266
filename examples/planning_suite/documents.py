"""The document of an order: a PDF of some hundred kilobytes about the installation, without personal data, made while it is sent."""

from __future__ import annotations

from collections.abc import Iterator

PAGES = 120

_LINES = (
    "Smart meter installation: instructions for the technician",
    "1. Check that the meter cabinet is accessible and that the main switch can be reached.",
    "2. Switch off the installation, secure it against being switched on again, and test for absence of voltage.",
    "3. Take a picture of the old meter; its reading and its number must be legible.",
    "4. Remove the old meter, mount the new one and connect it according to the circuit diagram of this page.",
    "5. Insert the smart meter gateway, connect its antenna, and wait until its light stays green.",
    "6. Switch the installation on and check the direction of rotation.",
    "7. Read the new meter and close the order in the planning suite.",
)


def pages(order: int) -> Iterator[bytes]:
    """A whole PDF, piece by piece; the cross-reference table at its end is made from the pieces' lengths."""
    offsets: list[int] = []
    position = 0
    for number, piece in enumerate(_objects(order)):
        offsets.append(position)
        position += len(piece)
        yield piece
        if number == 0:
            offsets.clear()  # the first piece is the header, no object
    yield _trailer(offsets, position)


def _objects(order: int) -> Iterator[bytes]:
    yield b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"
    kids = " ".join(f"{4 + 2 * page} 0 R" for page in range(PAGES))
    yield b"1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n"
    yield f"2 0 obj\n<< /Type /Pages /Count {PAGES} /Kids [{kids}] >>\nendobj\n".encode()
    yield b"3 0 obj\n<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>\nendobj\n"
    for page in range(PAGES):
        yield from _page(order, page)


def _page(order: int, page: int) -> Iterator[bytes]:
    head = f"{4 + 2 * page} 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] "
    yield (head + f"/Resources << /Font << /F1 3 0 R >> >> /Contents {5 + 2 * page} 0 R >>\nendobj\n").encode()
    lines = (f"Order {order}, page {page + 1} of {PAGES}", *_LINES * 3)
    text = "".join(f"({line}) Tj T*\n" for line in lines)
    content = f"BT /F1 9 Tf 24 TL 50 800 Td\n{text}ET\n".encode()
    yield f"{5 + 2 * page} 0 obj\n<< /Length {len(content)} >>\nstream\n".encode() + content + b"endstream\nendobj\n"


def _trailer(offsets: list[int], position: int) -> bytes:
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    count = len(offsets) + 1
    text = f"xref\n0 {count}\n0000000000 65535 f \n{table}trailer\n<< /Size {count} /Root 1 0 R >>\nstartxref\n{position}\n%%EOF\n"
    return text.encode()
