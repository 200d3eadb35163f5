#pragma once

/// Functions of rows of numbers, and products of one row with a matrix in half precision. A result is the same to the bit at a level,
/// however the work is divided.

/// x · Φ(x) in place, where Φ(x) = (1 + erf(x / √2)) / 2 to 1.5e-7.  https://arxiv.org/abs/1606.08415
void CVectorGelu(int level, float *x, long count);

/// eˣ⁻ᵐ / Σ eˣ⁻ᵐ in place, where m is the greatest; count > 0.
void CVectorSoftmax(int level, float *x, long count);

/// y = (x − mean) / √(variance + epsilon) · weight + bias for each row of C numbers, a multiple of 16.
/// https://arxiv.org/abs/1607.06450
void CVectorNormalize(
    int level, const float *x, long rows, long C, float epsilon, const float *weight, const float *bias, float *y);

/// A matrix (N, K) in half precision, packed as ⌈N / 16⌉ panels (K, 16) with zeros beyond the last column.
struct CVectorHalfMatrix {
    const unsigned short *panels;
    /// (N), to the end of the last panel.
    const float *bias;
    long K, N;
};

/// y = w · x + bias, + added unless that is NULL, for some panels of w. x (K); y, added (N).
void CVectorMultiplyHalves(
    int level, const struct CVectorHalfMatrix *w, const float *x, long firstPanel, long lastPanel, const float *added, float *y);
