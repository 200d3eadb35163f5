import Tensors

/// H = Σ xᵀ x over the rows that some inputs of projections have had, (width, width) each.
///
/// It has one owner: it is not `Sendable`.
final class SecondMoments: PassObserver {
    /// The number of rows observed.
    private(set) var count = 0
    private let sums: [ProjectionInputPlace: Memory<Float>]
    let observesHead: Bool

    /// - Parameter widths: the inputs to observe, and their widths.
    init(_ widths: [ProjectionInputPlace: Int]) {
        sums = widths.mapValues { Memory($0 * $0) }
        observesHead = widths[.head] != nil
    }

    /// H of an input, of which the upper triangle is set; nil if it is not observed.
    subscript(input: ProjectionInputPlace) -> Memory<Float>? { sums[input] }

    func begin(rows: Int) { count += rows }

    func observe(_ x: UnsafePointer<Float>, rows: Int, width: Int, at input: ProjectionInputPlace, _ share: Share) {
        guard rows > 0, let sum = sums[input] else { return }
        // Shares take turns, because the rows of a triangle are of different lengths.
        for (turn, start) in stride(from: 0, to: width, by: Self.strip).enumerated() where turn % share.count == share.index {
            let height = min(Self.strip, width - start)
            Float.multiply(
                Matrix(x + start, stride: width, transposed: true), Matrix(x + start, stride: width),
                into: sum.pointer + start * width + start, stride: width, m: height, n: width - start, k: rows, alpha: 1, beta: 1)
        }
    }

    /// The rows of H that are computed together.
    private static let strip = 64

    /// Reads a text, some tokens at a time, and observes what projections read of it.
    ///
    /// - Parameters:
    ///   - tokens: the text.
    ///   - window: the tokens of a window; the model's positions, if they are fewer.
    ///   - plan: the plan of the model, or of its first blocks.
    ///   - parameters: the model's parameters.
    ///   - team: the threads that compute.
    func observe(_ tokens: [Int], window: Int, plan: DecodingPlan, _ parameters: ParameterStore<Float>, team: Team) {
        let window = min(window, plan.positionLimit)
        let decoder = TextDecoder(
            plan: plan, parameters, streams: 1, prefixLimit: 0, contextLimit: window, precision: .float32, inOrder: false, team: team)
        for start in stride(from: 0, to: tokens.count, by: window) {
            decoder.forget(0)
            decoder.read(tokens[start..<min(start + window, tokens.count)], stream: 0, observer: self)
        }
    }
}

extension DecodingPlan {
    /// The plan of the first blocks alone.
    func first(blocks count: Int) -> DecodingPlan {
        var plan = self
        plan.blocks = Array(blocks[..<count])
        return plan
    }
}
