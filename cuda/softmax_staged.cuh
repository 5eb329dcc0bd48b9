// Softmax of rows of one dtype along a contiguous axis, without masks but those by position: a row waits in shared
// memory, each thread's words of 16 bytes for itself, so that registers hold one word at a time. Copies into shared
// memory take no registers either: as much is on its way as shared memory holds, and blocks that wait for memory leave
// the multiprocessor to those that compute. Loops are short, because code that all threads run once comes late.
#pragma once

#include "softmax_row.cuh"

namespace sigmax {
namespace {

/// A row in words of 16 bytes: element e of word i has place i * size + e, and the row's first element place `head`.
template <class T>
struct row_words {
  static constexpr int size = per_vector<T>;
  const vector* x;
  std::uintptr_t y;
  int begin, end;    ///< places that are read
  int first, after;  ///< places of the row
  bool whole;        ///< the row is one of whole words
  bool alike;        ///< y's words are where x's are

  SIGMAX_DEVICE row_words(const softmax_arguments& a, const softmax_row& r) {
    const auto address = reinterpret_cast<std::uintptr_t>(r.x);
    const auto lead = static_cast<std::uintptr_t>(address % vector_bytes);
    first = static_cast<int>(lead / sizeof(T));
    x = reinterpret_cast<const vector*>(address - lead);
    y = reinterpret_cast<std::uintptr_t>(r.y) - lead;
    alike = y % vector_bytes == 0;
    after = first + static_cast<int>(a.columns);
    whole = (lead | static_cast<std::uintptr_t>(after % size)) == 0;
    begin = first + static_cast<int>(r.begin);
    end = first + static_cast<int>(r.end);
  }
  SIGMAX_DEVICE static bool within(int place, int from, int to) { return place >= from && place + size <= to; }
  SIGMAX_DEVICE bool is_read(int place) const { return place < end && place + size > begin; }

  /// A word of which not all is read, the rest -inf.
  SIGMAX_DEVICE vector load_some(int word) const {
    float t[size];
#pragma unroll
    for (int i = 0; i < size; ++i) {
      const int place = word * size + i;
      t[i] = place >= begin && place < end
                 ? load_element(reinterpret_cast<const std::byte*>(x) + place * static_cast<int>(sizeof(T)), type)
                 : no_score;
    }
    return pack(t, T{});
  }
  /// `unasked`: the row is whole, and y's words are where x's are.
  SIGMAX_DEVICE void store(int word, const float (&t)[size], bool unasked) const {
    const std::uintptr_t at = y + static_cast<std::uintptr_t>(word) * vector_bytes;
    const vector v = pack(t, T{});
    if (unasked || (alike && within(word * size, first, after))) return sigmax::store(reinterpret_cast<vector*>(at), v);
#pragma unroll
    for (int i = 0; i < size; ++i) {
      const int place = word * size + i;
      if (place < first || place >= after) continue;
      if constexpr (sizeof(T) == 4)
        sigmax::store(reinterpret_cast<std::uint32_t*>(at) + i, v.word[i]);
      else
        sigmax::store(reinterpret_cast<std::uint16_t*>(at) + i,
                      static_cast<std::uint16_t>(v.word[i / 2] >> (i % 2 * 16)));
    }
  }

