// Magnitudes of a solve's data: brought near 1 where they lie far from it, for residuals are measured by sums of
// squares and the coarse grids work in float32; and the error that a cycle leaves.
#pragma once

#include <climits>
#include <vector>

#include "poisson/cpu/cycle.h"

namespace inpaintx::poisson {

constexpr int kSpoilt = INT_MIN;  // instead of an exponent: the data are no finite numbers

// Spans whose values count: those that hold data of the boundary, or all that are in use.
enum class Among { mixed, all };

// Largest absolute value of a channel; infinite where one is not finite.
template <class T>
double largest(const Level& level, const HalfRows<T>& values, int channel, Among among);

// Largest residual of a hole pixel in the mixed spans. rhs: null for the blend.
template <class T>
double largest_residual(const Level& level, const HalfRows<T>& v, const HalfRows<T>* rhs, int channel);

// Divides channels with a norm far from 1 by a power of two. Returns the exponents, or nothing where none was divided;
// what is spoilt becomes zero.
template <class T>
std::vector<int> bring_near_one(const Level& level, const HalfRows<T>& values, Among among,
                                const std::vector<double>& norms);

// Multiplies all by the powers of two; what is spoilt becomes NaN.
template <class T>
void bring_back(const Level& level, const HalfRows<T>& values, const std::vector<int>& exponents);

// Largest correction that the latest cycle brought from the coarse grids, a channel.
std::vector<double> corrections(const Level& coarse, const Rows<float>& value);

}  // namespace inpaintx::poisson
