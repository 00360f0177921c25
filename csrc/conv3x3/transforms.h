// The kernels of image_view.h for one instruction set. Included in a namespace of its own that defines kLanes, the
// floats of a vector, and kRows, how many pairs of vectors fit the registers beside what is added to them. A vector
// holds as many channels: so the transforms need no shuffles, and those of all tiles are the same few additions.
//
// The points of interpolation are 0, +-a, +-b and infinity (Lavin and Gray take a = 1, b = 2). With a = 5/8 and b = 3/2
// rounding does less than half of what it does with these: the entries of the matrices lie nearer to each other, and
// all products of powers of a and b below are exact in float32. One matrix follows from the points:
//   B^T  (to_terms)          rows are the polynomials that vanish at the other points
//   G    (weights_to_terms)  rows (1, p, p^2) / the product of p's distances to the other points
//   A^T  (to_result_row)     columns (1, p, p^2, p^3)
// to_gradients is A and terms_to_weights is G^T: the transposes, for the gradient of the weights.

#include "common/vectors.h"

constexpr int64_t kPanel = 2 * kLanes;
constexpr float kA = 0.625f, kB = 1.5f, kA2 = kA * kA, kB2 = kB * kB;
constexpr float kNormA = 1 / (2 * kA2 * (kA2 - kB2)), kNormB = 1 / (2 * kB2 * (kB2 - kA2)), kNorm0 = 1 / (kA2 * kB2);

// Along an axis: six sources to terms, terms to four results; and a result's gradient to those of the terms.
inline void to_terms(const Vector (&d)[6], Vector (&t)[6]) {
  const Vector even_a = d[4] - kB2 * d[2], odd_a = kA * (d[3] - kB2 * d[1]);
  const Vector even_b = d[4] - kA2 * d[2], odd_b = kB * (d[3] - kA2 * d[1]);
  t[0] = d[4] - (kA2 + kB2) * d[2] + (kA2 * kB2) * d[0];
  t[1] = even_a + odd_a, t[2] = even_a - odd_a;
  t[3] = even_b + odd_b, t[4] = even_b - odd_b;
  t[5] = d[5] - (kA2 + kB2) * d[3] + (kA2 * kB2) * d[1];
}
inline void to_result_row(const Vector (&t)[6], Vector (&y)[4]) {
  const Vector even_a = t[1] + t[2], odd_a = t[1] - t[2], even_b = t[3] + t[4], odd_b = t[3] - t[4];
  y[0] = t[0] + even_a + even_b;
  y[1] = kA * odd_a + kB * odd_b;
  y[2] = kA2 * even_a + kB2 * even_b;
  y[3] = (kA * kA2) * odd_a + (kB * kB2) * odd_b + t[5];
}
inline void to_gradients(const Vector (&y)[4], Vector (&t)[6]) {
  const Vector even_a = y[0] + kA2 * y[2], odd_a = kA * y[1] + (kA * kA2) * y[3];
  const Vector even_b = y[0] + kB2 * y[2], odd_b = kB * y[1] + (kB * kB2) * y[3];
  t[0] = y[0];
  t[1] = even_a + odd_a, t[2] = even_a - odd_a;
  t[3] = even_b + odd_b, t[4] = even_b - odd_b;
  t[5] = y[3];
}

// Three weights to terms, and the terms' gradients to those of three weights.
inline void weights_to_terms(const Vector (&g)[3], Vector (&t)[6]) {
  const Vector even_a = kNormA * (g[0] + kA2 * g[2]), odd_a = (kNormA * kA) * g[1];
  const Vector even_b = kNormB * (g[0] + kB2 * g[2]), odd_b = (kNormB * kB) * g[1];
  t[0] = kNorm0 * g[0];
  t[1] = even_a + odd_a, t[2] = even_a - odd_a;
  t[3] = even_b + odd_b, t[4] = even_b - odd_b;
  t[5] = g[2];
}
inline void terms_to_weights(const Vector (&t)[6], Vector (&g)[3]) {
  const Vector even_a = kNormA * (t[1] + t[2]), even_b = kNormB * (t[3] + t[4]);
  g[0] = kNorm0 * t[0] + even_a + even_b;
  g[1] = (kNormA * kA) * (t[1] - t[2]) + (kNormB * kB) * (t[3] - t[4]);
  g[2] = kA2 * even_a + kB2 * even_b + t[5];
}

