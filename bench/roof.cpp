#include "roof.hpp"

#include "threads.hpp"

#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace sigmax_bench {
namespace {

// Copies whole blocks of `width` bytes; the caller sees to the rest. Not inlined: with the pointers known to be
// equal, a compiler may drop the stores.
using block_loop = void (*)(const char* source, char* destination, std::int64_t blocks);
struct loops {
  std::int64_t width = 0;
  block_loop by_kind[copy_kind_count] = {};  // null: not here
  block_loop one_way[3] = {};                // the source is not used by those that write
  std::int64_t (*arithmetic)(std::int64_t rounds) = nullptr;
};

#if defined(__x86_64__)
// Four vectors a turn keep both load ports busy. The ISA is this function's alone (target attribute), chosen at run
// time below, so the program starts on any x86-64. 4096 bytes ahead: hardware prefetchers stop at the end of a page;
// on a Zen 4 VM this is worth 10 % at 64 Mi floats. On an Emerald Rapids VM what is asked for into L2 farther ahead is
// worth 14 %. Beyond the end it is a hint that comes to nothing.
#define NO_PREFETCH(p) (void)0
#define PREFETCH(p)                                                            \
  for (std::size_t line = 0; line < 4 * sizeof(*(p)); line += 64) {            \
    _mm_prefetch(reinterpret_cast<const char*>(p) + 8192 + line, _MM_HINT_T1); \
    _mm_prefetch(reinterpret_cast<const char*>(p) + 4096 + line, _MM_HINT_T0); \
  }
#define COPY_LOOP(name, isa, vector_type, load, store, prefetch, fence)                                       \
  [[gnu::noinline, gnu::target(isa)]] void name(const char* source, char* destination, std::int64_t blocks) { \
    const auto* s = reinterpret_cast<const vector_type*>(source);                                             \
    auto* d = reinterpret_cast<vector_type*>(destination);                                                    \
    for (std::int64_t i = 0; i < blocks * 4; i += 4) {                                                        \
      prefetch(s + i);                                                                                        \
      const vector_type v0 = load(s + i), v1 = load(s + i + 1), v2 = load(s + i + 2), v3 = load(s + i + 3);   \
      store(d + i, v0);                                                                                       \
      store(d + i + 1, v1);                                                                                   \
      store(d + i + 2, v2);                                                                                   \
      store(d + i + 3, v3);                                                                                   \
    }                                                                                                         \
    fence;                                                                                                    \
  }
// Four accumulators: one would wait for itself. The empty asm keeps what nobody reads.
#define READ_LOOP(name, isa, vector_type, load, either)                                           \
  [[gnu::noinline, gnu::target(isa)]] void name(const char* source, char*, std::int64_t blocks) { \
    const auto* s = reinterpret_cast<const vector_type*>(source);                                 \
    vector_type a = load(s), b = a, c = a, d = a;                                                 \
    for (std::int64_t i = 0; i < blocks * 4; i += 4) {                                            \
      a = either(a, load(s + i));                                                                 \
      b = either(b, load(s + i + 1));                                                             \
      c = either(c, load(s + i + 2));                                                             \
      d = either(d, load(s + i + 3));                                                             \
    }                                                                                             \
    asm volatile("" ::"x"(a), "x"(b), "x"(c), "x"(d));                                            \
  }
#define WRITE_LOOP(name, isa, vector_type, store, ones, fence)                                         \
  [[gnu::noinline, gnu::target(isa)]] void name(const char*, char* destination, std::int64_t blocks) { \
    auto* d = reinterpret_cast<vector_type*>(destination);                                             \
    const vector_type v = ones(1);                                                                     \
    for (std::int64_t i = 0; i < blocks * 4; ++i) store(d + i, v);                                     \
    fence;                                                                                             \
  }
// Twelve chains: the latency of a multiply-add, 4 or 5 cycles, times two or more a cycle.
#define ARITHMETIC_LOOP(name, isa, vector_type, ones, multiply_add)                          \
  [[gnu::noinline, gnu::target(isa)]] std::int64_t name(std::int64_t rounds) {               \
    vector_type v[12];                                                                       \
    for (auto& one : v) one = ones(1.0f);                                                    \
    const vector_type half = ones(0.5f);                                                     \
    for (std::int64_t i = 0; i < rounds; ++i) {                                              \
      _Pragma("GCC unroll 12") for (auto& one : v) one = multiply_add(one, half, half);      \
    }                                                                                        \
    for (auto& one : v) asm volatile("" ::"x"(one));                                         \
    return rounds * 12 * 2 * static_cast<std::int64_t>(sizeof(vector_type) / sizeof(float)); \
  }
// The loops of an ISA, and `loops_<isa>` that lists them in the order of copy_kind; memcpy is not a block loop.
#define COPY_LOOPS(isa, target, vector_type, load, store, stream, either, ones)                                \
  READ_LOOP(read_##isa, target, vector_type, load, either)                                                     \
  WRITE_LOOP(write_##isa, target, vector_type, store, ones, (void)0)                                           \
  WRITE_LOOP(write_stream_##isa, target, vector_type, stream, ones, _mm_sfence())                              \
  COPY_LOOP(copy_##isa, target, vector_type, load, store, NO_PREFETCH, (void)0)                                \
  COPY_LOOP(copy_prefetch_##isa, target, vector_type, load, store, PREFETCH, (void)0)                          \
  COPY_LOOP(stream_##isa, target, vector_type, load, stream, NO_PREFETCH, _mm_sfence())                        \
  COPY_LOOP(stream_prefetch_##isa, target, vector_type, load, stream, PREFETCH, _mm_sfence())                  \
  constexpr loops loops_##isa{4 * sizeof(vector_type),                                                         \
                              {nullptr, copy_##isa, copy_prefetch_##isa, stream_##isa, stream_prefetch_##isa}, \
                              {read_##isa, write_##isa, write_stream_##isa},                                   \
                              arithmetic_##isa};
#define MULTIPLY_ADD_SSE2(a, b, c) _mm_add_ps(_mm_mul_ps(a, b), c)
ARITHMETIC_LOOP(arithmetic_sse2, "sse2", __m128, _mm_set1_ps, MULTIPLY_ADD_SSE2)
ARITHMETIC_LOOP(arithmetic_avx, "avx2,fma", __m256, _mm256_set1_ps, _mm256_fmadd_ps)
ARITHMETIC_LOOP(arithmetic_avx512, "avx512f", __m512, _mm512_set1_ps, _mm512_fmadd_ps)
COPY_LOOPS(sse2, "sse2", __m128i, _mm_load_si128, _mm_store_si128, _mm_stream_si128, _mm_or_si128, _mm_set1_epi8)
COPY_LOOPS(avx, "avx2", __m256i, _mm256_load_si256, _mm256_store_si256, _mm256_stream_si256, _mm256_or_si256,
           _mm256_set1_epi8)
COPY_LOOPS(avx512, "avx512f", __m512i, _mm512_load_si512, _mm512_store_si512, _mm512_stream_si512, _mm512_or_si512,
           _mm512_set1_epi32)
#undef COPY_LOOPS
#undef COPY_LOOP
#undef READ_LOOP
#undef WRITE_LOOP
#undef ARITHMETIC_LOOP
#undef MULTIPLY_ADD_SSE2
#undef PREFETCH
#undef NO_PREFETCH

loops widest() {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f")) return loops_avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return loops_avx;
  return loops_sse2;
}
#else
// Other machines: the compiler's vectors, in the widest registers its baseline has. No portable stream store here.
typedef std::uint64_t lanes __attribute__((vector_size(64), may_alias));
[[gnu::noinline]] void copy_lanes(const char* source, char* destination, std::int64_t blocks) {
  const auto* s = reinterpret_cast<const lanes*>(source);
  auto* d = reinterpret_cast<lanes*>(destination);
  for (std::int64_t i = 0; i < blocks; ++i) d[i] = s[i];
}
[[gnu::noinline]] void read_lanes(const char* source, char*, std::int64_t blocks) {
  const auto* s = reinterpret_cast<const lanes*>(source);
  lanes a{}, b{};
  for (std::int64_t i = 0; i + 1 < blocks; i += 2) a |= s[i], b |= s[i + 1];
  a |= b;
  asm volatile("" ::"m"(a));
}
[[gnu::noinline]] void write_lanes(const char*, char* destination, std::int64_t blocks) {
  auto* d = reinterpret_cast<lanes*>(destination);
  for (std::int64_t i = 0; i < blocks; ++i) d[i] = lanes{} + 1;
}
loops widest() { return {64, {nullptr, copy_lanes}, {read_lanes, write_lanes}, nullptr}; }
#endif

const loops& chosen() {
  static const loops once = widest();
  return once;
}

}  // namespace

const char* name_of(copy_kind kind) {
  switch (kind) {
    case copy_kind::library: return "copy:memcpy";
    case copy_kind::vector: return "copy:vector";
    case copy_kind::vector_prefetch: return "copy:vector+prefetch";
    case copy_kind::nontemporal: return "copy:nontemporal";
    case copy_kind::nontemporal_prefetch: return "copy:nontemporal+prefetch";
  }
  return "?";
}

bool has_copy(copy_kind kind, bool in_place) {
  if (kind == copy_kind::library) return !in_place;
  return chosen().by_kind[static_cast<std::size_t>(kind)] != nullptr;
}

void copy(copy_kind kind, const void* source, void* destination, std::int64_t bytes, int threads, int times) {
  const char* s = static_cast<const char*>(source);
  char* d = static_cast<char*>(destination);
  // Slices of whole pages keep the aligned loads and stores aligned.
  for_slices(threads, bytes, 4096, [=](std::int64_t begin, std::int64_t end) {
    const std::int64_t blocks = (end - begin) / chosen().width, done = begin + blocks * chosen().width;
    for (int i = 0; i < times; ++i) {
      if (kind == copy_kind::library) {
        std::memcpy(d + begin, s + begin, static_cast<std::size_t>(end - begin));
        continue;
      }
      chosen().by_kind[static_cast<std::size_t>(kind)](s + begin, d + begin, blocks);
      if (s != d) std::memcpy(d + done, s + done, static_cast<std::size_t>(end - done));
    }
  });
}

const char* name_of(one_way kind) {
  switch (kind) {
    case one_way::read: return "read";
    case one_way::write: return "write";
    case one_way::write_nontemporal: return "write:nontemporal";
  }
  return "?";
}

bool has_one_way(one_way kind) { return chosen().one_way[static_cast<std::size_t>(kind)] != nullptr; }

void move_one_way(one_way kind, void* data, std::int64_t bytes, int threads, int times) {
  char* d = static_cast<char*>(data);
  for_slices(threads, bytes, 4096, [=](std::int64_t begin, std::int64_t end) {
    for (int i = 0; i < times; ++i)
      chosen().one_way[static_cast<std::size_t>(kind)](d + begin, d + begin, (end - begin) / chosen().width);
  });
}

std::int64_t multiply_adds(std::int64_t rounds, int threads) {
  if (chosen().arithmetic == nullptr) return 0;
  std::int64_t operations = 0;
  for_slices(threads, threads, 1, [&](std::int64_t first, std::int64_t) {
    const std::int64_t mine = chosen().arithmetic(rounds);
    if (first == 0) operations = mine;
  });
  return operations;
}

}  // namespace sigmax_bench
