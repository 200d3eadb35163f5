#include "CVector.h"

#if defined(__x86_64__)

// The results are the same to the bit as those of the plain loops of the optimisers: every operation is rounded separately.
#pragma STDC FP_CONTRACT OFF

#define AVX2 __attribute__((target("avx2,fma")))

AVX2 void CVectorAdaptiveStepAVX2(
    float *weights, const float *gradients, float *first, float *second, long count, const struct CVectorAdaptiveTerms *terms) {
    __m256 scale = _mm256_set1_ps(terms->scale), added = _mm256_set1_ps(terms->added), towards = _mm256_set1_ps(terms->towardsGradient);
    __m256 keepSecond = _mm256_set1_ps(terms->keepSecond), addSecond = _mm256_set1_ps(terms->addSecond);
    __m256 correction = _mm256_set1_ps(terms->secondCorrection), epsilon = _mm256_set1_ps(terms->epsilon);
    __m256 keep = _mm256_set1_ps(terms->keep), rate = _mm256_set1_ps(terms->rate);
    int isStill = terms->added == 0 && terms->keep == 1;
    for (long i = 0; i < count; i += 8) {
        __m256 g = _mm256_loadu_ps(gradients + i), m = _mm256_loadu_ps(first + i), v = _mm256_loadu_ps(second + i);
        __m256i touched = _mm256_castps_si256(_mm256_or_ps(g, _mm256_or_ps(m, v)));
        if (isStill && _mm256_testz_si256(touched, touched)) continue;  // rows of an embedding table that have not been used yet
        __m256 w = _mm256_loadu_ps(weights + i);
        g = _mm256_add_ps(_mm256_mul_ps(g, scale), _mm256_mul_ps(added, w));
        m = _mm256_add_ps(m, _mm256_mul_ps(towards, _mm256_sub_ps(g, m)));
        v = _mm256_add_ps(_mm256_mul_ps(keepSecond, v), _mm256_mul_ps(_mm256_mul_ps(addSecond, g), g));
        __m256 denominator = _mm256_add_ps(_mm256_mul_ps(_mm256_sqrt_ps(v), correction), epsilon);
        w = _mm256_sub_ps(_mm256_mul_ps(w, keep), _mm256_mul_ps(rate, _mm256_div_ps(m, denominator)));
        _mm256_storeu_ps(first + i, m);
        _mm256_storeu_ps(second + i, v);
        _mm256_storeu_ps(weights + i, w);
    }
}

AVX2 int CVectorIsFiniteAVX2(const float *x, long count) {
    __m256i exponent = _mm256_set1_epi32(0x7f800000), found = _mm256_setzero_si256();
    long i = 0;
    for (; i + 8 <= count; i += 8) {
        __m256i bits = _mm256_and_si256(_mm256_loadu_si256((const __m256i *)(x + i)), exponent);
        found = _mm256_or_si256(found, _mm256_cmpeq_epi32(bits, exponent));
    }
    int isFinite = _mm256_testz_si256(found, found);
    for (; i < count; i++) isFinite = isFinite && __builtin_isfinite(x[i]);
    return isFinite;
}

#endif
