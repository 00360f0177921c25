"""Contact sheets."""

import numpy as np
import pytest
from toy_methods import box, noise

from inpaintx import InpaintxError
from inpaintx.viz.contact_sheet import Cell, contact_sheet, show_hole


def test_contact_sheet():
    photo, hole = noise(64, 48), box(64, 48)
    sheet = contact_sheet(
        [[Cell(show_hole(photo, hole), ["a", "b"]), Cell(photo[..., 0])], [Cell(None, ["é"])]], tile=64
    )
    assert sheet.dtype == np.uint8
    assert sheet.shape == (12 + 64 + 40 + 12 + 64 + 20 + 12, 12 + 2 * 76, 3)
    np.testing.assert_array_equal(sheet[12:76, 12:60], show_hole(photo, hole))
    assert (sheet[76:116] < 200).any()  # letters
    for kind in (photo.astype(np.float32) / 255, photo.astype(np.uint16) * 257, np.dstack([photo, photo[..., :1]])):
        assert contact_sheet([[Cell(kind)]], tile=64).shape == (88, 88, 3)
    with pytest.raises(InpaintxError, match="at least one"):
        contact_sheet([])
    with pytest.raises(InpaintxError, match="cell's picture"):
        contact_sheet([[Cell(np.zeros((2, 2, 7), np.uint8))]])
