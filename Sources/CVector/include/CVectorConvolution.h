#pragma once

/// Convolutions over pixels whose channels lie side by side (height, width, channels). A number's sum has one order at a level, however
/// the work is divided.

/// The columns of a panel: a matrix (N, K) is packed as ⌈N / 16⌉ panels (K, 16), with zeros beyond the last column.
enum { CVectorPanelColumns = 16 };

/// A packed matrix and what follows a product with it.
struct CVectorPackedMatrix {
    const float *panels;
    /// (N), to the end of the last panel.
    const float *bias;
    long K, N;
    /// Whether results are clamped to 0…6.
    int clamps;
    /// From a row to the next: of x, K if rows follow one another; of y and of what is added, N.
    long xStride, yStride;
};

/// y[row] = w · x[row] + bias, clamped if w says so, then + added[row] unless that is NULL; for some rows and panels of w.
/// x (rows, K); y, added (rows, N). Rows of x may overlap.
void CVectorMultiplyPacked(
    int level, const struct CVectorPackedMatrix *w, const float *x, long firstRow, long lastRow, long firstPanel, long lastPanel,
    const float *added, float *y);

/// A convolution of each channel by itself, with zeros around the picture, clamped to 0…6.
struct CVectorDepthwise {
    /// (side, side, channels), (channels)
    const float *weights, *bias;
    /// Channels are a multiple of 16.
    long side, stride, channels;
    /// The input's size, and the rows and columns of zeros before its first.
    long height, width, before;
    long outputWidth;
};

/// Computes some rows of the output. x (height, width, channels); y (…, outputWidth, channels).
void CVectorConvolveDepthwise(int level, const struct CVectorDepthwise *w, const float *x, long firstRow, long lastRow, float *y);
