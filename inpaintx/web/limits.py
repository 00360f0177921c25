"""How much may come in at once."""

import asyncio
import json
from pathlib import Path
from typing import Any

__all__ = ["Limits"]


class Limits:
    """ASGI middleware: bounds the size of a request, the uploads at once, and what lies in the private folder.

    Parameters
    ----------
    app
        What is protected.
    most
        Bytes of one request's body.
    at_once, waiting
        Uploads that are received at one time, and those that may wait beside them.
    folder, disk
        The private folder, and the bytes in it above which no upload is taken.
    """

    def __init__(self, app: Any, most: int, at_once: int, waiting: int, folder: Path, disk: int) -> None:
        self.app, self.most, self.folder, self.disk = app, most + 2**20, folder, disk
        self.turn, self.room = asyncio.Semaphore(at_once), at_once + waiting
        self.now = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on, or answer it with a sentence."""
        if scope["type"] != "http" or scope["method"] not in ("POST", "PUT"):
            await self.app(scope, receive, send)
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self.most:
            await _refuse(send, 413, f"the upload is larger than {self.most >> 20} MB")
            return
        if not scope["path"].rstrip("/").endswith("/upload"):
            await self.app(scope, self._counted(receive), send)
            return
        if self.now >= self.room:
            await _refuse(send, 503, "many uploads are coming in at once; try again in a moment")
            return
        self.now += 1
        try:
            async with self.turn:
                if _size(self.folder) > self.disk:
                    await _refuse(send, 507, "the server's folder is full; try again later")
                else:
                    await self.app(scope, self._counted(receive), send)
        finally:
            self.now -= 1

    def _counted(self, receive: Any) -> Any:
        """Stop a body that is longer than it said."""
        came = 0

        async def counted() -> Any:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            return {"type": "http.disconnect"} if came > self.most else message

        return counted


async def _refuse(send: Any, status: int, words: str) -> None:
    body = json.dumps({"detail": words}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _size(folder: Path) -> int:
    """Bytes in a folder; files that go meanwhile count nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except OSError:
            continue
    return total
