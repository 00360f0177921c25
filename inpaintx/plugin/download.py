"""Weight files that are fetched on request, checked before they are taken."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from inpaintx.errors import InpaintxError
from inpaintx.io.atomic import atomic_write, check_writable, make_folder
from inpaintx.io.digest import sha256
from inpaintx.io.names import printable
from inpaintx.io.weight_files import open_weights
from inpaintx.nn.official import WeightFile
from inpaintx.plugin.weight_lookup import download_folder

__all__ = ["fetch", "fetch_official", "hub_file"]

LOOPBACK = {"127.0.0.1", "::1", "localhost"}
HUB = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+?)(@(?P<revision>[\w.-]+))?(/(?P<file>[^?#]+))?")
HUB_FILE = "model.safetensors"  # where the hub's own tools look for a model's weights


def fetch(source: str, digest: str = "", out: Path | None = None, *, overwrite: bool = False) -> Path:
    """Fetch a weight file; it is written whole, and only if it is what was asked for.

    Parameters
    ----------
    source
        ``https://…``, with ``digest``; or an address of a model hub, as :func:`hub_file` takes it. ``http://`` is
        taken from this machine alone.
    digest
        SHA-256 of the file in hexadecimal.
    out
        Where to write it; default: :func:`inpaintx.plugin.weight_lookup.download_folder`, under the file's own name.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InpaintxError
        Another kind of source; no digest for a web address; no connection; another file than ``digest`` is of; not a
        weight file; a file in the way.
    """
    digest = digest.lower()
    if digest and not re.fullmatch("[0-9a-f]{64}", digest):
        raise InpaintxError(f"a SHA-256 has 64 hexadecimal digits, got {digest!r}")
    hub, url = HUB.fullmatch(source), urlsplit(source)
    plain = url.scheme == "http" and url.hostname in LOOPBACK
    if not hub and url.scheme != "https" and not plain:
        raise InpaintxError(
            f"weights are fetched from hf://owner/repo/file or https://…, got {printable(source)}; a file on this "
            "machine is given to --weights as it is"
        )
    if not hub and not digest:
        raise InpaintxError(f"{printable(source)} may change at any time: say which file is meant with --sha256")
    name = Path(unquote((hub["file"] or HUB_FILE) if hub else url.path)).name
    if not name.endswith(".safetensors"):
        raise InpaintxError(f"{printable(source)} does not name a .safetensors file")
    path = out or download_folder() / name
    with _checked(path, digest, source, overwrite) as part:
        if part is None:
            return path
        if hub:
            part.write_bytes(hub_file(source).read_bytes())
        else:
            _from_web(source, part)
    return path


def fetch_official(file: WeightFile, folder: Path | None = None, *, overwrite: bool = False) -> Path:
    """Fetch a file that others publish, and hold it against its SHA-256.

    Parameters
    ----------
    file
        Of :data:`inpaintx.nn.official.FETCHED`.
    folder
        Where to write it; default: :func:`inpaintx.plugin.weight_lookup.download_folder`.

    Returns
    -------
    Path
        The file; one that is there already is not fetched again.

    Raises
    ------
    InpaintxError
        No connection; another file than was expected; a file in the way.
    """
    path = (folder or download_folder()) / file.name
    with _checked(path, file.sha256, file.url, overwrite, weights=False) as part:
        if part is not None:
            _from_web(file.url, part)
    return path


@contextmanager
def _checked(path: Path, digest: str, source: str, overwrite: bool, *, weights: bool = True) -> Iterator[Path | None]:
    """A temporary file that becomes ``path`` if it is what was asked for; None: it is there already."""
    if path.is_file() and digest and sha256(path) == digest:
        yield None
        return
    if path.exists() and not overwrite:
        raise InpaintxError(f"{path} exists; give another name, or overwrite it (--overwrite)")
    make_folder(path.parent)
    check_writable(path)
    with atomic_write(path) as part:
        yield part
        found = sha256(part)
        if digest and found != digest:
            raise InpaintxError(f"{printable(source)} is another file than was asked for: its SHA-256 is {found}")
        if weights:
            open_weights(part)


def _from_web(url: str, out: Path) -> None:
    import torch.hub

    try:
        torch.hub.download_url_to_file(url, str(out), progress=True)
    except (OSError, ValueError) as error:  # ValueError: a malformed address
        raise InpaintxError(f"{printable(url)} could not be fetched: {printable(str(error))}") from None


def hub_file(source: str) -> Path:
    """Fetch a file of a model hub into the hub's own cache, or find it there.

    Parameters
    ----------
    source
        ``hf://owner/repo``, ``hf://owner/repo/file`` or ``hf://owner/repo@revision/file`` of the Hugging Face hub, or
        of the server that ``$HF_ENDPOINT`` names; the file is ``model.safetensors`` if not given.

    Returns
    -------
    Path
        The file in the cache; with ``$HF_HUB_OFFLINE=1``, no server is asked.

    Raises
    ------
    InpaintxError
        Another form of address; the extra ``[hub]`` is missing; no such file, no rights or no connection.
    """
    hub = HUB.fullmatch(source)
    if not hub:
        raise InpaintxError(f"a file of a model hub is named hf://owner/repo or hf://owner/repo/file, got {source}")
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        raise InpaintxError("hf:// needs the package huggingface_hub: pip install 'inpaintx[hub]'") from None
    try:
        return Path(hf_hub_download(hub["repo"], hub["file"] or HUB_FILE, revision=hub["revision"]))
    except Exception as error:  # its own kinds of many layers: no such file, no rights, no connection
        words = (str(error).splitlines() or [type(error).__name__])[0]
        raise InpaintxError(f"{source} could not be fetched: {printable(words)}") from None