 private:
  static constexpr dtype type = sizeof(T) == 4 ? dtype::f32 : std::is_same_v<T, float16> ? dtype::f16 : dtype::bf16;
};

/// The largest of the words that a thread sees, NaN if there is one.
template <class T>
struct largest_of_words {
  vector most;
  SIGMAX_DEVICE largest_of_words() {
    float none[per_vector<T>];
#pragma unroll
    for (float& t : none) t = no_score;
    most = pack(none, T{});
  }
  SIGMAX_DEVICE void add(const vector& v) {
#pragma unroll
    for (int i = 0; i < 4; ++i) most.word[i] = largest_pair(most.word[i], v.word[i], T{});
  }
  SIGMAX_DEVICE float value() const {
    float t[per_vector<T>];
    unpack(most, t, T{});
    float m = t[0];
#pragma unroll
    for (int i = 1; i < per_vector<T>; ++i) m = largest_or_nan(m, t[i]);
    return m;
  }
};

template <numerator_form form>
using form_of = std::integral_constant<numerator_form, form>;

/// Threads that a multiprocessor must have room for: registers are held to 40 each, to 64 with what goes with a row or
/// passes by. From sm_100 on precise rows of clusters lack one of 40.
SIGMAX_FN constexpr int resident_threads(bool more, [[maybe_unused]] bool precise_clusters) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
  return 1024;
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 1000
  return more || precise_clusters ? 1024 : 1536;
#else
  return more ? 1024 : 1536;
#endif
}

template <class T, int config, bool fused>
__global__ void __launch_bounds__(staged_configs[config].threads,
                                  resident_threads(fused || config == passing_config,
                                                   sizeof(T) == 4 &&
                                                       staged_configs[config].lanes == most_staged_lanes) /
                                      staged_configs[config].threads) softmax_staged(softmax_arguments a) {
  constexpr int size = per_vector<T>, lanes = staged_configs[config].lanes;
  constexpr bool precise = sizeof(T) == 4, clusters = lanes == most_staged_lanes, passing = config == passing_config;
  constexpr unsigned threads = staged_configs[config].threads, together = threads / lanes;
  using group_type = std::conditional_t<lanes <= 32, lane_group<lanes>, row_group<threads / 32, clusters>>;
  SIGMAX_ROW_EXCHANGE(places, lanes <= 32 ? 1 : clusters ? most_parts : lanes / 32);
  group_type group(places);
  vector* const slots = dynamic_shared<vector>() + threadIdx.x;  // a thread's, each `threads` after the one before
  const unsigned blocks = group.together, rank = group.rank, lane = threadIdx.x % static_cast<unsigned>(lanes);
  wait_for_previous_kernel();
  for (std::int64_t tile_row = a.rows.begin + std::int64_t{blockIdx.x / blocks} * together; tile_row < a.rows.end;
       tile_row += std::int64_t{gridDim.x / blocks} * together) {
    const std::int64_t number = tile_row + threadIdx.x / static_cast<unsigned>(lanes);
    const bool live = number < a.rows.end;  // else a copy of the last row, which writes nothing
    const std::int64_t row = live ? number : a.rows.end - 1;
    const softmax_row r = begin_row<fused>(a, row);
    const row_words<T> w(a, r);
    const int all = (w.after + size - 1) / size, span = static_cast<int>(a.span);
    const int begin = static_cast<int>(rank) * span + static_cast<int>(lane);
    const int end = all < static_cast<int>(rank + 1) * span ? all : static_cast<int>(rank + 1) * span;
    // Of a thread's words those of which something is read.
    int read_begin = begin, read_end = end;
    vector* read_slot = slots;
    if constexpr (fused) {
      const int skipped = w.begin / size - begin;  // whole turns of the lanes before the first word
      const int before = skipped > 0 ? (skipped + lanes - 1) / lanes : 0;
      read_begin += before * lanes;
      read_slot += before * static_cast<int>(threads);
      const int last = (w.end + size - 1) / size;
      read_end = last < end ? last : end;
    }
    const auto turns_from = [](int from, int to) {
      return from < to ? static_cast<unsigned>(to - from + lanes - 1) / unsigned{lanes} : 0;
    };
    // Those before `held` stay in their slots.
    const int held = begin + static_cast<int>(a.held) * lanes;
    const int held_end = !passing || read_end < held ? read_end : held;
    vector* const last_slot = read_slot + turns_from(read_begin, held_end) * threads;
    const auto fetch = [&](int word, vector& slot) {
      if (w.within(word * size, w.begin, w.end))
        copy_to_shared(&slot, w.x + word);
      else if (w.is_read(word * size))
        slot = w.load_some(word);
    };
    // Work on words from `word` on that come by a few at a time; only this thread touches its slots.
    const auto for_passing = [&](int word, int to, auto work) {
      vector* const ring = slots + a.held * threads;
      int ahead = word;
      const auto next = [&](vector& slot) {
        if (ahead < to) fetch(ahead, slot);
        close_copies();
        ahead += lanes;
      };
#pragma unroll 1
      for (unsigned i = 0; i < unsigned{ring_slots}; ++i) next(ring[i * threads]);
      vector* slot = ring;
#pragma unroll 1
      for (; word < to; word += lanes) {
        if (SIGMAX_BARRIER_IS_THERE(passing_copies)) wait_for_copies<ring_slots - 1>();
        work(word, *slot);
        next(*slot);
        slot = slot == ring + (ring_slots - 1) * threads ? ring : slot + threads;
      }
    };
    // Work on those that are read, each with its slot.
    const auto for_held = [&](auto work) {
      int word = read_begin;
#pragma unroll 1
      for (vector* slot = read_slot; slot != last_slot; slot += threads, word += lanes) work(word, *slot);
      return word;
    };
    const auto for_read = [&](auto work) {
      const int word = for_held(work);
      if constexpr (passing) for_passing(word, read_end, work);
    };
    const auto scores = [&](int word, const vector& v, float(&t)[size]) {
      unpack(v, t, T{});
      if constexpr (fused) {
#pragma unroll
        for (int i = 0; i < size; ++i) t[i] = t[i] * r.scale;
        if (w.within(word * size, w.begin, w.end)) return;
#pragma unroll
        for (int i = 0; i < size; ++i) {
          const int place = word * size + i;
          t[i] = place >= w.begin && place < w.end ? t[i] : no_score;
        }
      }
    };

    if (!fused && w.whole)
      for_held([&](int word, vector& slot) { copy_to_shared(&slot, w.x + word); });
    else
      for_held(fetch);
    if (SIGMAX_BARRIER_IS_THERE(copies)) wait_for_copies();
    float most = no_score;
    if (!fused || (r.scale > 0 && r.scale < infinity)) {  // which keeps their order; what is not read is -inf
      largest_of_words<T> words;
      for_read([&](int, vector& slot) { words.add(slot); });
      most = words.value() * (fused ? r.scale : 1.0f);
    } else {
      for_read([&](int word, vector& slot) {
        float t[size];
        scores(word, slot, t);
#pragma unroll
        for (int i = 0; i < size; ++i) most = largest_or_nan(most, t[i]);
      });
    }
    bool nan = most != most || (fused && r.sink != r.sink);
    if (!fused || !precise) {  // nobody asks for the largest score: infinity makes a row NaN, too
      most = nan ? infinity : most;
      nan = false;
    }
    const row_scale s = scale_of<fused>(a, r, group.largest(most), precise);
    const bool near = !precise && s.form == numerator_form::near, first = lane == 0 && rank == 0;
    const std::uint32_t count = turns_from(read_begin, read_end) * size;
    // Each form has its loop.
    const auto add_up = [&](auto form) {
      numerator_sum sum;
      for_read([&](int word, vector& slot) {
        float t[size], e[size];
        scores(word, slot, t);
        numerators<form.value != numerator_form::precise>(s, form.value, t, e);
        add(sum, form.value, e);
        if (precise && (form.value == numerator_form::precise || !a.logarithm)) slot = pack(e, T{});
      });
      return sum;
    };
    numerator_sum sum;
    if constexpr (precise)
      sum = s.form == numerator_form::precise ? add_up(form_of<numerator_form::precise>{})
                                              : add_up(form_of<numerator_form::fine>{});
    else
      sum = near ? add_up(form_of<numerator_form::near>{}) : add_up(form_of<numerator_form::apart>{});
    row_result result;
    // Without a test for what is no number, and with one exchange instead of three.
    const bool simple = precise ? s.form == numerator_form::precise : near && (!passing || a.columns < most_units);
    if (!fused && group.everywhere(simple)) {
      if constexpr (precise) {
        result = {};
        result.factor = reciprocal_of_units(group.add(sum.units_of_two<numerator_power>(count)));
      } else {
        result = finish_near<fused>(a, reciprocal_of_two<near_power>(group.add(sum.units_of_two<near_power>(count))));
      }
    } else {
      const numerator_form form = precise ? s.form : near ? numerator_form::near : numerator_form::apart;
      const exact_total total = total_of(a, r, s, group, total_of(sum, form, count), nan, fused && first);
      result = finish_row<fused>(a, r, s, row, total, 0, live && first);
    }
    if (!live) continue;

    float unread[1] = {a.logarithm ? no_score : 0.0f};  // what becomes of what is masked by its position
    if constexpr (fused)
      a.logarithm ? finish_logarithms(result, precise, unread) : finish_numerators<fused>(result, precise, unread);
    const auto write = [&](auto whole, auto work) {
      const auto one = [&](int word, const vector& slot, bool kept) {
        float t[size];
        if (fused && !w.is_read(word * size)) {
#pragma unroll
          for (int i = 0; i < size; ++i) t[i] = unread[0];
        } else {
          work(word, slot, t, kept);
        }
        w.store(word, t, whole.value);
      };
      const vector* slot = slots;
      const int last = passing && held < end ? held : end;
      int word = begin;
#pragma unroll 1
      for (; word < last; word += lanes, slot += threads) one(word, *slot, true);
      if constexpr (passing) for_passing(word, end, [&](int i, const vector& v) { one(i, v, false); });
    };
    const auto write_numerators = [&](auto whole, auto form) {
      write(whole, [&](int word, const vector& slot, float(&t)[size], bool kept) {
        if (precise && kept) {
          unpack(slot, t, T{});
        } else {
          scores(word, slot, t);
          numerators(s, form.value, t, t);
        }
        finish_numerators<fused && form.value != numerator_form::near>(result, precise, t);
      });
    };
    constexpr std::true_type whole{};
    constexpr std::false_type any{};
    constexpr form_of<precise ? numerator_form::precise : numerator_form::near> usual{};
    const bool unusual = !precise && !near;
    if (!fused && !a.logarithm && !unusual && w.whole && w.alike)
      write_numerators(whole, usual);
    else if (!a.logarithm && !unusual)
      write_numerators(any, usual);
    else if (!a.logarithm)
      write_numerators(any, form_of<numerator_form::apart>{});
    else
      write(any, [&](int word, const vector& slot, float(&t)[size], bool) {
        scores(word, slot, t);
        finish_logarithms(result, precise, t);
      });
  }
  group.leave();
  let_next_kernel_start();
}

}  // namespace
}  // namespace sigmax
