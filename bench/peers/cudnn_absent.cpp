#include "../cudnn.hpp"

namespace sigmax_bench {

const cudnn_state& cudnn() {
  static const cudnn_state state{"", "this build did not find cudnn.h"};
  return state;
}

cudnn_call make_cudnn_call(const bench_case& /*c*/, void* /*stream*/) { return {}; }

}  // namespace sigmax_bench
