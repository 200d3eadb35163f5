/// y[b, i, j] = the window of x[b] at (i·stride − padding, j·stride − padding), laid out as one row; zeros outside
///
/// x (B, height, width, C), y (B·rows·columns, window height · window width · C). A convolution is a product of y and a matrix.
/// dx at the source position += dy
struct UnfoldOperator<S: Scalar>: Operator {
    let x: Input<S>
    let y: Tensor<S>
    let window: Window
    let B: Int, height: Int, width: Int, C: Int

    var inputs: [Input<S>] { [x] }
    var outputs: [Tensor<S>] { [y] }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func forward(_ share: Share) {
        for b in share.of(B) {
            eachPatch(b) { patch, place in
                let to = y.storage.values + patch
                if let place { to.update(from: x.values + place, count: C) } else { to.update(repeating: .zero, count: C) }
            }
        }
    }

    @specialized(where S == Float)
    @specialized(where S == Dual<Float>)
    func backward(_ share: Share) {
        guard let dx = x.gradient else { return }
        let dy = y.storage.gradient!
        for b in share.of(B) {
            eachPatch(b) { patch, place in
                guard let place else { return }
                S.sweep(0..<C) { i, count in S.store(S.load(dy + patch, i, count), to: dx + place, i, count, adding: true) }
            }
        }
    }

    /// Calls `body` with the offset in y and in x (nil outside the image) of every pixel of every window of one image.
    @inline(__always)
    private func eachPatch(_ b: Int, _ body: (_ patch: Int, _ place: Int?) -> Void) {
        let (rows, columns) = (window.rows(of: height), window.columns(of: width))
        var patch = b * rows * columns * window.height * window.width * C
        for i in 0..<rows {
            for j in 0..<columns {
                for u in 0..<window.height {
                    for v in 0..<window.width {
                        let (row, column) = (i * window.stride + u - window.padding.rows, j * window.stride + v - window.padding.columns)
                        let isInside = row >= 0 && row < height && column >= 0 && column < width
                        body(patch, isInside ? ((b * height + row) * width + column) * C : nil)
                        patch += C
                    }
                }
            }
        }
    }
}

/// A window that slides over an image, or with height 1 over a sequence.
public struct Window: Sendable, Hashable {
    public let height: Int, width: Int, stride: Int
    /// Zeros around the image, above and below, left and right.
    public let padding: Padding

    public struct Padding: Sendable, Hashable {
        public let rows: Int, columns: Int
    }

    /// - Parameters:
    ///   - height, width: size in pixels.
    ///   - stride: pixels between two windows.
    ///   - padding: zeros added above and below (rows), left and right (columns), in pixels.
    public init(height: Int, width: Int, stride: Int = 1, padding: (rows: Int, columns: Int) = (0, 0)) {
        precondition(height > 0 && width > 0 && stride > 0, "a window of \(height) × \(width) every \(stride)")
        self.height = height
        self.width = width
        self.stride = stride
        self.padding = Padding(rows: padding.rows, columns: padding.columns)
    }

    /// The number of window positions along an image's height in pixels.
    public func rows(of height: Int) -> Int { (height + 2 * padding.rows - self.height) / stride + 1 }
    /// The number of window positions along an image's width in pixels.
    public func columns(of width: Int) -> Int { (width + 2 * padding.columns - self.width) / stride + 1 }
}

extension Graph {
    /// Copies every window of every image into one row (im2col).
    /// x (B, height, width, C); gives (B·rows·columns, window height · window width · C).
    public func unfold(_ x: Tensor<S>, _ window: Window) -> Tensor<S> {
        precondition(x.shape.count == 4, "\(x.shape) is not (images, height, width, channels)")
        let (B, height, width, C) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
        let (rows, columns) = (window.rows(of: height), window.columns(of: width))
        precondition(rows > 0 && columns > 0, "no window \(window) fits into \(x.shape)")
        let x = Input(x, coversAll: false)
        let y = output([B * rows * columns, window.height * window.width * C], of: [x])
        return record(UnfoldOperator(x: x, y: y, window: window, B: B, height: height, width: width, C: C))
    }
}
