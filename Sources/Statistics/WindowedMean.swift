/// The mean of the newest `capacity` numbers.
public struct WindowedMean: Codable, Sendable, Equatable {
    public let capacity: Int
    private var window: [Double] = []
    private var next = 0

    public init(capacity: Int) {
        precondition(capacity > 0, "a window of \(capacity) numbers")
        self.capacity = capacity
    }

    public mutating func add(_ x: Double) {
        if window.count < capacity {
            window.append(x)
        } else {
            window[next] = x
        }
        next = (next + 1) % capacity
    }

    public var count: Int { window.count }

    /// Nil before the first number. It is summed anew at each call, so that rounding errors do not accumulate over a long stream.
    public var mean: Double? { window.isEmpty ? nil : window.reduce(0, +) / Double(window.count) }
}