// At most kLanes pixels that lie one after the other in each of at most kLanes planes, to [pixel][plane], and back.
// `whole`: that many; else there are `count` and `lanes`.
template <bool whole>
inline void block_from_planes(const float* from, int64_t plane, int64_t lanes, int64_t count, Vector* to) {
  if constexpr (whole) lanes = count = kLanes;
  Vector block[kLanes];
#pragma GCC unroll 16
  for (int64_t i = 0; i < kLanes; ++i) block[i] = i < lanes ? load_some(from + i * plane, count) : Vector{};
  transpose(block);
#pragma GCC unroll 16
  for (int64_t i = 0; i < kLanes; ++i) {
    if (i < count) to[i] = block[i];
  }
}
template <bool whole>
inline void block_to_planes(const Vector* from, int64_t count, float* to, int64_t plane, int64_t lanes) {
  if constexpr (whole) lanes = count = kLanes;
  Vector block[kLanes];
#pragma GCC unroll 16
  for (int64_t i = 0; i < kLanes; ++i) block[i] = i < count ? from[i] : Vector{};
  transpose(block);
#pragma GCC unroll 16
  for (int64_t i = 0; i < kLanes; ++i) {
    if (i < lanes) store_some(to + i * plane, block[i], count);
  }
}

// The same of any `count`: of the last block some pixels twice, rather than one by one.
inline void from_planes(const float* from, int64_t plane, int64_t lanes, int64_t count, Vector* to) {
  for (int64_t u = 0; u < count; u += kLanes) {
    u = count < kLanes ? 0 : std::min(u, count - kLanes);
    if (lanes == kLanes && count >= kLanes) {
      block_from_planes<true>(from + u, plane, lanes, count, to + u);
    } else {
      block_from_planes<false>(from + u, plane, lanes, count, to + u);
    }
  }
}
inline void to_planes(const Vector* from, int64_t count, float* to, int64_t plane, int64_t lanes) {
  for (int64_t u = 0; u < count; u += kLanes) {
    u = count < kLanes ? 0 : std::min(u, count - kLanes);
    if (lanes == kLanes && count >= kLanes) {
      block_to_planes<true>(from + u, count, to + u, plane, lanes);
    } else {
      block_to_planes<false>(from + u, count, to + u, plane, lanes);
    }
  }
}

