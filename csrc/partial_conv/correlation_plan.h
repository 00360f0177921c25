// How correlation_kernel.h cuts a correlation into tiles and blocks. Included where it is, for each instruction set
// anew.

constexpr int64_t kNarrow = 8;  // results in a row of blocks that are as high as wide: slower, and leave out more

// How many channels or results a block takes: as many as there is room for, and few of the last block's left empty.
// cost: a block's sums take `count` multiplications a source value, and loading that value about one more.
inline int64_t block_size(int64_t total) {
  const auto cost = [&](int64_t count) { return (total + count - 1) / count * (count + 1); };
  int64_t best = kMost;
  for (int64_t count = kMost - 1; count > 0; --count) best = cost(count) < cost(best) ? count : best;
  return best;
}

// How a correlation is cut into tiles and blocks.
//   c        its sizes; no value is read
//   compact  whether so many results are left out that narrow blocks pay. Asked only where the answer matters: it reads
//            the whole mask
// Depends on nothing that differs between threads. kBytes is for the sources of a tile, which stay in a core's own
// cache while all of its results are summed; above kRows rows the share of rows that neighboring tiles both read is
// small.
template <typename F>
Plan plan(const Correlation& c, const F& compact) {
  constexpr int64_t kBytes = 512 << 10, kRows = 16;
  Plan p{};
  int64_t rows = 0, columns = 0;
  for (const Phase& phase : c.phases) {
    rows = std::max(rows, phase.rows);
    columns = std::max(columns, phase.columns);
  }
  p.columns = std::min((columns + kLanes - 1) / kLanes * kLanes, kTileColumns);
  const bool by_rows = !c.to.channels_last || c.to.channels <= kLanes;
  p.wide = !by_rows ? 0 : kNarrow < kLanes && columns < 8 * kLanes && compact() ? kNarrow : kLanes;
  const int64_t high = by_rows ? 2 * kLanes / p.wide : 1;
  p.count = block_size(by_rows ? c.to.channels : std::min(columns, p.columns));
  p.width = by_rows ? p.count : 2 * kLanes;
  const int64_t wide = by_rows ? p.wide : p.count;
  int64_t reach[2];
  for (int axis : {0, 1}) {
    int64_t least = INT64_MAX, most = INT64_MIN;
    for (const Phase& phase : c.phases) {
      for (const auto& tap : phase.taps) {
        least = std::min(least, tap.shift[axis]);
        most = std::max(most, tap.shift[axis]);
      }
    }
    p.least[axis] = least;
    reach[axis] = most - least + 1;
  }
  p.seen[1] = (p.columns - 1) * c.step[1] + reach[1];
  p.pitch = (p.seen[1] + c.step[1] - 1) / c.step[1] + kLanes;  // blocks at the edge read beyond
  p.row = c.from.channels * c.step[1] * p.pitch;
  const auto seen = [&](int64_t count) { return (count - 1) * c.step[0] + reach[0]; };
  p.rows = std::min(kRows, (rows + high - 1) / high * high);
  while (p.rows > high && seen(p.rows) * p.row * static_cast<int64_t>(sizeof(float)) > kBytes) p.rows -= high;
  p.seen[0] = seen(p.rows);
  p.blocks = (p.rows + high - 1) / high * ((p.columns + wide - 1) / wide);
  p.down = (rows + p.rows - 1) / p.rows;
  p.across = (columns + p.columns - 1) / p.columns;
  return p;
}
