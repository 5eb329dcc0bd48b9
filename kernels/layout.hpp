// Shapes and strides: how many elements, which bytes, who overlaps whom, and the smallest loop nest that visits them.
#pragma once

#include "sigmax/sigmax.hpp"

namespace sigmax {

inline std::int64_t size_of(dtype t) noexcept {
  switch (t) {
    case dtype::f16:
    case dtype::bf16: return 2;
    case dtype::boolean:
    case dtype::f8_e4m3:
    case dtype::f8_e5m2:
    case dtype::i8: return 1;
    case dtype::i64: return 8;
    default: return 4;
  }
}

/// Element `offset` of i32 or i64 memory.
inline std::int64_t target_at(const void* data, dtype type, std::int64_t offset) noexcept {
  return type == dtype::i32 ? static_cast<const std::int32_t*>(data)[offset]
                            : static_cast<const std::int64_t*>(data)[offset];
}

/// The number of elements, or -1 if it does not fit (or an extent is negative).
std::int64_t element_count(const const_view& v) noexcept;

/// The bytes a non-empty view spans, as addresses [first, last]. False if that range leaves the
/// address space or is longer than 2^60.
struct byte_range {
  std::uintptr_t first, last;
};
bool byte_range_of(const const_view& v, byte_range& range) noexcept;

/// Whether all elements of v lie in distinct memory. Conservative: exotic interleaved strides count as overlapping.
bool elements_distinct(const const_view& v) noexcept;

/// Whether an element of a may share memory with one of b. Exact for disjoint ranges, for views that lie side by side
/// in rows of one workspace, and for views of equal dtype and strides; conservative otherwise.
bool may_overlap(const const_view& a, const const_view& b) noexcept;

/// Same memory, same meaning: the one overlap that is allowed.
bool identical(const const_view& a, const const_view& b) noexcept;

inline constexpr int max_views = 13;

/// A loop nest over views of one shape. Extents of 1 are dropped, the loops are ordered by falling stride of the
/// `leader` (the output), and neighbours that are one run of memory in every view are merged; so what is dense ends as
/// a single loop. At least one loop is left; `skipped` is a dimension to leave out (softmax's axis), or -1.
struct loop_nest {
  int rank, views;
  std::int64_t extent[max_rank];
  std::int64_t stride[max_views][max_rank];

  /// One loop over n elements that are dense in every view.
  void make_dense(std::int64_t n, int count) noexcept {
    rank = 1;
    views = count;
    extent[0] = n;
    for (int v = 0; v < views; ++v) stride[v][0] = 1;
  }
  std::int64_t count() const noexcept;
  bool contiguous() const noexcept;
};
/// Written where it stays: it is large.
void make_nest(loop_nest& nest, const const_view* const* views, int count, int leader, int skipped) noexcept;

/// Walks a nest in order from the element with the given number: `run()` elements lie along the innermost loop at
/// `offset(which view)`, `advance(n)` passes n <= run() of them.
class nest_cursor {
 public:
  nest_cursor(const loop_nest& nest, std::int64_t element) noexcept;
  std::int64_t run() const noexcept { return nest_.extent[nest_.rank - 1] - index_[nest_.rank - 1]; }
  std::int64_t offset(int which) const noexcept { return offset_[which]; }
  void advance(std::int64_t n) noexcept;

 private:
  const loop_nest& nest_;
  std::int64_t index_[max_rank] = {};
  std::int64_t offset_[max_views] = {};
};

}  // namespace sigmax
