"""The process that fills: it can be stopped at any moment, and what it used is given back when it ends."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from inpaintx.errors import InpaintxError

__all__ = ["CanceledError", "Worker"]

POLL = 0.1  # seconds between two looks at whether the work was canceled
DIED = "the fill ended early, most likely for want of memory: take a smaller photo or fewer samples, and try again"


class CanceledError(Exception):
    """The work was stopped by who asked for it."""


class Worker:
    """One process, started anew where it was stopped or died; work is done one after the other."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._process: Any = None
        self._pipe: Connection | None = None

    def run(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        progress: Callable[[float], None] = lambda share: None,
        canceled: threading.Event | None = None,
    ) -> Any:
        """Call ``function(*arguments, progress)`` in the process.

        Parameters
        ----------
        function
            Of a module; it, its arguments and its result are pickled.
        progress
            Gets shares of the work that are done.
        canceled
            Stops the work, and the process with it, when it is set.

        Raises
        ------
        CanceledError
            ``canceled`` was set.
        InpaintxError
            As of ``function``; or the process died.
        """
        with self._turn:
            if canceled is not None and canceled.is_set():
                raise CanceledError
            pipe = self._started()
            try:
                pipe.send((function, arguments))
                while True:
                    while not pipe.poll(POLL):
                        if canceled is not None and canceled.is_set():
                            raise CanceledError
                    kind, value = pipe.recv()
                    if kind == "progress":
                        progress(value)
                    elif kind == "done":
                        return value
                    else:
                        raise InpaintxError(value)
            except InpaintxError:
                raise
            except BaseException as error:  # nobody waits for the answer any more, or none will come
                self._stop()
                if isinstance(error, EOFError | OSError):
                    raise InpaintxError(DIED) from None
                raise

    def close(self) -> None:
        """End the process."""
        self._stop()

    def _started(self) -> Connection:
        if self._process is not None and self._process.is_alive() and self._pipe is not None:
            return self._pipe
        self._stop()
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True, name="inpaintx web: fills")
        self._process.start()
        theirs.close()
        return self._pipe

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process.close()
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None


def _serve(pipe: Connection) -> None:
    """Do what comes through the pipe until its other end is closed."""
    from inpaintx.io.memory import ran_out
    from inpaintx.io.opencv import quiet_cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the server, which ends this process
    quiet_cv2()

    def progress(share: float) -> None:
        pipe.send(("progress", share))

    while True:
        try:
            function, arguments = pipe.recv()
        except (EOFError, OSError):
            return
        answer: tuple[str, Any]
        try:
            answer = "done", function(*arguments, progress)
        except InpaintxError as error:
            answer = "error", str(error)
        except Exception as error:
            answer = "error", DIED if ran_out(error) else f"the fill failed ({type(error).__name__})"
            if not ran_out(error):
                import traceback

                traceback.print_exc()
        finally:
            with suppress(OSError):
                os.chdir("/")  # so that the folder can go
        with suppress(OSError):
            pipe.send(answer)
