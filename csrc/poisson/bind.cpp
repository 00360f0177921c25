// pybind11: the op as a plain function, and the solver that is prepared once for a mask.
#include <torch/csrc/utils/pybind.h>

#include "ops.h"
#include "poisson/poisson_solver.h"

namespace py = pybind11;

void bind_poisson(py::module_& m) {
  using inpaintx::PoissonSolver;
  m.def("poisson_blend", &inpaintx::ops::PoissonBlend::call, py::arg("fill"), py::arg("image"), py::arg("mask"),
        py::arg("tol") = 1e-6, py::arg("max_iter") = py::none(), py::arg("hierarchy") = py::none(),
        py::call_guard<py::gil_scoped_release>());

  py::class_<PoissonSolver>(m, "PoissonSolver", R"(Poisson blending prepared once for a mask and used for many images.

Parameters
----------
mask : Tensor
    ``[H,W]``, ``[1,1,H,W]`` or ``[B,1,H,W]`` on the CPU or CUDA, 1 = hole (above 0.5), any real dtype or bool.

Notes
-----
The result is that of :func:`inpaintx.ops.poisson_blend`, bit for bit, without gradients.
)")
      .def(py::init<const at::Tensor&>(), py::arg("mask"), py::call_guard<py::gil_scoped_release>())
      .def("solve", &PoissonSolver::solve, py::arg("fill"), py::arg("image"), py::arg("tol") = 1e-6,
           py::arg("max_iter") = py::none(), py::call_guard<py::gil_scoped_release>(),
           "Blend ``fill`` into ``image``, both ``[B,C,H,W]``; a solver of one mask takes any batch.")
      .def_property_readonly("bytes", &PoissonSolver::bytes, "Memory that the prepared state holds, in bytes.")
      .def_property_readonly(
          "shape", [](const PoissonSolver& s) { return py::tuple(py::cast(s.shape())); },
          "Shape of the prepared mask, ``(B, 1, H, W)``.")
      .def_property_readonly("last", &PoissonSolver::last,
                             "Cycles and relative residual of the latest solve, the largest of its images. On CUDA the "
                             "cycles are the most that may be run, and the residual is not measured (NaN).");
}
