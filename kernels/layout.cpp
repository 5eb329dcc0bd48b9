#include "layout.hpp"

#include <algorithm>
#include <cstdlib>

namespace sigmax {
namespace {

__extension__ using wide = __int128;  // strides times extents may pass 2^63 before they are refused

/// Bytes from the first to the last of a view: a few sums of such stay within 63 bits. No address space is as large.
constexpr std::int64_t most_span = std::int64_t{1} << 60;

struct dimension {
  std::int64_t extent, stride;  // stride >= 0
};

/// Dimensions with more than one element, by rising stride.
int sorted_dimensions(const const_view& v, dimension* out) noexcept {
  int n = 0;
  for (int i = 0; i < v.rank; ++i)
    if (v.shape[i] > 1) out[n++] = {v.shape[i], v.strides[i] < 0 ? -v.strides[i] : v.strides[i]};
  std::sort(out, out + n, [](const dimension& a, const dimension& b) { return a.stride < b.stride; });
  return n;
}

/// Whether some d with |d[i]| < extent[i] makes |sum d[i] stride[i] - delta| < size; every stride exceeds what the
/// smaller ones can reach together, so at each level only the two nearest multiples need a look.
bool reaches(const dimension* dims, int n, std::int64_t delta, std::int64_t size) noexcept {
  if (n == 0) return delta > -size && delta < size;
  const dimension& d = dims[n - 1];
  const std::int64_t quotient = delta / d.stride;
  for (std::int64_t q = quotient - 1; q <= quotient + 1; ++q)
    if (q > -d.extent && q < d.extent && reaches(dims, n - 1, delta - q * d.stride, size)) return true;
  return false;
}

}  // namespace

std::int64_t element_count(const const_view& v) noexcept {
  bool empty = false;
  for (int i = 0; i < v.rank; ++i) {
    if (v.shape[i] < 0) return -1;
    empty = empty || v.shape[i] == 0;
  }
  std::int64_t n = 1;
  if (empty) return 0;
  for (int i = 0; i < v.rank; ++i)
    if (__builtin_mul_overflow(n, v.shape[i], &n)) return -1;
  return n;
}

bool byte_range_of(const const_view& v, byte_range& range) noexcept {
  wide low = 0, high = 0;
  for (int i = 0; i < v.rank; ++i) {
    const wide reach = static_cast<wide>(v.shape[i] - 1) * v.strides[i];
    (reach < 0 ? low : high) += reach;
  }
  const wide base = reinterpret_cast<std::uintptr_t>(v.data);
  low = base + low * size_of(v.type);
  high = base + high * size_of(v.type) + size_of(v.type) - 1;
  if (low < 0 || high > static_cast<wide>(UINTPTR_MAX) || high - low > most_span) return false;
  range = {static_cast<std::uintptr_t>(low), static_cast<std::uintptr_t>(high)};
  return true;
}

bool elements_distinct(const const_view& v) noexcept {
  dimension dims[max_rank];
  const int n = sorted_dimensions(v, dims);
  wide reach = 0;
  for (int i = 0; i < n; ++i) {
    if (dims[i].stride <= reach) return false;
    reach += static_cast<wide>(dims[i].extent - 1) * dims[i].stride;
  }
  return true;
}

bool identical(const const_view& a, const const_view& b) noexcept {
  if (a.data != b.data || a.type != b.type || a.rank != b.rank) return false;
  for (int i = 0; i < a.rank; ++i)
    if (a.shape[i] != b.shape[i] || (a.shape[i] > 1 && a.strides[i] != b.strides[i])) return false;
  return true;
}

namespace {

/// The bytes of v modulo `period`, a window that may wrap around: what lies that far apart falls together.
struct residues {
  std::uintptr_t first, width;
  residues(const const_view& v, std::uintptr_t period) noexcept
      : first(reinterpret_cast<std::uintptr_t>(v.data)), width(static_cast<std::uintptr_t>(size_of(v.type))) {
    for (int i = 0; i < v.rank; ++i) {
      if (v.shape[i] <= 1) continue;  // whose stride may be anything
      const std::int64_t stride = v.strides[i] * size_of(v.type);
      const auto distance = static_cast<std::uintptr_t>(std::abs(stride));
      if (distance % period == 0) continue;
      const std::uintptr_t span = static_cast<std::uintptr_t>(v.shape[i] - 1) * distance;
      if (stride < 0) first -= span;
      width += span;
    }
    first %= period;
  }
};
/// Whether each lies in gaps of the other, as columns of one workspace or a row's scale behind its codes.
bool interleaved(const const_view& a, const const_view& b) noexcept {
  for (int i = 0; i < a.rank; ++i) {
    if (a.shape[i] <= 1 || a.strides[i] == 0) continue;
    const auto period = static_cast<std::uintptr_t>(std::abs(a.strides[i] * size_of(a.type)));
    const residues p(a, period), q(b, period);
    const std::uintptr_t ahead = (q.first + period - p.first) % period;
    if (p.width <= ahead && q.width <= period - ahead) return true;
  }
  return false;
}

}  // namespace

bool may_overlap(const const_view& a, const const_view& b) noexcept {
  byte_range p, q;
  if (!byte_range_of(a, p) || !byte_range_of(b, q)) return true;
  if (p.last < q.first || q.last < p.first || interleaved(a, b)) return false;
  if (a.type != b.type || a.rank != b.rank || !elements_distinct(b)) return true;
  for (int i = 0; i < a.rank; ++i)
    if (a.shape[i] != b.shape[i] || (a.shape[i] > 1 && a.strides[i] != b.strides[i])) return true;
  dimension dims[max_rank];
  const int n = sorted_dimensions(b, dims);
  const std::int64_t size = size_of(a.type);
  for (int i = 0; i < n; ++i) dims[i].stride *= size;
  const auto delta =
      static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(a.data) - reinterpret_cast<std::uintptr_t>(b.data));
  return reaches(dims, n, delta, size);
}

