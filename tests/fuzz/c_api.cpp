// Any call of the C API with anything in its structs: never a crash or undefined behaviour, never a byte outside the
// outputs, and not one byte if the call fails. Views are either in one arena, with any shape and strides that stay in
// it, or broken in a way that must be refused; only so can the fuzzer tell a fault of the library from its own.
#include <sigmax/sigmax.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>

namespace {

constexpr std::size_t arena_bytes = 16384;
unsigned char before[arena_bytes];
bool writable[arena_bytes];

/// Between pages that nobody may touch: of stores past the caches a sanitizer may know nothing.
unsigned char* const arena = [] {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  auto* const all =
      static_cast<unsigned char*>(mmap(nullptr, arena_bytes + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (mprotect(all + page, arena_bytes, PROT_READ | PROT_WRITE) != 0) std::abort();
  return all + page;
}();

std::int64_t cache_bytes;  // what the library takes for the size of the caches

/// The fuzzer's bytes as decisions; zeros when they are used up.
struct input {
  const std::uint8_t* data;
  std::size_t size;
  std::uint8_t byte() {
    if (size == 0) return 0;
    --size;
    return *data++;
  }
  template <class T>
  T number() {
    T value{};
    for (std::size_t i = 0; i < sizeof(T); ++i) reinterpret_cast<std::uint8_t*>(&value)[i] = byte();
    return value;
  }
  int below(int n) { return byte() % n; }
};

/// A struct with room behind it for every size that it may claim to have.
template <class T>
struct roomy {
  T value;
  unsigned char rest[4096 - sizeof(T)];
  roomy() { std::memset(static_cast<void*>(this), 0, sizeof *this); }
};

std::int64_t bytes_of(sigmax_dtype type) {
  constexpr std::int64_t sizes[] = {4, 2, 2, 1, 4, 8, 1, 1, 1};
  return sizes[type];
}

__extension__ using wide = __int128;

/// Whether every element lies in the arena.
bool inside(const sigmax_view& v) {
  wide low = static_cast<unsigned char*>(v.data) - arena, high = low + bytes_of(v.type);
  for (int i = 0; i < v.rank; ++i) {
    if (v.shape[i] == 0) return true;
    const wide reach = static_cast<wide>(v.shape[i] - 1) * v.strides[i] * bytes_of(v.type);
    (reach < 0 ? low : high) += reach;
  }
  return low >= 0 && high <= static_cast<wide>(arena_bytes);
}

void break_view(input& in, sigmax_view& v) {
  const std::int64_t numbers[] = {-1, INT64_MIN, INT64_MAX, std::int64_t{1} << 62, std::int64_t{1} << 61};
  switch (in.below(8)) {
    case 0: v.data = nullptr; break;
    case 1: v.rank = in.byte() % 2 == 0 ? -1 - in.byte() : 9 + in.byte(); break;
    case 2: v.type = in.byte() % 2 == 0 ? -1 : 9 + in.byte(); break;
    case 3: v.where = 3 + in.byte(); break;
    case 4: v.rank = 1, v.shape[0] = numbers[in.below(5)], v.strides[0] = 1; break;
    case 5: v.rank = 2, v.shape[0] = v.shape[1] = std::int64_t{1} << (32 + in.below(31)), v.strides[1] = 1; break;
    case 6: v.rank = 1, v.shape[0] = 3, v.strides[0] = numbers[1 + in.below(4)]; break;
    default: v.reserved = 1 + in.byte(); break;
  }
}

/// `shape` and `rank` are those of the call, which most views follow.
void make_view(input& in, roomy<sigmax_view>& out, int rank, const std::int64_t* shape, int axis_extent) {
  sigmax_view& v = out.value;
  const auto how = in.byte();
  std::int64_t extents[SIGMAX_MAX_RANK];
  for (int i = 0; i < rank; ++i) extents[i] = shape[i];
  if (axis_extent >= 0 && rank > 0) extents[rank - 1] = axis_extent;
  sigmax_view_dense(&v, sizeof v, nullptr, 0, rank, extents);
  v.type = (how & 3) == 0 ? in.below(9) : (how & 3) == 1 ? in.below(3) : 0;
  const std::size_t unit = (how & 0x1c) == 4 ? 64 : 8;  // the first: a cache line
  v.data = arena + (in.number<std::uint16_t>() % (arena_bytes / unit)) * unit;
  if ((how & 0x1c) == 0) v.data = static_cast<unsigned char*>(v.data) + in.below(8);
  if ((how & 0xe0) == 0)
    for (int i = 0; i < rank; ++i) v.strides[i] = std::int64_t{in.byte()} - 128;
  if ((how & 0xe0) == 0x20) v.where = sigmax_memory_managed;
  if (!inside(v)) {
    v.data = arena;
    sigmax_view dense;
    sigmax_view_dense(&dense, sizeof dense, nullptr, 0, rank, extents);
    std::memcpy(v.strides, dense.strides, sizeof v.strides);
    if (!inside(v)) v.shape[0] = 0;
  }
  if (in.byte() >= 248) break_view(in, v);
  if (in.byte() >= 252) v.struct_size = in.number<std::uint16_t>() % 4200;
  if (in.byte() >= 252) out.rest[in.byte()] = 1;
}

void allow(const sigmax_view& v) {
  std::int64_t index[SIGMAX_MAX_RANK] = {};
  for (int i = 0; i < v.rank; ++i)
    if (v.shape[i] == 0) return;
  for (;;) {
    std::int64_t offset = 0;
    for (int i = 0; i < v.rank; ++i) offset += index[i] * v.strides[i];
    unsigned char* element = static_cast<unsigned char*>(v.data) + offset * bytes_of(v.type);
    for (std::int64_t i = 0; i < bytes_of(v.type); ++i) writable[element - arena + i] = true;
    int d = v.rank - 1;
    while (d >= 0 && ++index[d] == v.shape[d]) index[d--] = 0;
    if (d < 0) return;
  }
}

void tasks_backwards(void*, std::int64_t tasks, void (*task)(void*, std::int64_t), void* argument) {
  for (std::int64_t i = tasks; i-- > 0;) task(argument, i);
}

void make_options(input& in, roomy<sigmax_options>& out) {
  sigmax_options& o = out.value;
  sigmax_options_init(&o, sizeof o);
  const auto how = in.byte();
  if ((how & 1) != 0) o.accuracy = static_cast<std::int8_t>(in.byte()) % 3;
  if ((how & 2) != 0) o.where = static_cast<std::int8_t>(in.byte()) % 4;
  if ((how & 4) != 0) o.parameters[0] = in.number<float>(), o.parameters[1] = in.number<float>();
  static const char* const names[] = {"avx2", "sse2", "avx512", "neon64", "", "mmx"};
  if ((how & 8) != 0) o.isa = names[in.below(6)];
  if ((how & 16) != 0) o.threads = {tasks_backwards, nullptr, static_cast<std::int8_t>(in.byte()), 0};
  if ((how & 32) != 0) o.slices = in.number<std::int32_t>(), o.slice = in.number<std::int32_t>();
  if ((how & 64) != 0) o.slices = 1 + in.below(5), o.slice = in.below(6);
  if (in.byte() >= 250) o.struct_size = in.number<std::uint16_t>() % 4200;
  if (in.byte() >= 252) out.rest[in.byte()] = 1;
}

[[noreturn]] void fault(const char* what, int call) {
  std::fprintf(stderr, "call %d: %s (%s)\n", call, what, sigmax_last_error());
  std::abort();
}

}  // namespace

// To which the linker leads the library's calls of sigmax::cache_share_bytes() (fuzz.cmake): with a small cache small
// tensors are stored past it. A shared library keeps its own.
extern "C" std::int64_t __wrap__ZN6sigmax17cache_share_bytesEv();  // NOLINT
extern "C" std::int64_t __wrap__ZN6sigmax17cache_share_bytesEv() { return cache_bytes; }

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  input in{data, size};
  const int call = in.below(22), contents = in.below(4);
  for (std::size_t i = 0; i < arena_bytes; i += 4) {  // zeros, small indices, ordinary floats, any bits
    const auto n = static_cast<std::uint32_t>(i / 4);
    const float number = static_cast<float>(n % 23) - 11;
    std::uint32_t bits = contents == 0 ? 0 : contents == 1 ? (n % 2 == 0 ? n % 3 : 0) : n * 2654435761u;
    if (contents == 2) std::memcpy(&bits, &number, 4);
    std::memcpy(arena + i, &bits, 4);
  }
  std::memcpy(before, arena, arena_bytes);
  std::memset(writable, 0, sizeof writable);

  std::int64_t shape[SIGMAX_MAX_RANK];
  const int rank = in.below(16) == 0 ? in.below(9) : 1 + in.below(3);
  for (int i = 0; i < rank; ++i) {
    const int extent = in.byte();  // the last: rows of whole cache lines, and long ones; both have loops of their own
    shape[i] = rank > 3       ? extent % 3
               : extent < 200 ? extent % 40
               : extent < 248 ? 32 * (1 + extent % 8)
                              : 410 + (extent - 248) * 97;
  }
  roomy<sigmax_view> whole[4], row[7];
  const int other = in.below(8) == 0 ? in.below(5) : -1;
  for (auto& v : whole) make_view(in, v, rank, shape, &v - whole >= 1 ? other : -1);
  for (auto& v : row) make_view(in, v, rank, shape, 1);
  roomy<sigmax_options> how;
  make_options(in, how);
  const sigmax_options* options = in.byte() < 64 ? nullptr : &how.value;
  const std::int32_t axis = in.byte() < 200 ? rank - 1 : static_cast<std::int8_t>(in.byte());
  const sigmax_activation op = in.byte() < 250 ? in.below(sigmax_activation_count()) : in.number<std::int32_t>();
  const auto maybe = [&](roomy<sigmax_view>& v) { return in.byte() < 128 ? nullptr : &v.value; };

  roomy<sigmax_softmax_form> form;
  sigmax_softmax_form& f = form.value;
  sigmax_softmax_form_init(&f, sizeof f);
  const auto bits = in.byte();
  f.logarithm = bits & 1, f.causal = bits & 2, f.nan_if_masked = bits & 4;
  if ((bits & 8) != 0) f.scale = in.number<float>();
  if ((bits & 16) != 0) f.softcap = in.number<float>();
  if ((bits & 32) != 0) f.output_scale = in.number<float>();
  if ((bits & 64) != 0) f.offset = in.number<std::int64_t>();
  if ((bits & 128) != 0) f.window = in.number<std::int64_t>();
  f.row_scale = maybe(row[0]), f.slopes = maybe(row[1]), f.sinks = maybe(row[2]), f.mask = maybe(whole[2]);
  f.max = maybe(row[3]), f.sum = maybe(row[4]), f.lse = maybe(row[5]);
  if (in.byte() >= 250) f.struct_size = in.number<std::uint16_t>() % 4200;
  roomy<sigmax_cross_entropy_form> loss_form;
  sigmax_cross_entropy_form& e = loss_form.value;
  sigmax_cross_entropy_form_init(&e, sizeof e);
  if ((bits & 1) != 0) e.label_smoothing = in.number<float>();
  if ((bits & 2) != 0) e.ignore_index = in.below(4);
  e.scale = f.scale, e.lse = f.lse;
  roomy<sigmax_gating_form> gate_form;
  sigmax_gating_form& g = gate_form.value;
  sigmax_gating_form_init(&g, sizeof g);
  g.sigmoid = bits & 1, g.renormalise = bits & 2, g.scale = f.scale, g.bias = f.mask;

  sigmax_quantisation q;
  sigmax_quantisation_init(&q, sizeof q);
  if (call > 18) {  // y is mostly of a type that can be
    if (in.byte() < 240) whole[1].value.type = sigmax_dtype_f8_e4m3 + in.below(3);
    if (in.byte() < 128) q.scale = in.number<float>();
    q.row_scales = maybe(row[0]), q.amax = maybe(row[1]);
  }

  const sigmax_view *x = &whole[0].value, *y = &whole[1].value, *z = &whole[3].value, *r = &row[6].value;
  roomy<sigmax_view> second;
  roomy<sigmax_explanation> why;
  why.value.struct_size = in.byte() < 200 ? sizeof why.value : in.number<std::uint16_t>() % 4200;
  constexpr std::int64_t caches[] = {1 << 25, 64, 1024, 4096};
  cache_bytes = caches[in.below(4)];
  const sigmax_gate gate = op >= 0 && op < sigmax_activation_count() ? op % sigmax_gate_count() : op;
  const sigmax_view* outputs[6] = {};
  sigmax_status status = 0;
  const auto run = [&](sigmax_status s, std::initializer_list<const sigmax_view*> out) {
    status = s;
    std::copy(out.begin(), out.end(), outputs);
  };
  switch (call) {
    case 0:
    case 1: run(sigmax_activate(op, x, y, options), {y}); break;
    case 2: run(sigmax_activation_gradient(op, x, z, y, options), {y}); break;
    case 3: run(sigmax_softmax(x, y, axis, options), {y}); break;
    case 4: run(sigmax_log_softmax(x, y, axis, options), {y}); break;
    case 5:
    case 6: run(sigmax_softmax_fused(x, y, axis, &f, options), {y, f.max, f.sum, f.lse}); break;
    case 7: run(sigmax_softmax_partial(x, axis, &f, options), {f.max, f.sum, f.lse}); break;
    case 8: run(sigmax_softmax_finish(x, y, axis, &f, options), {y}); break;
    case 9: run(sigmax_softmax_gradient(x, z, y, axis, f.scale, options), {y}); break;
    case 10: run(sigmax_log_softmax_gradient(x, z, y, axis, f.scale, options), {y}); break;
    case 11: run(sigmax_cross_entropy(x, r, &row[5].value, axis, &e, options), {&row[5].value, e.lse}); break;
    case 12: run(sigmax_cross_entropy_gradient(&row[4].value, x, r, y, axis, &e, options), {y}); break;
    case 13: run(sigmax_top_k_gating(x, y, z, axis, &g, options), {y, z}); break;
    case 14: run(sigmax_explain(op, x, y, options, &why.value), {}); break;
    case 15: run(sigmax_explain_softmax(x, y, axis, options, &why.value), {}); break;
    case 16: run(sigmax_activate_gated(gate, x, z, y, options), {y}); break;
    case 17:
      make_view(in, second, rank, shape, other);
      run(sigmax_gated_gradient(gate, &whole[2].value, x, z, y, &second.value, options), {y, &second.value});
      break;
    case 18: run(sigmax_explain_gated(gate, x, z, y, options, &why.value), {}); break;
    case 19: run(sigmax_activate_quantised(op, x, y, axis, &q, options), {y, q.row_scales, q.amax}); break;
    case 20: run(sigmax_activate_gated_quantised(op, x, z, y, axis, &q, options), {y, q.row_scales, q.amax}); break;
    default:
      run(sigmax_softmax_quantised(x, y, axis, &f, &q, options), {y, f.max, f.sum, f.lse, q.row_scales, q.amax});
      break;
  }
  if (status < sigmax_status_ok || status > sigmax_status_backend_error) fault("a status that there is not", call);
  if (std::strlen(sigmax_last_error()) < 2) fault("no words", call);
  if (status == sigmax_status_ok) {
    for (const sigmax_view* v : outputs)
      if (v != nullptr) allow(*v);
  }
  for (std::size_t i = 0; i < arena_bytes; ++i) {
    if (arena[i] != before[i] && !writable[i])
      fault(status == sigmax_status_ok ? "wrote outside its outputs" : "wrote though it failed", call);
  }
  return 0;
}
