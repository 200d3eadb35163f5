#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "CVectorBlocks.h"
#include "CVectorConvolution.h"
#include "CVectorFunctions.h"

/// Sixteen floats; SIMD16<Float> in Swift.
typedef float CVectorFloat16 __attribute__((ext_vector_type(16)));

/// Square roots in one instruction; Swift's own square root of a vector is a library call for each lane.
static inline __attribute__((always_inline)) CVectorFloat16 CVectorSquareRoot(CVectorFloat16 x) {
    return __builtin_elementwise_sqrt(x);
}

/// Loads the first `count` numbers, at most 15, and fills the other lanes. It copies pieces of fixed sizes, because a copy of variable
/// size is a library call.
static inline __attribute__((always_inline)) CVectorFloat16 CVectorLoadFirst(const float *x, long count, float filling) {
    float lanes[16];
    CVectorFloat16 y = filling;
    __builtin_memcpy(lanes, &y, sizeof lanes);
    long i = 0;
    if (count & 8) { __builtin_memcpy(lanes, x, 32); i = 8; }
    if (count & 4) { __builtin_memcpy(lanes + i, x + i, 16); i += 4; }
    if (count & 2) { __builtin_memcpy(lanes + i, x + i, 8); i += 2; }
    if (count & 1) lanes[i] = x[i];
    __builtin_memcpy(&y, lanes, sizeof y);
    return y;
}

/// Stores the first `count` lanes, at most 15.
static inline __attribute__((always_inline)) void CVectorStoreFirst(CVectorFloat16 y, float *x, long count) {
    float lanes[16];
    __builtin_memcpy(lanes, &y, sizeof lanes);
    long i = 0;
    if (count & 8) { __builtin_memcpy(x, lanes, 32); i = 8; }
    if (count & 4) { __builtin_memcpy(x + i, lanes + i, 16); i += 4; }
    if (count & 2) { __builtin_memcpy(x + i, lanes + i, 8); i += 2; }
    if (count & 1) x[i] = lanes[i];
}

/// A hint to the processor that this loop waits for another core.
static inline __attribute__((always_inline)) void CVectorSpinHint(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/// Σ w·x in 32 bits, sixteen numbers at a time; the compiler does not vectorise the plain loop.
static inline int CVectorDotBaseline(const signed char *w, const short *x, long count) {
    int sum = 0;
    long i = 0;
#if defined(__x86_64__)
    __m128i sums = _mm_setzero_si128();
    for (; i + 16 <= count; i += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(w + i));
        __m128i low = _mm_srai_epi16(_mm_unpacklo_epi8(bytes, bytes), 8), high = _mm_srai_epi16(_mm_unpackhi_epi8(bytes, bytes), 8);
        sums = _mm_add_epi32(sums, _mm_madd_epi16(low, _mm_loadu_si128((const __m128i *)(x + i))));
        sums = _mm_add_epi32(sums, _mm_madd_epi16(high, _mm_loadu_si128((const __m128i *)(x + i + 8))));
    }
    int lanes[4];
    _mm_storeu_si128((__m128i *)lanes, sums);
    sum = lanes[0] + lanes[1] + lanes[2] + lanes[3];
#endif
    for (; i < count; i++) sum += w[i] * x[i];
    return sum;
}

/// Σ w·x, sixteen numbers at a time.
static inline float CVectorDotFloatBaseline(const float *w, const float *x, long count) {
    CVectorFloat16 sums = 0, a, b;
    long i = 0;
    for (; i + 16 <= count; i += 16) {
        __builtin_memcpy(&a, w + i, sizeof a);
        __builtin_memcpy(&b, x + i, sizeof b);
        sums += a * b;
    }
    float sum = 0;
    for (int lane = 0; lane < 16; lane++) sum += sums[lane];
    for (; i < count; i++) sum += w[i] * x[i];
    return sum;
}

#if defined(__x86_64__)
/// The largest k of the product below, whose panels are on the stack.
enum { CVectorDeepestProduct = 1024 };

/// C = α·op(A)·op(B) + β·C, for small matrices: C (m, n), k ≤ CVectorDeepestProduct,
/// op(A)[i][p] = a[i·aRow + p·aColumn], op(B)[p][j] = b[p·bRow + j·bColumn]. With β = 0 the old values of C are ignored.
void CVectorProductAVX2(
    const float *a, long aRow, long aColumn, const float *b, long bRow, long bColumn, float *c, long stride, long m, long n, long k,
    float alpha, float beta);

/// The constants of one step of Adam: for every weight w with gradient g and moments m, v
///     g ← scale·g + added·w;  m ← m + towardsGradient·(g − m);  v ← keepSecond·v + addSecond·g²
///     w ← keep·w − rate·m / (secondCorrection·√v + epsilon)
struct CVectorAdaptiveTerms {
    float scale, added, towardsGradient, keepSecond, addSecond, secondCorrection, epsilon, keep, rate;
};

/// One step of Adam. `count` is a multiple of 8. Without weight decay, a weight whose gradient and moments are 0 does not change.
void CVectorAdaptiveStepAVX2(
    float *weights, const float *gradients, float *first, float *second, long count, const struct CVectorAdaptiveTerms *terms);

/// Whether all numbers are finite.
int CVectorIsFiniteAVX2(const float *x, long count);

__attribute__((target("avx2,fma"))) static inline float CVectorDotFloatAVX2(const float *w, const float *x, long count) {
    __m256 a = _mm256_setzero_ps(), b = a, c = a, d = a;
    long i = 0;
    for (; i + 32 <= count; i += 32) {
        a = _mm256_fmadd_ps(_mm256_loadu_ps(w + i), _mm256_loadu_ps(x + i), a);
        b = _mm256_fmadd_ps(_mm256_loadu_ps(w + i + 8), _mm256_loadu_ps(x + i + 8), b);
        c = _mm256_fmadd_ps(_mm256_loadu_ps(w + i + 16), _mm256_loadu_ps(x + i + 16), c);
        d = _mm256_fmadd_ps(_mm256_loadu_ps(w + i + 24), _mm256_loadu_ps(x + i + 24), d);
    }
    __m256 eight = _mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d));
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    float sum = _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
    for (; i < count; i++) sum += w[i] * x[i];
    return sum;
}

__attribute__((target("avx2"))) static inline int CVectorDotAVX2(const signed char *w, const short *x, long count) {
    __m256i even = _mm256_setzero_si256(), odd = even;
    long i = 0;
    for (; i + 32 <= count; i += 32) {
        __m256i first = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(w + i)));
        __m256i second = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(w + i + 16)));
        even = _mm256_add_epi32(even, _mm256_madd_epi16(first, _mm256_loadu_si256((const __m256i *)(x + i))));
        odd = _mm256_add_epi32(odd, _mm256_madd_epi16(second, _mm256_loadu_si256((const __m256i *)(x + i + 16))));
    }
    int lanes[8], sum = 0;
    _mm256_storeu_si256((__m256i *)lanes, _mm256_add_epi32(even, odd));
    for (int lane = 0; lane < 8; lane++) sum += lanes[lane];
    for (; i < count; i++) sum += w[i] * x[i];
    return sum;
}

/// Whether the processor has AVX2 and fused multiply-add.
static inline int CVectorHasAVX2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#else
static inline float CVectorDotFloatAVX2(const float *w, const float *x, long count) { return CVectorDotFloatBaseline(w, x, count); }
static inline int CVectorDotAVX2(const signed char *w, const short *x, long count) { return CVectorDotBaseline(w, x, count); }

static inline int CVectorHasAVX2(void) { return 0; }
#endif
