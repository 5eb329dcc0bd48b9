// Every call that takes tensors, on tensors of one size: for tests of what must hold whatever is called.
#pragma once

#include <sigmax/sigmax.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

namespace sigmax_test {

/// Tensors of rows x columns, and of rows x 1, with numbers in them.
class tensors {
 public:
  tensors(std::int64_t rows, std::int64_t columns) : rows_(rows) {
    x = matrix<float>(columns), dy = matrix<float>(columns), mask = matrix<float>(columns);
    y = matrix<float>(columns), z = matrix<float>(columns), experts = matrix<std::int32_t>(columns);
    each = matrix<float>(1), targets = matrix<std::int64_t>(1);
    max = matrix<float>(1), sum = matrix<float>(1), lse = matrix<float>(1);
    codes = matrix<sigmax::float8_e4m3>(columns);
    fill(x, 3), fill(dy, 1), fill(mask, 2), fill(each, 1);
    for (std::int64_t i = 0; i < rows; ++i) static_cast<std::int64_t*>(targets.data)[i] = i % columns;
    clear();
  }
  /// Gives the outputs a value that no call writes.
  void clear() {
    for (const sigmax::view& v : {y, z, max, sum, lse}) std::fill_n(static_cast<float*>(v.data), count(v), -77.0f);
    std::fill_n(static_cast<std::int32_t*>(experts.data), count(experts), -77);
    std::fill_n(static_cast<unsigned char*>(codes.data), count(codes), static_cast<unsigned char>(0xaa));
  }
  std::vector<unsigned char> outputs() const {
    std::vector<unsigned char> all;
    for (const sigmax::view& v : {y, z, max, sum, lse, experts}) {
      const auto* bytes = static_cast<const unsigned char*>(v.data);
      all.insert(all.end(), bytes, bytes + 4 * count(v));
    }
    const auto* bytes = static_cast<const unsigned char*>(codes.data);
    all.insert(all.end(), bytes, bytes + count(codes));
    return all;
  }

  sigmax::view x, dy, mask, y, z, experts, codes;  // rows x columns
  sigmax::view each, targets, max, sum, lse;       // rows x 1

 private:
  static std::int64_t count(const sigmax::view& v) { return v.shape[0] * v.shape[1]; }
  void fill(const sigmax::view& v, float size) {
    for (std::int64_t i = 0; i < count(v); ++i)
      static_cast<float*>(v.data)[i] = size * std::sin(static_cast<float>(7 * i + 1));
  }
  template <class T>
  sigmax::view matrix(std::int64_t columns) {
    storage_.push_back(std::make_unique<std::int64_t[]>(static_cast<std::size_t>(rows_ * columns)));
    return {storage_.back().get(), *sigmax::dtype_of<T>, {rows_, columns}};
  }
  std::int64_t rows_;
  std::vector<std::unique_ptr<std::int64_t[]>> storage_;
};

struct named_call {
  const char* name;
  sigmax::status (*run)(const tensors& t, const sigmax::options& how);
  std::vector<sigmax::view tensors::*> views;  ///< that it looks at
};

inline const std::vector<named_call>& every_call() {
  using t = tensors;
  using how = sigmax::options;
  using namespace sigmax;
  static const std::vector<named_call> calls{
      {"activate", [](const t& a, const how& o) { return activate(activation::gelu, a.x, a.y, o); }, {&t::x, &t::y}},
      {"activation_gradient",
       [](const t& a, const how& o) { return activation_gradient(activation::mish, a.dy, a.x, a.y, o); },
       {&t::dy, &t::x, &t::y}},
      {"activate_gated",
       [](const t& a, const how& o) { return activate_gated(gate::geglu, a.x, a.mask, a.y, o); },
       {&t::x, &t::mask, &t::y}},
      {"gated_gradient",
       [](const t& a, const how& o) { return gated_gradient(gate::swiglu_oai, a.dy, a.x, a.mask, a.y, a.z, o); },
       {&t::dy, &t::x, &t::mask, &t::y, &t::z}},
      {"softmax", [](const t& a, const how& o) { return softmax(a.x, a.y, -1, o); }, {&t::x, &t::y}},
      {"softmax along columns", [](const t& a, const how& o) { return softmax(a.x, a.y, 0, o); }, {&t::x, &t::y}},
      {"log_softmax", [](const t& a, const how& o) { return log_softmax(a.x, a.y, -1, o); }, {&t::x, &t::y}},
      {"softmax_fused",
       [](const t& a, const how& o) {
         const softmax_form form{.scale = 0.5f,
                                 .row_scale = a.each,
                                 .softcap = 5,
                                 .slopes = a.each,
                                 .mask = a.mask,
                                 .causal = true,
                                 .offset = 3,
                                 .sinks = a.each,
                                 .max = a.max,
                                 .sum = a.sum,
                                 .lse = a.lse};
         return softmax_fused(a.x, a.y, 1, form, o);
       },
       {&t::x, &t::y, &t::each, &t::mask, &t::max, &t::sum, &t::lse}},
      {"softmax_partial",
       [](const t& a, const how& o) { return softmax_partial(a.x, 1, {.max = a.max, .sum = a.sum, .lse = a.lse}, o); },
       {&t::x, &t::max, &t::sum, &t::lse}},
      {"softmax_finish",
       [](const t& a, const how& o) { return softmax_finish(a.x, a.y, 1, {.max = a.each, .sum = a.each}, o); },
       {&t::x, &t::y, &t::each}},
      {"softmax_gradient",
       [](const t& a, const how& o) { return softmax_gradient(a.dy, a.x, a.y, 1, 2, o); },
       {&t::dy, &t::x, &t::y}},
      {"log_softmax_gradient",
       [](const t& a, const how& o) { return log_softmax_gradient(a.dy, a.x, a.y, 1, 2, o); },
       {&t::dy, &t::x, &t::y}},
      {"cross_entropy",
       [](const t& a, const how& o) { return cross_entropy(a.x, a.targets, a.sum, 1, {.lse = a.lse}, o); },
       {&t::x, &t::targets, &t::sum, &t::lse}},
      {"cross_entropy_gradient",
       [](const t& a, const how& o) { return cross_entropy_gradient(a.each, a.x, a.targets, a.y, 1, {}, o); },
       {&t::each, &t::x, &t::targets, &t::y}},
      {"top_k_gating",
       [](const t& a, const how& o) { return top_k_gating(a.x, a.y, a.experts, 1, {.bias = a.mask}, o); },
       {&t::x, &t::y, &t::experts, &t::mask}},
      {"activate_gated_quantised",
       [](const t& a, const how& o) {
         return activate_gated_quantised(gate::swiglu, a.x, a.dy, a.codes, 1, {.row_scales = a.sum, .amax = a.max}, o);
       },
       {&t::x, &t::dy, &t::codes, &t::sum, &t::max}},
      {"activate_quantised",
       [](const t& a, const how& o) { return activate_quantised(activation::gelu, a.x, a.codes, 1, {}, o); },
       {&t::x, &t::codes}},
      {"softmax_quantised",
       [](const t& a, const how& o) {
         return softmax_quantised(a.x, a.codes, 1, {.mask = a.mask}, {.row_scales = a.sum, .amax = a.max}, o);
       },
       {&t::x, &t::codes, &t::sum, &t::max, &t::mask}},
  };
  return calls;
}

}  // namespace sigmax_test
