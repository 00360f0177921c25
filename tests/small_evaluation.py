"""A set of five small pictures, and an evaluation that takes no time."""

import pytest
import torch
from face_sets import plain

SMALL = {"size": 32, "split": None, "batch_size": 2, "masks": ["centre", "discard"]}
NAMES = [f"{n}.png" for n in "abcde"]


@pytest.fixture
def five_faces(tmp_path, monkeypatch):
    """Five pictures of 40 x 40 in the folder ``faces``, and no official weights anywhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INPAINTX_WEIGHTS", raising=False)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    return plain(tmp_path / "faces", NAMES)
