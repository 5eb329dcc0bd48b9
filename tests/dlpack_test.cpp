// Views of DLPack tensors. Compiled with the machine's dlpack.h where there is one, else with the layout that DLPack 1
// documents (https://dmlc.github.io/dlpack/latest/c_api.html), as far as the adapter looks at it.
#if __has_include(<dlpack/dlpack.h>)
#include <dlpack/dlpack.h>
#else
#include <cstdint>
#define DLPACK_MAJOR_VERSION 1
#define DLPACK_FLAG_BITMASK_READ_ONLY (1UL << 0UL)
enum DLDeviceType : std::int32_t { kDLCPU = 1, kDLCUDA = 2, kDLCUDAHost = 3, kDLROCM = 10, kDLCUDAManaged = 13 };
enum DLDataTypeCode { kDLInt = 0, kDLUInt = 1, kDLFloat = 2, kDLBfloat = 4, kDLBool = 6 };
struct DLDevice {
  DLDeviceType device_type;
  std::int32_t device_id;
};
struct DLDataType {
  std::uint8_t code, bits;
  std::uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  std::int32_t ndim;
  DLDataType dtype;
  std::int64_t *shape, *strides;
  std::uint64_t byte_offset;
};
struct DLManagedTensorVersioned {
  struct {
    std::uint32_t major, minor;
  } version;
  void* manager_ctx;
  void (*deleter)(DLManagedTensorVersioned* self);
  std::uint64_t flags;
  DLTensor dl_tensor;
};
#endif

#include <sigmax/dlpack.hpp>

#include "harness.hpp"

namespace sigmax_test {
namespace {

struct dlpack : testing::Test {
  float data[7] = {9, -2, -1, 0, 1, 2, 3};
  std::int64_t shape[2] = {2, 3}, strides[2] = {1, 2};
  DLTensor tensor{data, {kDLCPU, 0}, 2, {kDLFloat, 32, 1}, shape, nullptr, 4};
  view out{};
};

TEST_F(dlpack, dense_and_strided) {
  ASSERT_TRUE(from_dlpack(tensor, out).ok());
  EXPECT_EQ(out.data, data + 1);
  EXPECT_EQ(out.strides[0], 3);
  EXPECT_EQ(out.strides[1], 1);
  ASSERT_TRUE(activate(activation::relu, out, out).ok());
  EXPECT_EQ(data[1], 0);
  EXPECT_EQ(data[6], 3);
  EXPECT_EQ(data[0], 9);
  tensor.strides = strides;
  const_view in;
  ASSERT_TRUE(from_dlpack(tensor, in).ok());
  EXPECT_EQ(in.strides[0], 1);
  EXPECT_EQ(in.strides[1], 2);
  tensor.ndim = 0;
  tensor.shape = nullptr;
  EXPECT_TRUE(from_dlpack(tensor, in).ok());
  EXPECT_EQ(in.rank, 0);
}

TEST_F(dlpack, types_and_devices) {
  const std::tuple<int, int, dtype> types[] = {{2, 32, dtype::f32},     {2, 16, dtype::f16},     {4, 16, dtype::bf16},
                                               {6, 8, dtype::boolean},  {0, 32, dtype::i32},     {0, 64, dtype::i64},
                                               {10, 8, dtype::f8_e4m3}, {12, 8, dtype::f8_e5m2}, {0, 8, dtype::i8}};
  for (auto [code, bits, type] : types) {
    tensor.dtype = {static_cast<std::uint8_t>(code), static_cast<std::uint8_t>(bits), 1};
    ASSERT_TRUE(from_dlpack(tensor, out).ok());
    EXPECT_EQ(out.type, type);
  }
  tensor.dtype.lanes = 4;
  EXPECT_EQ(from_dlpack(tensor, out).code, status_code::unsupported);
  tensor.dtype = {kDLFloat, 64, 1};
  EXPECT_EQ(from_dlpack(tensor, out).code, status_code::unsupported);
  tensor.dtype = {kDLFloat, 32, 1};
  const std::pair<DLDeviceType, memory> devices[] = {
      {kDLCPU, memory::host}, {kDLCUDAHost, memory::host}, {kDLCUDA, memory::cuda}, {kDLCUDAManaged, memory::managed}};
  for (auto [device, where] : devices) {
    tensor.device.device_type = device;
    ASSERT_TRUE(from_dlpack(tensor, out).ok());
    EXPECT_EQ(out.where, where);
  }
  tensor.device.device_type = kDLROCM;
  EXPECT_EQ(from_dlpack(tensor, out).code, status_code::unsupported);
}

TEST_F(dlpack, hostile_tensors) {
  out.rank = 5;
  for (int rank : {-1, 9}) {
    tensor.ndim = rank;
    EXPECT_EQ(from_dlpack(tensor, out).code, status_code::invalid_argument);
  }
  tensor.ndim = 2;
  tensor.shape = nullptr;
  EXPECT_EQ(from_dlpack(tensor, out).code, status_code::invalid_argument);
  EXPECT_EQ(out.rank, 5);  // untouched
  std::int64_t huge[2] = {INT64_MAX, INT64_MAX};
  tensor.shape = huge;
  ASSERT_TRUE(from_dlpack(tensor, out).ok());
  EXPECT_EQ(activate(activation::relu, out, out).code, status_code::invalid_argument);
  shape[0] = 0;
  tensor.shape = shape;
  tensor.data = nullptr;
  ASSERT_TRUE(from_dlpack(tensor, out).ok());
  EXPECT_TRUE(activate(activation::relu, out, out).ok());
}

#if defined(DLPACK_MAJOR_VERSION)
TEST_F(dlpack, versions_and_read_only) {
  DLManagedTensorVersioned managed{};
  managed.version.major = DLPACK_MAJOR_VERSION;
  managed.dl_tensor = tensor;
  const_view in;
  EXPECT_TRUE(from_dlpack(managed, out).ok());
  managed.flags = DLPACK_FLAG_BITMASK_READ_ONLY;
  EXPECT_TRUE(from_dlpack(managed, in).ok());
  EXPECT_EQ(from_dlpack(managed, out).code, status_code::invalid_argument);
  managed.version.major = 77;
  EXPECT_EQ(from_dlpack(managed, in).code, status_code::unsupported);
}
#endif

}  // namespace
}  // namespace sigmax_test
