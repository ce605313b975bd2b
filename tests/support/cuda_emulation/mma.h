// Tensor cores as every thread of a warp for itself: each holds all of a fragment.
#pragma once
#include <cuda_fp16.h>

namespace nvcuda {
namespace wmma {

struct matrix_a {};
struct matrix_b {};
struct accumulator {};
struct row_major {};
struct col_major {};
enum layout_t { mem_row_major, mem_col_major };

template <typename Use, int M, int N, int K, typename T, typename Layout = void>
struct fragment;
template <int M, int N, int K, typename T, typename Layout>
struct fragment<matrix_a, M, N, K, T, Layout> {
  T x[M][K];
};
template <int M, int N, int K, typename T, typename Layout>
struct fragment<matrix_b, M, N, K, T, Layout> {
  T x[K][N];
};
template <int M, int N, int K, typename T>
struct fragment<accumulator, M, N, K, T, void> {
  T x[M][N];
};

template <typename A, typename B>
constexpr bool same = false;
template <typename A>
constexpr bool same<A, A> = true;

template <typename Use, int M, int N, int K, typename T, typename Layout>
void load_matrix_sync(fragment<Use, M, N, K, T, Layout> &to, const T *from, unsigned stride) {
  constexpr int rows = same<Use, matrix_a> ? M : K, columns = same<Use, matrix_a> ? K : N;
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j) to.x[i][j] = same<Layout, row_major> ? from[i * stride + j] : from[j * stride + i];
}

template <int M, int N, int K, typename T>
void fill_fragment(fragment<accumulator, M, N, K, T, void> &to, T value) {
  for (auto &row : to.x)
    for (auto &each : row) each = value;
}

template <int M, int N, int K, typename T, typename LA, typename LB>
void mma_sync(fragment<accumulator, M, N, K, float, void> &d, const fragment<matrix_a, M, N, K, T, LA> &a,
              const fragment<matrix_b, M, N, K, T, LB> &b, const fragment<accumulator, M, N, K, float, void> &c) {
  for (int i = 0; i < M; ++i)
    for (int j = 0; j < N; ++j) {
      float sum = c.x[i][j];
      for (int k = 0; k < K; ++k) sum += static_cast<float>(a.x[i][k]) * static_cast<float>(b.x[k][j]);
      d.x[i][j] = sum;
    }
}

template <int M, int N, int K, typename T>
void store_matrix_sync(T *to, const fragment<accumulator, M, N, K, T, void> &from, unsigned stride, layout_t layout) {
  for (int i = 0; i < M; ++i)
    for (int j = 0; j < N; ++j) (layout == mem_row_major ? to[i * stride + j] : to[j * stride + i]) = from.x[i][j];
}

}  // namespace wmma
}  // namespace nvcuda
