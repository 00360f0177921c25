"""A run that is killed at any moment and resumed ends with the weights of one that was not, to the last bit."""

import os
import random
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from test_training import Seen, run, steps_kept
from toy_training import differing, weights

STEPS = 9
KILLED = """
import os, signal, sys
from test_training import run
from toy_training import ToyTrainer
from inpaintx.training import checkpoint

faces, out, moment, number = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
put, states, train = checkpoint._put, [], ToyTrainer.step

def write(path, data):  # the networks' files are there already, the rest is not
    states.extend([path] * (path.name == checkpoint.STATE))
    if len(states) == number:
        os.kill(os.getpid(), signal.SIGKILL)
    put(path, data)

def step(self, batch):
    if self.steps + 1 == number:
        os.kill(os.getpid(), signal.SIGKILL)
    return train(self, batch)

if moment == "write":
    checkpoint._put = write
else:
    ToyTrainer.step = step
run(faces, out, steps=9, checkpoint_every=2, ema=0.9, workers=2)
"""


def python(script, *arguments, launcher=()):
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path, "INPAINTX_LOAD_PLUGINS": ""}
    command = [sys.executable, *launcher, script] if launcher else [sys.executable, "-c", script]
    return subprocess.run([*command, *map(str, arguments)], env=env, capture_output=True, text=True)


@pytest.mark.parametrize("moment", ["step", "write"])
def test_killed_and_resumed(toy_faces, tmp_path, moment):
    number = random.SystemRandom().randint(1, STEPS if moment == "step" else STEPS // 2 + 1)
    out = tmp_path / "killed"
    done = python(KILLED, toy_faces, out, moment, number)
    assert done.returncode == -signal.SIGKILL, done.stderr
    last = 2 * ((number - 1) // 2) if moment == "step" else 2 * (number - 1)
    assert steps_kept(out) == [step for step in (last - 2, last) if step > 0]
    assert bool(list((out / "checkpoints").glob(".*.part"))) == (moment == "write")
    options = {"checkpoint_every": 2, "ema": 0.9}
    seen = Seen()
    run(toy_faces, out, steps=STEPS, resume=True, watch=[seen], **options)
    begun = f"resumed after step {last}" if last else "yet (checkpoint_every=2): begins at step 0"
    assert any(begun in words for (words,) in seen.events("note"))
    run(toy_faces, tmp_path / "whole", steps=STEPS, **options)
    assert not differing(out, tmp_path / "whole"), f"killed at {moment} {number}"
    assert not list((out / "checkpoints").glob(".*.part"))


TWO = """
import sys
from test_training import run

if __name__ == "__main__":
    faces, out = sys.argv[1:]
    run(faces, out, batch=2, norm=False, noise=False, dropout=0, steps=5, validate_every=5, clip=0.5)
"""


def test_two_nodes_equal_one_process_with_the_doubled_batch(toy_faces, tmp_path):
    (tmp_path / "two.py").write_text(TWO)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # as docs/scale.md starts two machines, here both on loopback
    launcher = ["-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1"]
    launcher += ["--master-addr=127.0.0.1", f"--master-port={port}"]
    with ThreadPoolExecutor(2) as pool:
        runs = [
            pool.submit(
                python,
                tmp_path / "two.py",
                toy_faces,
                tmp_path / "two",
                launcher=[*launcher, f"--node-rank={node}"],
            )
            for node in (0, 1)
        ]
        for done in [run.result() for run in runs]:
            assert done.returncode == 0, done.stderr
    run(toy_faces, tmp_path / "one", batch=4, norm=False, noise=False, dropout=0, steps=5, clip=0.5)
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert one.keys() == two.keys()
    for key, tensor in one.items():
        torch.testing.assert_close(two[key], tensor, atol=1e-5, rtol=1e-4)
