"""Picture formats: their suffixes, and how a file's first bytes tell them apart."""

from pathlib import Path

__all__ = ["READABLE", "WRITABLE", "format_of", "result_name"]

WRITABLE = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jfif": "JPEG",
    ".webp": "WebP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
# what a folder is searched for; whether a file can be read is found out by its content
READABLE = {
    **WRITABLE,
    ".jpe": "JPEG",
    ".bmp": "BMP",
    ".gif": "GIF",
    ".avif": "AVIF",
    ".jp2": "JPEG 2000",
    ".j2k": "JPEG 2000",
    ".heic": "HEIC",
    ".heif": "HEIC",
}
BRANDS = {b"avif": "AVIF", b"avis": "AVIF"} | dict.fromkeys(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIC"
)
MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"8BPS", "Photoshop (PSD)"),
    (b"%PDF", "PDF"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"IIRO", "camera raw (ORF)"),
    (b"IIU\0", "camera raw (RW2)"),
    (b"FUJIFILMCCD-RAW", "camera raw (RAF)"),
    (b"<svg", "SVG"),
    (b"<?xml", "XML"),
)


def format_of(data: bytes) -> str | None:
    """Name the format of a file by its first bytes; None where they are of none that is known."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[4:8] == b"ftyp":
        # HEIC and AVIF share the brand mif1, so that a more exact one among those that follow decides
        brands = [data[8:12]] + [data[i : i + 4] for i in range(16, min(int.from_bytes(data[:4], "big"), 256), 4)]
        known = [BRANDS[brand] for brand in brands if brand in BRANDS]
        if "AVIF" in known:
            return "AVIF"
        return known[0] if known else "MP4 or another film" if data[8:12] != b"crx " else "camera raw (CR3)"
    if data[:2] == b"BM" and data[14:18] in (
        b"\x0c\0\0\0",
        b"\x28\0\0\0",
        b"\x34\0\0\0",
        b"\x38\0\0\0",
        b"\x6c\0\0\0",
        b"\x7c\0\0\0",
    ):
        return "BMP"
    return next((name for magic, name in MAGIC if data.startswith(magic)), None)


def result_name(name: str) -> str:
    """Name a photo's result like the photo itself; ``.png`` instead of a suffix that is not written."""
    path = Path(name)
    return name if path.suffix.lower() in WRITABLE else f"{path.stem}.png"