// rows x columns pixels from (top, left) and kLanes channels from `channel`, zero outside, to [row][column][channel].
inline void gather(const ImageView<const float>& p, int64_t image, int64_t channel, int64_t top, int64_t left,
                   int64_t rows, int64_t columns, Vector* to) {
  const int64_t first = std::clamp<int64_t>(-left, 0, columns);
  const int64_t end = std::clamp<int64_t>(p.width - left, first, columns);
  const int64_t above = std::clamp<int64_t>(-top, 0, rows), below = std::clamp<int64_t>(p.height - top, above, rows);
  const int64_t lanes = std::clamp<int64_t>(p.channels - channel, 0, kLanes);
  const int64_t plane = p.height * p.width, seen = end - first;
  const float* from =
      p.data + (p.channels_last ? image * plane * p.channels + channel : (image * p.channels + channel) * plane);
  from += ((top + above) * p.width + left + first) * (p.channels_last ? p.channels : 1);
  const bool narrow = !p.channels_last && seen == p.width;  // then rows follow each other without a gap
  Vector whole[kSeen * (kSegment * kTile + 2)];
  if (narrow) from_planes(from, plane, lanes, (below - above) * seen, whole);
  for (int64_t r = 0; r < rows; ++r, to += columns) {
    if (r < above || r >= below) {
      for (int64_t u = 0; u < columns; ++u) to[u] = Vector{};
      continue;
    }
    for (int64_t u = 0; u < first; ++u) to[u] = Vector{};
    for (int64_t u = end; u < columns; ++u) to[u] = Vector{};
    if (narrow) {
      for (int64_t u = 0; u < seen; ++u) to[first + u] = whole[(r - above) * seen + u];
    } else if (p.channels_last) {
      const float* row = from + (r - above) * p.width * p.channels;
      for (int64_t u = 0; u < seen; ++u) to[first + u] = load_some(row + u * p.channels, lanes);
    } else {
      from_planes(from + (r - above) * p.width, plane, lanes, seen, to + first);
    }
    if (p.factors) {
      const float* factors = p.factors + image * p.factor_image + (top + r) * p.width + left;
      for (int64_t u = first; u < end; ++u) to[u] = factors[u] > 0.0f ? to[u] * factors[u] : Vector{};
    }
  }
}

// The other way, what lies inside.
inline void scatter(const ImageView<float>& p, int64_t image, int64_t channel, int64_t top, int64_t left, int64_t rows,
                    int64_t columns, const Vector* from) {
  const int64_t pitch = columns, lanes = std::min(kLanes, p.channels - channel), plane = p.height * p.width;
  rows = std::min(rows, p.height - top);
  columns = std::min(columns, p.width - left);
  float* to =
      p.data + (p.channels_last ? image * plane * p.channels + channel : (image * p.channels + channel) * plane);
  to += (top * p.width + left) * (p.channels_last ? p.channels : 1);
  if (!p.channels_last && pitch == p.width) return to_planes(from, rows * pitch, to, plane, lanes);
  for (int64_t r = 0; r < rows; ++r, from += pitch) {
    if (p.channels_last) {
      float* row = to + r * p.width * p.channels;
      for (int64_t u = 0; u < columns; ++u) store_some(row + u * p.channels, from[u], lanes);
    } else {
      to_planes(from, columns, to + r * p.width, plane, lanes);
    }
  }
}

// Of a segment's tiles and kLanes channels: n x n pixels of each to its terms, along one axis and then the other.
template <int64_t n, typename F>
// First down the columns, of which neighboring tiles share two, once for the whole segment; then along the rows, tile
// by tile, and stored.
inline void to_all_terms(const ImageView<const float>& p, const Segment& s, int64_t channel, const Terms& terms,
                         const F& along) {
  const int64_t columns = s.count * kTile + n - kTile;
  Vector seen[kSeen * (kSegment * kTile + kSeen - kTile)];
  gather(p, s.image, channel, s.y * kTile - p.lead[0], s.x * kTile - p.lead[1], n, columns, seen);
  for (int64_t u = 0; u < columns; ++u) {
    Vector d[n], t[kSeen];
    for (int64_t i = 0; i < n; ++i) d[i] = seen[i * columns + u];
    along(d, t);
    for (int64_t i = 0; i < kSeen; ++i) seen[i * columns + u] = t[i];
  }
  for (int64_t k = 0; k < s.count; ++k) {
    float* to = terms.data + (s.first + k) * terms.tile + channel / kPanel * terms.panel + channel % kPanel;
    for (int64_t i = 0; i < kSeen; ++i) {
      Vector d[n], t[kSeen];
      for (int64_t j = 0; j < n; ++j) d[j] = seen[i * columns + k * kTile + j];
      along(d, t);
      for (int64_t j = 0; j < kSeen; ++j) store(to + (i * kSeen + j) * terms.term, t[j]);
    }
  }
}

