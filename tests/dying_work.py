"""Work for a pool of actors whose processes die on request; imports nothing heavy, to be replaced quickly."""

import os
import signal
import time
from pathlib import Path


class Dying:
    """Doubles numbers; ``folder`` remembers which have killed a process."""

    def __init__(self, folder, always=(), once=(), seconds=0.0):
        self.folder, self.always, self.once, self.seconds = Path(folder), always, once, seconds

    def __call__(self, items):
        for item in items:
            before = len(list(self.folder.glob(f"{item}-*")))
            if item in self.always or (item in self.once and not before):
                (self.folder / f"{item}-{before}").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(self.seconds)
        return [(item, 2 * item) for item in items]

    def lost(self, item, words):
        return item, words
