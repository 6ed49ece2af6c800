// One source for GPU and CPU: what nvcc and NVRTC know and g++ does not. Each kernel's source includes it; its name
// ends in .cu so that it is installed with them. On the CPU threads run one after another: kernels wait for no other
// thread, and read nothing that another thread of the same launch has written but by an atomic operation.
#pragma once

#ifdef __CUDACC__

#define KERNEL extern "C" __global__ void
#define DEVICE static __device__ __forceinline__
#define OFFER(name)
#define UNROLL _Pragma("unroll")
DEVICE unsigned bits_of(float value) { return __float_as_uint(value); }
DEVICE float float_of(unsigned bits) { return __uint_as_float(bits); }
template <class T> DEVICE T atomic_add(T *at, T value) { return atomicAdd(at, value); }
DEVICE void atomic_max(unsigned *at, unsigned value) { atomicMax(at, value); }
DEVICE void atomic_or(unsigned *at, unsigned value) { atomicOr(at, value); }

#else

#include <math.h>
#include <string.h>

#include <utility>

#define KERNEL static void
#define DEVICE static inline
#define UNROLL
static thread_local struct { unsigned x; } blockIdx, threadIdx, blockDim;
DEVICE unsigned bits_of(float value) {
  unsigned bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}
DEVICE float float_of(unsigned bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}
template <class T> DEVICE T atomic_add(T *at, T value) {
  const T before = *at;
  *at += value;
  return before;
}
DEVICE void atomic_max(unsigned *at, unsigned value) { *at = *at < value ? value : *at; }
DEVICE void atomic_or(unsigned *at, unsigned value) { *at |= value; }

// As cuLaunchKernel takes them: one address of each argument. False, and nothing run, where their sizes do not fit.
template <class... Each, size_t... At>
static bool every_thread(void (*kernel)(Each...), unsigned blocks, unsigned threads, unsigned count,
                         const unsigned *sizes, void **given, std::index_sequence<At...>) {
  if (count != sizeof...(Each) || !((sizes[At] == sizeof(Each)) && ...)) return false;
  blockDim.x = threads;
  for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x)
    for (threadIdx.x = 0; threadIdx.x < threads; ++threadIdx.x) kernel(*static_cast<Each *>(given[At])...);
  return true;
}
template <class... Each>
static bool every_thread(void (*kernel)(Each...), unsigned blocks, unsigned threads, unsigned count,
                         const unsigned *sizes, void **given) {
  return every_thread(kernel, blocks, threads, count, sizes, given, std::index_sequence_for<Each...>{});
}
#define OFFER(name)                                                                                       \
  extern "C" int name##_on_cpu(unsigned blocks, unsigned threads, unsigned count, const unsigned *sizes,  \
                               void **given) {                                                            \
    return every_thread(name, blocks, threads, count, sizes, given);                                      \
  }

#endif

#define INDEX (blockIdx.x * blockDim.x + threadIdx.x)
