"""OpenCV 4's HOGDescriptor, which OpenCV 5 has no more, in a process of its own: the user's cv2 stays what it is.

INPAINTX_BENCH_OPENCV4 names the Python of an environment that has it:

    python -m venv opencv4 && opencv4/bin/pip install "opencv-python-headless<5" numpy
    INPAINTX_BENCH_OPENCV4=$PWD/opencv4/bin/python make bench
"""

import os
import subprocess
import sys


class HOGDescriptor:
    """Computes one random grey image of a side at each call; tells the seconds that it measured itself."""

    def __init__(self, side, threads):
        self.process = subprocess.Popen(
            [os.environ["INPAINTX_BENCH_OPENCV4"], __file__, str(side), str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.version = self.process.stdout.readline().strip()

    def __call__(self):
        from inpaintx.benchmark import Seconds  # not at the top: the other process has no inpaintx

        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return Seconds(self.process.stdout.readline())

    def close(self):
        self.process.communicate()


def available():
    """Whether the environment is named."""
    return bool(os.environ.get("INPAINTX_BENCH_OPENCV4"))


def serve(side, threads):
    """The other side: a line in, the seconds of one descriptor out."""
    import time

    import cv2
    import numpy as np

    cv2.setNumThreads(threads)
    image = np.random.default_rng(0).integers(0, 256, (side, side), dtype=np.uint8)
    descriptor = cv2.HOGDescriptor((side, side), (16, 16), (8, 8), (8, 8), 9)
    print(cv2.__version__, flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        descriptor.compute(image)
        print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]))