std::int64_t loop_nest::count() const noexcept {
  std::int64_t n = 1;
  for (int i = 0; i < rank; ++i) n *= extent[i];
  return n;
}

bool loop_nest::contiguous() const noexcept {
  if (rank != 1) return false;
  for (int v = 0; v < views; ++v)
    if (stride[v][0] != 1) return false;
  return true;
}

void make_nest(loop_nest& nest, const const_view* const* views, int count, int leader, int skipped) noexcept {
  const const_view& output = *views[leader];
  // Views without elements lead nowhere, and nobody has looked at their strides.
  bool empty[max_views];
  for (int v = 0; v < count; ++v) empty[v] = element_count(*views[v]) == 0;
  const auto stride = [&](int v, int i) { return empty[v] ? 0 : views[v]->strides[i]; };
  const auto distance = [&](int i) { return std::abs(stride(leader, i)); };
  int order[max_rank];  // by falling stride, ties in the order of the indices; std::stable_sort would allocate
  int n = 0;
  for (int i = 0; i < output.rank; ++i) {
    if (i == skipped || output.shape[i] == 1) continue;
    int place = n++;
    for (; place > 0 && distance(order[place - 1]) < distance(i); --place) order[place] = order[place - 1];
    order[place] = i;
  }
  nest.rank = 0;  // and filled up to its rank
  nest.views = count;
  for (int k = 0; k < n; ++k) {
    const int i = order[k];
    int last = nest.rank - 1;
    bool merges = last >= 0;
    for (int v = 0; merges && v < count; ++v) merges = nest.stride[v][last] == stride(v, i) * output.shape[i];
    if (merges) {
      nest.extent[last] *= output.shape[i];
    } else {
      last = nest.rank++;
      nest.extent[last] = output.shape[i];
    }
    for (int v = 0; v < count; ++v) nest.stride[v][last] = stride(v, i);
  }
  if (nest.rank == 0) nest.make_dense(1, count);
}

nest_cursor::nest_cursor(const loop_nest& nest, std::int64_t element) noexcept : nest_(nest) {
  for (int i = nest.rank - 1; i >= 0; --i) {
    index_[i] = element % nest.extent[i];
    element /= nest.extent[i];
    for (int v = 0; v < nest.views; ++v) offset_[v] += index_[i] * nest.stride[v][i];
  }
}

void nest_cursor::advance(std::int64_t n) noexcept {
  int i = nest_.rank - 1;
  index_[i] += n;
  for (int v = 0; v < nest_.views; ++v) offset_[v] += n * nest_.stride[v][i];
  for (; i > 0 && index_[i] == nest_.extent[i]; --i) {
    index_[i] = 0;
    ++index_[i - 1];
    for (int v = 0; v < nest_.views; ++v) offset_[v] += nest_.stride[v][i - 1] - nest_.extent[i] * nest_.stride[v][i];
  }
}

}  // namespace sigmax
