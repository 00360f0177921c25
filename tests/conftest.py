import pytest
import torch
from small_evaluation import five_faces  # noqa: F401 - fixtures for every file
from toy_methods import folder, toys  # noqa: F401
from toy_training import toy, toy_faces  # noqa: F401

import inpaintx
from inpaintx.inference import pipeline

# Tests compare to 1e-5 and closer; TF32 has ten bits.
torch.backends.cudnn.allow_tf32 = False
torch.backends.cuda.matmul.allow_tf32 = False


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request):
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return request.param


@pytest.fixture
def threads():
    """Sets the number of threads, and gives back what was."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def no_model_of_another_test():
    pipeline._KEPT.models.clear()


def pytest_terminal_summary(terminalreporter):
    if inpaintx.build_info().get("emulated"):
        terminalreporter.write_line("the CUDA kernels were run, emulated on the CPU")
    elif not torch.cuda.is_available():
        terminalreporter.write_line("no CUDA device: the gpu tests were skipped, CUDA kernels were not run")
