#include "CVector.h"

#if defined(__x86_64__)

// A sum is the same to the bit on every processor and at every position in a matrix: products are added in the order of k, each with
// one rounding.
#pragma STDC FP_CONTRACT OFF

#define INLINE static inline __attribute__((always_inline))
#define AVX2 __attribute__((target("avx2,fma")))

/// Copies columns first ..< first + width of op(B) into consecutive rows of `width` numbers, with zeros beyond the last column.
INLINE void pack(const float *b, long bRow, long bColumn, long first, long columns, long k, long width, float *panel) {
    long used = columns - first < width ? columns - first : width;
    if (bColumn == 1) {
        for (long p = 0; p < k; p++) {
            const float *from = b + p * bRow + first;
            float *to = panel + p * width;
            if (used == width) {
                for (long j = 0; j < width; j++) to[j] = from[j];
            } else {
                for (long j = 0; j < width; j++) to[j] = j < used ? from[j] : 0;
            }
        }
        return;
    }
    long j = 0;
    for (; j + 4 <= used; j += 4) {
        const float *from = b + (first + j) * bColumn;
        long p = 0;
        if (bRow == 1) {
            for (; p + 4 <= k; p += 4) {
                __m128 r0 = _mm_loadu_ps(from + p), r1 = _mm_loadu_ps(from + bColumn + p);
                __m128 r2 = _mm_loadu_ps(from + 2 * bColumn + p), r3 = _mm_loadu_ps(from + 3 * bColumn + p);
                _MM_TRANSPOSE4_PS(r0, r1, r2, r3);
                float *to = panel + p * width + j;
                _mm_storeu_ps(to, r0);
                _mm_storeu_ps(to + width, r1);
                _mm_storeu_ps(to + 2 * width, r2);
                _mm_storeu_ps(to + 3 * width, r3);
            }
        }
        for (; p < k; p++)
            for (long i = 0; i < 4; i++) panel[p * width + j + i] = from[i * bColumn + p * bRow];
    }
    for (; j < width; j++)
        for (long p = 0; p < k; p++) panel[p * width + j] = j < used ? b[p * bRow + (first + j) * bColumn] : 0;
}

/// Writes a block's sums to C if its last columns are not a full panel.
INLINE void finish(const float *sums, long width, long rows, long used, float *c, long stride, float alpha, float beta) {
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < used; j++) {
            float sum = alpha * sums[i * width + j];
            c[i * stride + j] = beta == 0 ? sum : sum + beta * c[i * stride + j];
        }
}

/// Computes rows × (8 · vectors) numbers of C with all sums in registers, in the order of k.
INLINE AVX2 void block(
    int rows, int vectors, const float *a, long aRow, long aColumn, const float *panel, long panelRow, long k, float *c, long stride,
    long used, float alpha, float beta) {
    __m256 sums[6][2];
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++) sums[i][v] = _mm256_setzero_ps();
    for (long p = 0; p < k; p++) {
        __m256 right[2];
        for (int v = 0; v < vectors; v++) right[v] = _mm256_loadu_ps(panel + p * panelRow + v * 8);
        for (int i = 0; i < rows; i++) {
            __m256 left = _mm256_broadcast_ss(a + i * aRow + p * aColumn);
            for (int v = 0; v < vectors; v++) sums[i][v] = _mm256_fmadd_ps(left, right[v], sums[i][v]);
        }
    }
    if (used < 8 * vectors) {
        float lanes[6 * 16];
        for (int i = 0; i < rows; i++)
            for (int v = 0; v < vectors; v++) _mm256_storeu_ps(lanes + (i * vectors + v) * 8, sums[i][v]);
        return finish(lanes, 8 * vectors, rows, used, c, stride, alpha, beta);
    }
    __m256 first = _mm256_set1_ps(alpha), second = _mm256_set1_ps(beta);
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++) {
            float *to = c + i * stride + v * 8;
            __m256 y = _mm256_mul_ps(first, sums[i][v]);
            _mm256_storeu_ps(to, beta == 0 ? y : _mm256_add_ps(y, _mm256_mul_ps(second, _mm256_loadu_ps(to))));
        }
}

INLINE AVX2 void panelOfAllRows(
    int vectors, const float *a, long aRow, long aColumn, const float *panel, long panelRow, float *c, long stride, long m,
    long used, long k, float alpha, float beta) {
    long i = 0;
#define ROWS(COUNT)                                                                                                                \
    block(COUNT, vectors, a + i * aRow, aRow, aColumn, panel, panelRow, k, c + i * stride, stride, used, alpha, beta), i += COUNT
    while (i + 6 <= m) ROWS(6);
    if (i + 4 <= m) ROWS(4);
    if (i + 2 <= m) ROWS(2);
    if (i < m) ROWS(1);
#undef ROWS
}

AVX2 void CVectorProductAVX2(
    const float *a, long aRow, long aColumn, const float *b, long bRow, long bColumn, float *c, long stride, long m, long n, long k,
    float alpha, float beta) {
    float panel[16 * CVectorDeepestProduct];
    for (long first = 0; first < n; first += 16) {
        long used = n - first < 16 ? n - first : 16;
        if (used == 16 && bColumn == 1 && m <= 32) {  // copying a panel is slower if it is read only a few times
            panelOfAllRows(2, a, aRow, aColumn, b + first, bRow, c + first, stride, m, used, k, alpha, beta);
        } else if (used <= 8) {
            pack(b, bRow, bColumn, first, n, k, 8, panel);
            panelOfAllRows(1, a, aRow, aColumn, panel, 8, c + first, stride, m, used, k, alpha, beta);
        } else {
            pack(b, bRow, bColumn, first, n, k, 16, panel);
            panelOfAllRows(2, a, aRow, aColumn, panel, 16, c + first, stride, m, used, k, alpha, beta);
        }
    }
}

#endif
