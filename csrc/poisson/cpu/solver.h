// Poisson blending of any number of images with one mask, on raw pointers. See math.h for the equations.
//
// A Solver may be used by several threads at once: the hierarchy is read only, and the arrays of the latest solve are
// handed to whoever comes first.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>

#include "poisson/cpu/images.h"

namespace inpaintx::poisson {

struct Parameters {
  double tol = 1e-6;    // stop when |residual| <= tol |right-hand side| in every channel, and errors fit
  int max_cycles = 50;  // or after so many cycles, or when cycles no longer help
  bool report = true;   // whether the outcome of a solve that max_cycles ends tells its residual
};

struct SolveInfo {
  int cycles = 0;
  double residual = 0;  // |residual| / |right-hand side|, the largest of the channels
};

class Solver {
 public:
  // mask: [height, width] bytes, 0 or 1, 1 = hole; read here only.
  Solver(const uint8_t* mask, int64_t height, int64_t width);
  ~Solver();

  // result = image outside the hole, bit for bit; inside, fill + v. Pixels of `image` under the hole are never used.
  //   fill, image  [channels, height, width] in float or double, rows contiguous, read
  //   result       the same, written in whole; must not overlap the others
  //   p            when to stop
  // Returns the cycles that were run and the residual, the largest of the channels.
  template <class T>
  SolveInfo blend(Planes<const T> fill, Planes<const T> image, Planes<T> result, int channels,
                  const Parameters& p) const;

  // Gradients of fill and image from that of the result, to p's tolerance: the adjoint of blend, by another solve with
  // the same (symmetric) matrix.
  //   grad         [channels, height, width], rows contiguous, read
  //   fill, image  the same, written in whole
  template <class T>
  SolveInfo adjoint(Planes<const T> grad, Planes<T> fill, Planes<T> image, int channels, const Parameters& p) const;

  int64_t height() const { return hierarchy_.height; }
  int64_t width() const { return hierarchy_.width; }
  size_t bytes() const;

 private:
  template <class T>
  struct Arrays;
  template <class T>
  class Cycles;
  template <class T>
  std::unique_ptr<Arrays<T>> borrow(int channels) const;
  template <class T>
  void give_back(std::unique_ptr<Arrays<T>> arrays) const;
  template <class T>
  SolveInfo solve(Arrays<T>& arrays, bool with_rhs, const Parameters& p) const;

  Hierarchy hierarchy_;
  // The arrays of the latest solve, kept for the next one; a solve that runs beside it makes its own.
  mutable std::mutex mutex_;
  mutable std::unique_ptr<Arrays<float>> single_;
  mutable std::unique_ptr<Arrays<double>> double_;
};

}  // namespace inpaintx::poisson
