import Foundation

/// A softmax over classes that come as they come, linear in sparse inputs, learned online by Adagrad as `AdagradLogistic`; inputs share
/// a table by the hash of their keys.
public struct AdagradSoftmax: Sendable {
    /// An input: what it is, and its value.
    public typealias Input = (key: UInt64, value: Float)

    private let rate: Float, start: Float, tableBits: Int
    /// Weights and Σ g² of each class.
    private var weights: [[Float]] = [], squares: [[Float]] = []
    private var slots: [Int] = [], values: [Float] = []

    /// - Parameters:
    ///   - rate: Adagrad's rate.
    ///   - start: the first Σ g².
    ///   - tableBits: a class has 2 to the power of this many weights.
    public init(rate: Float = 1, start: Float = 0.01, tableBits: Int = 16) {
        precondition((1...26).contains(tableBits), "a table of 2^\(tableBits) weights")
        (self.rate, self.start, self.tableBits) = (rate, start, tableBits)
    }

    public var classes: Int { weights.count }

    /// ln of the classes' probabilities; empty before the first class has come.
    public mutating func predict(_ inputs: [Input]) -> [Float] {
        slots = inputs.map { Int(mixed($0.key) >> UInt64(64 - tableBits)) }
        values = inputs.map(\.value)
        return logProbabilities()
    }

    /// Learns the class of what was predicted last; classes that are new begin with weights of 0.
    public mutating func learn(_ label: Int) {
        precondition(label >= 0, "class \(label)")
        while classes <= label {
            weights.append(Array(repeating: 0, count: 1 << tableBits))
            squares.append(Array(repeating: start, count: 1 << tableBits))
        }
        // Of the classes that there are now, and over inputs of which several may share a weight.
        for (index, logProbability) in logProbabilities().enumerated() {
            let miss = exp(logProbability) - (index == label ? 1 : 0)
            for (slot, value) in zip(slots, values) {
                let g = miss * value
                squares[index][slot] += g * g
                weights[index][slot] -= rate * g / squares[index][slot].squareRoot()
            }
        }
    }

    private func logProbabilities() -> [Float] {
        let scores = weights.map { row in zip(slots, values).reduce(Float(0)) { $0 + row[$1.0] * $1.1 } }
        let highest = scores.max() ?? 0, sum = scores.reduce(Float(0)) { $0 + exp($1 - highest) }
        return scores.map { $0 - highest - log(sum) }
    }
}
