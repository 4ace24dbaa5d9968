"""What a file is, told by its content whatever its name says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        name: ``idx``, ``npy``, ``zip``, ``parquet``, ``picture`` or ``text``; "" where no reader takes it.
        what: as a noun phrase for messages.
        advice: what to do instead where no reader takes it.
    """

    name: str
    what: str
    advice: str = ""


IDX = Kind("idx", "an IDX file")
NPY = Kind("npy", "a NumPy array (.npy)")
ZIP = Kind("zip", "a zip archive")
PARQUET = Kind("parquet", "a parquet file")
PICTURE = Kind("picture", "a picture")
TEXT = Kind("text", "a text file")
JSON = Kind("", "a JSON document", "Save it as CSV.")
TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
"""Endings of tables, whose content is text like that of notes."""

_UNPACK = "Unpack it, or pack it as .zip."
_NPZ = "Save its arrays with numpy.savez."
_MAGIC: tuple[tuple[int, bytes, Kind], ...] = (
    (0, b"\x93NUMPY", NPY),
    (0, b"PK\3\4", ZIP),
    (0, b"PK\5\6", ZIP),
    (0, b"PAR1", PARQUET),
    (0, b"\x89PNG\r\n", PICTURE),
    (0, b"\xff\xd8\xff", PICTURE),
    (0, b"GIF8", PICTURE),
    (0, b"BM", PICTURE),
    (0, b"II*\0", PICTURE),
    (0, b"MM\0*", PICTURE),
    (8, b"WEBP", PICTURE),
    (0, b"MATLAB 5.0 MAT-file", Kind("", "a MATLAB file (.mat)", _NPZ)),
    (0, b"\x89HDF\r\n", Kind("", "an HDF5 file (.h5, or .mat of MATLAB 7.3)", _NPZ)),
    (0, b"%PDF", Kind("", "a PDF document")),
    (0, b"SQLite format 3", Kind("", "an SQLite database", "Export the table as CSV.")),
    (0, b"ARROW1", Kind("", "an Arrow (Feather) file", "Save it as parquet.")),
    (0, b"7z\xbc\xaf", Kind("", "a 7z archive", _UNPACK)),
    (0, b"Rar!", Kind("", "a RAR archive", _UNPACK)),
    (0, b"\xfd7zXZ", Kind("", "an xz archive", _UNPACK)),
    (0, b"BZh", Kind("", "a bzip2 archive", _UNPACK)),
    (0, b"\x28\xb5\x2f\xfd", Kind("", "a Zstandard archive", _UNPACK)),
    (257, b"ustar", Kind("", "a tar archive", _UNPACK)),
    (0, b"\x1f\x8b", Kind("", "a damaged gzip file", "Fetch it again.")),
    (0, b"\xd0\xcf\x11\xe0", Kind("", "an old Office document", "Save the table as CSV.")),
    (0, b"\x80\2", Kind("", "a pickle, which is never loaded", _NPZ)),
    (0, b"\x80\3", Kind("", "a pickle, which is never loaded", _NPZ)),
    (0, b"\x80\4", Kind("", "a pickle, which is never loaded", _NPZ)),
    (0, b"\x80\5", Kind("", "a pickle, which is never loaded", _NPZ)),
)
_LFS = b"version https://git-lfs.github.com/spec/"
_WEB_PAGE = Kind("", "a web page", "Download the file itself, not the page that shows it.")
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis")


def kind_of(head: bytes) -> Kind:
    """Return the kind of a file that begins with ``head`` (4 KB do)."""
    if not head.strip(b" \t\r\n\0"):
        return Kind("", "empty" if not head else "blank")
    if len(head) > 3 and head[:2] == b"\0\0" and head[2] in b"\x08\x09\x0b\x0c\x0d\x0e" and 1 <= head[3] <= 8:
        return IDX
    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS:
        name = "AVIF" if head[8:11] == b"avi" else "HEIC"
        return Kind("", f"a picture in {name}", "Save it as JPEG or PNG.")
    for offset, magic, kind in _MAGIC:
        # A magic number of two letters, as a word may begin, stands in a binary file.
        if head[offset : offset + len(magic)] == magic and (magic != b"BM" or b"\0" in head[:64]):
            return kind
    return _text_kind(head)


def _text_kind(head: bytes) -> Kind:
    text = decoded(head)
    if text is None:
        return Kind("", "a binary file of an unknown kind")
    begin = text.lstrip("\ufeff \t\r\n").lower()
    if head.startswith(_LFS):
        return Kind("", "a Git LFS pointer, which stands for the data", "Fetch the data with: git lfs pull")
    if begin.startswith(("<!doctype html", "<html", "<head", "<body")):
        return _WEB_PAGE
    if begin.startswith("<"):
        return Kind("", "an XML document or web page", _WEB_PAGE.advice)
    if begin.startswith("{"):
        return JSON
    return TEXT


def decoded(head: bytes) -> str | None:
    """Return the beginning of a text, which may be cut within a character; None where it is no text."""
    encoding = text_encoding(head)
    try:
        text = head.decode(encoding)
    except UnicodeDecodeError as error:
        if len(head) - error.start > 4:
            return None
        text = head[: error.start].decode(encoding)
    return None if any(ord(letter) < 32 and letter not in "\t\r\n\f" for letter in text) else text


def text_encoding(head: bytes) -> str:
    """Return the encoding that a text's first bytes tell of, UTF-8 unless they do."""
    return "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