inline void transform_input(const ImageView<const float>& p, const Segment& s, int64_t channel, const Terms& terms) {
  to_all_terms<kSeen>(p, s, channel, terms, [](const Vector(&d)[6], Vector(&t)[6]) { to_terms(d, t); });
}

// The gradients of the terms, from those of the results.
inline void transform_gradient(const ImageView<const float>& p, const Segment& s, int64_t channel, const Terms& terms) {
  to_all_terms<kTile>(p, s, channel, terms, [](const Vector(&y)[4], Vector(&t)[6]) { to_gradients(y, t); });
}

// The results of kLanes channels from `channel`, of whose terms a panel of each tile follows the last one's.
inline void inverse_transform(const ImageView<float>& p, const Segment& s, int64_t channel, const float* terms,
                              int64_t term, const float* bias) {
  const int64_t columns = s.count * kTile;
  const Vector shift = bias ? load_some(bias + channel, std::min(kLanes, p.channels - channel)) : Vector{};
  Vector done[kTile * kSegment * kTile];
  for (int64_t k = 0; k < s.count; ++k) {
    const float* from = terms + (s.first + k) * kPanel + channel % kPanel;
    Vector half[6][4];
    for (int64_t j = 0; j < 6; ++j) {
      Vector t[6];
      for (int64_t i = 0; i < 6; ++i) t[i] = load(from + (i * 6 + j) * term);
      to_result_row(t, half[j]);
    }
    for (int64_t i = 0; i < 4; ++i) {
      Vector t[6], y[4];
      for (int64_t j = 0; j < 6; ++j) t[j] = half[j][i];
      to_result_row(t, y);
      for (int64_t j = 0; j < 4; ++j) done[i * columns + k * kTile + j] = p.factors ? y[j] : y[j] + shift;
    }
  }
  for (int64_t i = 0; p.factors && i < std::min(kTile, p.height - s.y * kTile); ++i) {
    const float* factors = p.factors + s.image * p.factor_image + (s.y * kTile + i) * p.width + s.x * kTile;
    for (int64_t u = 0; u < std::min(columns, p.width - s.x * kTile); ++u) {
      Vector& value = done[i * columns + u];
      value = factors[u] > 0.0f ? value * factors[u] + shift : Vector{};
    }
  }
  scatter(p, s.image, channel, s.y * kTile, s.x * kTile, kTile, columns, done);
}

inline void window_terms(const Vector (&window)[9], float* to, int64_t term) {
  Vector half[3][6];
  for (int64_t j = 0; j < 3; ++j) {
    const Vector g[3] = {window[j], window[3 + j], window[6 + j]};
    weights_to_terms(g, half[j]);
  }
  for (int64_t i = 0; i < 6; ++i) {
    const Vector g[3] = {half[0][i], half[1][i], half[2][i]};
    Vector t[6];
    weights_to_terms(g, t);
    for (int64_t j = 0; j < 6; ++j) store(to + (i * 6 + j) * term, t[j]);
  }
}

