"""The one place that imports OpenCV, late, so that ``import inpaintx`` works without it."""

from typing import Any

from inpaintx.errors import InpaintxError

__all__ = ["import_cv2", "quiet_cv2"]

MEND = "pip uninstall -y opencv-python opencv-contrib-python && pip install --force-reinstall opencv-python-headless"


def import_cv2() -> Any:
    """Import OpenCV.

    Raises
    ------
    InpaintxError
        OpenCV is missing, or a system library that its windowed build wants (libGL on a server); says which command
        mends it.
    """
    try:
        import cv2
    except ModuleNotFoundError as error:
        if error.name != "cv2":
            raise
        raise InpaintxError("OpenCV is not installed; run: pip install opencv-python-headless") from None
    except ImportError as error:
        raise InpaintxError(
            f"OpenCV does not load ({error}). On a machine without a screen the headless build is the same cv2; "
            f"run: {MEND}"
        ) from None
    return cv2


def quiet_cv2() -> None:
    """Keep OpenCV from writing its own log to stderr; for programs, which say in their own words what went wrong."""
    cv2 = import_cv2()
    if hasattr(cv2, "setLogLevel"):  # OpenCV 4; later ones have it in utils.logging alone
        cv2.setLogLevel(0)
    elif hasattr(cv2.utils, "logging"):
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
