/// A component that makes predictions of the next bit in the logistic domain: 0 for no information, positive for a one, negative for a
/// zero.
///
/// Only `learn` and `read` may change what an expert has learned; predicting does not, so that the probability of any byte can be computed.
protocol Expert: AnyObject {
    /// The number of predictions for each bit.
    var predictionCount: Int { get }

    /// Called after a byte was read.
    /// - Parameter learning: whether to learn it.
    func read(_ reading: Reading, learning: Bool)

    /// Called at the beginning of each half byte of `reading`.
    func beginHalfByte(_ reading: Reading)

    /// Writes the predictions of the next bit.
    func predict(_ reading: Reading, into predictions: UnsafeMutablePointer<Float>)

    /// Learns the bit predicted last.
    /// - Parameters:
    ///   - bit: the bit.
    ///   - mixed: the mixed probability of a one.
    func learn(_ bit: Int, mixed: Float)
}