// See Kernels for the arguments. Windows of neighboring channels are transposed so that a vector holds one weight of as
// many channels; then each is 3 x 3 weights to 6 x 6 terms.
inline void transform_filter(const float* weight, int64_t apart, bool rotated, int64_t lanes, int64_t count,
                             const float* end, float* to, int64_t term) {
  for (int64_t low = 0; low < kPanel; low += kLanes, to += kLanes, weight += kLanes * (rotated ? 9 : apart)) {
    const int64_t here = std::clamp<int64_t>(lanes - low, 0, kLanes);
    if (rotated) {
      for (int64_t s = 0; s < count; ++s) {
        const float* from = weight + s * apart;
        // a window is read as one vector of 16 floats, or as two
        Vector window[9];
        for (int64_t first = 0; first < 9; first += kLanes) {
          Vector block[kLanes];
          for (int64_t i = 0; i < kLanes; ++i) {
            const float* row = from + i * 9 + first;
            block[i] = i < here ? load_some(row, end - row) : Vector{};
          }
          transpose(block);
          for (int64_t i = first; i < std::min<int64_t>(9, first + kLanes); ++i) window[8 - i] = block[i - first];
        }
        window_terms(window, to + s * kPanel, term);
      }
      continue;
    }
    for (int64_t first = 0; first < count; first += kLanes) {
      const int64_t floats = std::min(kLanes, count - first) * 9;
      Vector windows[kLanes * 9];
      for (int64_t u = 0; u < floats; u += kLanes) {
        Vector block[kLanes];
        for (int64_t i = 0; i < kLanes; ++i) {
          block[i] = i < here ? load_some(weight + i * apart + first * 9 + u, floats - u) : Vector{};
        }
        transpose(block);
        for (int64_t i = 0; i < kLanes; ++i) windows[u + i] = block[i];
      }
      for (int64_t s = 0; s * 9 < floats; ++s) {
        window_terms(reinterpret_cast<const Vector(&)[9]>(windows[s * 9]), to + (first + s) * kPanel, term);
      }
    }
  }
}

inline void inverse_transform_filter(const float* terms, int64_t term, int64_t count, float* weight) {
  for (int64_t c = 0; c < count; c += kLanes) {
    Vector half[6][3], window[2 * kLanes] = {};
    for (int64_t j = 0; j < 6; ++j) {
      Vector t[6];
      for (int64_t i = 0; i < 6; ++i) t[i] = load(terms + c + (i * 6 + j) * term);
      terms_to_weights(t, half[j]);
    }
    for (int64_t i = 0; i < 3; ++i) {
      Vector t[6], g[3];
      for (int64_t j = 0; j < 6; ++j) t[j] = half[j][i];
      terms_to_weights(t, g);
      for (int64_t j = 0; j < 3; ++j) window[i * 3 + j] = g[j];
    }
    for (int64_t first = 0; first < 9; first += kLanes) {
      transpose(reinterpret_cast<Vector(&)[kLanes]>(window[first]));
      for (int64_t i = 0; i < std::min(kLanes, count - c); ++i) {
        store_some(weight + (c + i) * 9 + first, window[first + i], 9 - first);
      }
    }
  }
}

// n rows of a product.
template <int n>
void multiply_rows(const Product& p, int64_t first) {
  Vector sum[n][2] = {};
  const float *left = p.left + first * p.left_row, *right = p.right;
  for (int64_t l = 0; l < p.length; ++l, left += p.left_step, right += kPanel) {
    const Vector v0 = load(right), v1 = load(right + kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < n; ++r) {
      const float factor = left[r * p.left_row];
      sum[r][0] += factor * v0, sum[r][1] += factor * v1;
    }
  }
  float* to = p.sum + first * p.sum_row;
  for (int r = 0; r < n; ++r, to += p.sum_row) {
    store(to, p.add ? load(to) + sum[r][0] : sum[r][0]);
    store(to + kLanes, p.add ? load(to + kLanes) + sum[r][1] : sum[r][1]);
  }
}

template <int n = kRows>
void multiply_last(const Product& p, int64_t first, int64_t count) {
  if constexpr (n > 0) {
    count == n ? multiply_rows<n>(p, first) : multiply_last<n - 1>(p, first, count);
  }
}

// Rows in blocks of nearly equal height, at most kRows: 15 rows go as 8 and 7, not as 14 and 1, which would leave most
// of the registers idle in the second one.
inline void multiply(const Product& p) {
  const int64_t blocks = (p.rows + kRows - 1) / kRows;
  for (int64_t b = 0, first = 0; b < blocks; ++b) {
    const int64_t count = (p.rows - first + blocks - b - 1) / (blocks - b);
    multiply_last(p, first, count);
    first += count;
  }
}

constexpr Kernels kKernels{
    kLanes,  kRows, transform_input, transform_gradient, inverse_transform, transform_filter, inverse_transform_filter,
    multiply};
