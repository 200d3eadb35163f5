/// Linear regression of the indicator of each class on one vector, updated with each example by the formula of Sherman and Morrison
/// (recursive least squares): after one pass it is what it would be after many.
///
/// Classes come as they come. Numbers of the vector are standardised by what came so far.
public struct RidgeClassifier: Sendable {
    /// (inputs + 1)², (ridge · 1 + Σ x xᵀ)⁻¹, row by row.
    private var inverse: [Double] = []
    /// (inputs + 1) of each class.
    private var weights: [[Double]] = []
    private let ridge: Double
    private var x: [Double] = []
    private var standards = RunningStandards()

    /// - Parameter ridge: how strongly weights are held at 0.
    public init(ridge: Double) {
        precondition(ridge > 0, "a ridge of \(ridge)")
        self.ridge = ridge
    }

    /// The number of classes.
    public var classes: Int { weights.count }

    /// Scores of the classes, which are near 1 for the class of similar vectors, and near 0 for others.
    /// - Parameter vector: as many numbers each time, finite ones; others count as zero.
    public mutating func predict(_ vector: [Float]) -> [Float] {
        x = standards.standardized(vector)
        return weights.map { Float(dot($0, x)) }
    }

    /// Learns the class of the vector predicted last.
    public mutating func learn(_ label: Int) {
        precondition(label >= 0 && !x.isEmpty, "class \(label) of \(x.count) numbers")
        let count = x.count
        if inverse.isEmpty {
            inverse = Array(repeating: 0, count: count * count)
            for i in 0..<count { inverse[i * count + i] = 1 / ridge }
        }
        // What never came had a target of 0 each time, and so weights of 0.
        while classes <= label { weights.append(Array(repeating: 0, count: count)) }
        var gain = [Double](repeating: 0, count: count)
        inverse.withUnsafeBufferPointer { inverse in
            for i in 0..<count {
                var sum = 0.0
                for j in 0..<count { sum += inverse[i * count + j] * x[j] }
                gain[i] = sum
            }
        }
        let scale = 1 + dot(gain, x)
        for index in weights.indices {
            let error = ((index == label ? 1 : 0) - dot(weights[index], x)) / scale
            for i in 0..<count { weights[index][i] += gain[i] * error }
        }
        inverse.withUnsafeMutableBufferPointer { inverse in
            for i in 0..<count {
                let factor = gain[i] / scale
                for j in 0..<count { inverse[i * count + j] -= factor * gain[j] }
            }
        }
        standards.add()
    }

    private func dot(_ a: [Double], _ b: [Double]) -> Double {
        var sum = 0.0
        for i in a.indices { sum += a[i] * b[i] }
        return sum
    }
}

/// Means and deviations of the numbers of vectors, and vectors freed of them.
private struct RunningStandards: Sendable {
    private var count = 0.0
    private var means: [Double] = [], squares: [Double] = []
    private var newest: [Double] = []

    /// The vector in units of the deviations so far, divided by the root of its length, and a constant. It counts as one that came.
    mutating func standardized(_ vector: [Float]) -> [Double] {
        if means.isEmpty { (means, squares) = (Array(repeating: 0, count: vector.count), Array(repeating: 0, count: vector.count)) }
        precondition(vector.count == means.count, "\(vector.count) numbers after \(means.count)")
        newest = vector.map { $0.isFinite ? Double($0) : 0 }
        let scale = 1 / Double(max(1, vector.count)).squareRoot()
        return newest.indices.map { i in
            // With the vector itself, so that the first has a place too.
            let n = count + 1, deviation = newest[i] - means[i]
            let variance = (squares[i] + deviation * deviation * count / n) / n
            return variance > 1e-12 ? max(-4, min(4, deviation * count / n / variance.squareRoot())) * scale : 0
        } + [1]
    }

    /// Counts the vector standardised last.
    mutating func add() {
        count += 1
        for i in newest.indices {
            let deviation = newest[i] - means[i]
            means[i] += deviation / count
            squares[i] += deviation * (newest[i] - means[i])
        }
    }
}
