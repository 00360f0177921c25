"""The server: limits, a private folder, and who may come in."""

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inpaintx.errors import InpaintxError
from inpaintx.io.optional import require

__all__ = ["MEGABYTES", "Address", "serve"]

MEGABYTES = 200  # of one upload: 50 megapixels of 16 bits in four channels are more, as PNG seldom
UPLOADS, WAITING = 8, 64  # at once, and those that wait beside them
QUEUE = 32  # fills that wait; more are sent away with a word
DISK = 8 * 2**30  # bytes of the private folder above which nothing more is taken


@dataclass(frozen=True)
class Address:
    """Where the server listens, and for whom.

    Parameters
    ----------
    host, port
        ``port`` None: the first free one from 7860.
    auth
        ``"user:password"``, or None.
    no_auth
        That anybody who reaches another host than loopback may use it.
    """

    host: str = "127.0.0.1"
    port: int | None = None
    auth: str | None = None
    no_auth: bool = False

    def check(self) -> None:
        """Hold the choice against the rule that nobody is let in from outside unawares.

        Raises
        ------
        InpaintxError
            Says what is missing.
        """
        if self.auth is not None and not all(self.auth.partition(":")):
            raise InpaintxError("--auth takes user:password")
        if self.auth is not None and self.no_auth:
            raise InpaintxError("--auth and --no-auth exclude each other")
        if self.host not in ("127.0.0.1", "localhost", "::1") and self.auth is None and not self.no_auth:
            raise InpaintxError(
                f"--host {self.host} lets other machines in: give --auth user:password, or --no-auth if anybody may"
            )


def serve(address: Address, *, api_only: bool = False, ready: Callable[[str], None] = lambda url: None) -> None:
    """Serve the page until Ctrl-C.

    Parameters
    ----------
    ready
        Gets the page's address when it can be opened.

    Raises
    ------
    InpaintxError
        Gradio is missing, the address is refused by :meth:`Address.check`, or its port is taken.
    """
    address.check()
    require("web", "the page", "gradio")
    with _private_folder() as root:
        from inpaintx.web import app
        from inpaintx.web.actions import Actions
        from inpaintx.web.limits import Limits
        from inpaintx.web.session import Sessions
        from inpaintx.web.work import describe
        from inpaintx.web.worker import Worker

        worker = Worker()
        # as Ctrl-C: what is private is removed, and the process that fills ends
        before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        try:
            page = app.build(Actions(Sessions(root), worker), worker.run(describe), page=not api_only)
            page.queue(max_size=QUEUE, default_concurrency_limit=4)
            limits: Any = {
                "most": MEGABYTES * 2**20,
                "at_once": UPLOADS,
                "waiting": WAITING,
                "folder": root,
                "disk": DISK,
            }
            _, url, _ = page.launch(
                server_name=address.host,
                server_port=address.port,
                auth=None if address.auth is None else tuple(address.auth.split(":", 1)),
                max_file_size=MEGABYTES * 2**20,
                app_kwargs={"middleware": [_middleware(Limits, **limits)]},
                footer_links=["api"],
                theme=app.THEME,
                css=app.CSS,
                head=app.HEAD,
                show_error=True,
                quiet=True,
                share=False,
                ssr_mode=False,
                run_history=False,
                enable_monitoring=False,
                prevent_thread_lock=True,
            )
            ready(url)
            page.block_thread()
        except OSError as error:
            raise InpaintxError(str(error).splitlines()[0]) from None
        finally:
            worker.close()
            signal.signal(signal.SIGTERM, before)


def _middleware(kind: Any, **options: Any) -> Any:
    from starlette.middleware import Middleware

    return Middleware(kind, **options)


@contextmanager
def _private_folder() -> Iterator[Path]:
    """A folder that only this user may read, for all that Gradio and the sessions write; it goes with the server."""
    root = Path(tempfile.mkdtemp(prefix="inpaintx-web-"))
    kept = {name: os.environ.get(name) for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED")}
    os.environ |= {"GRADIO_TEMP_DIR": str(root), "GRADIO_ANALYTICS_ENABLED": "False"}
    try:
        yield root
    finally:
        for name, value in kept.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        shutil.rmtree(root, ignore_errors=True)
