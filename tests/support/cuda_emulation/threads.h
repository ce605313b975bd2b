// What the source of kernels finds where a GPU would be: a block's threads, one after another, on the processor.
//
// Blocks run in order. Threads run to the end one by one; where a kernel synchronises them each has a stack of its own,
// and waits there for the others. __shared__ memory is static: there is one block at a time.
#pragma once
#include <cuda_runtime.h>
#include <ucontext.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <vector>

#undef __shared__
#define __shared__ static
#undef __launch_bounds__
#define __launch_bounds__(...)
#define threadIdx emulated::thread
#define blockIdx emulated::block
#define __syncthreads emulated::wait
#define __syncwarp emulated::wait
#define __shfl_xor_sync emulated::shuffled

// CUDA's own, which take numbers over NaN.
template <typename T, typename = std::enable_if_t<std::is_arithmetic_v<T>>>
T max(T a, T b) {
  return a != a || b > a ? b : a;
}
template <typename T, typename = std::enable_if_t<std::is_arithmetic_v<T>>>
T min(T a, T b) {
  return a != a || b < a ? b : a;
}

template <typename To, typename From>
To same_bits(From x) {
  To made;
  static_assert(sizeof made == sizeof x);
  std::memcpy(&made, &x, sizeof x);
  return made;
}
inline float __int_as_float(unsigned x) { return same_bits<float>(x); }
inline double __longlong_as_double(unsigned long long x) { return same_bits<double>(x); }

namespace emulated {

inline uint3 thread, block;

struct Fiber {
  ucontext_t context;
  std::vector<char> stack;
  uint3 place;
  bool is_done;
};

inline std::vector<Fiber> fibers;
inline ucontext_t scheduler;
inline Fiber *running = nullptr;
inline void (*body)(void **);
inline void **arguments;

inline void wait() {
  if (running == nullptr) {
    std::fprintf(stderr, "a kernel synchronises that was not seen to\n");
    std::abort();
  }
  swapcontext(&running->context, &scheduler);
  thread = running->place;
}

// What lanes give each other, by the thread's number; nobody writes it again before all have read.
inline float exchanged[1024];
inline float shuffled(unsigned, float value, int step) {
  exchanged[thread.x] = value;
  wait();
  const float found = exchanged[thread.x ^ step];
  wait();
  return found;
}

inline void enter() {
  body(arguments);
  running->is_done = true;
  swapcontext(&running->context, &scheduler);
}

inline void run_together(dim3 size) {
  fibers.resize(static_cast<size_t>(size.x) * size.y * size.z);
  size_t number = 0;
  for (unsigned z = 0; z < size.z; ++z)
    for (unsigned y = 0; y < size.y; ++y)
      for (unsigned x = 0; x < size.x; ++x) {
        Fiber &each = fibers[number++];
        each.stack.resize(1 << 16);
        each.place = {x, y, z};
        each.is_done = false;
        getcontext(&each.context);
        each.context.uc_stack.ss_sp = each.stack.data();
        each.context.uc_stack.ss_size = each.stack.size();
        each.context.uc_link = nullptr;
        makecontext(&each.context, enter, 0);
      }
  for (size_t left = fibers.size(); left > 0;) {
    for (Fiber &each : fibers) {
      if (each.is_done) continue;
      running = &each;
      thread = each.place;
      swapcontext(&scheduler, &each.context);
      left -= each.is_done;
    }
  }
  running = nullptr;
}

inline void run_apart(dim3 size) {
  for (thread.z = 0; thread.z < size.z; ++thread.z)
    for (thread.y = 0; thread.y < size.y; ++thread.y)
      for (thread.x = 0; thread.x < size.x; ++thread.x) body(arguments);
}

inline void launch(void (*kernel)(void **), bool synchronises, dim3 grid, dim3 size, void **given) {
  body = kernel;
  arguments = given;
  for (block.z = 0; block.z < grid.z; ++block.z)
    for (block.y = 0; block.y < grid.y; ++block.y)
      for (block.x = 0; block.x < grid.x; ++block.x) synchronises ? run_together(size) : run_apart(size);
}

}  // namespace emulated
