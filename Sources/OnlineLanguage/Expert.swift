/// Somebody with opinions about the next bit, in the logistic domain: 0 says nothing, +2 a fairly sure one, −2 a fairly sure zero.
///
/// Only `learn` and `read` may change what an expert knows; to be asked changes nothing, so any byte can be asked about.
protocol Expert: AnyObject {
    /// How many opinions it gives on each bit.
    var opinions: Int { get }

    /// A byte has been read.
    /// - Parameter learning: whether to remember it.
    func read(_ reading: Reading, learning: Bool)

    /// Turns to the half byte that begins where `reading` stands.
    func turn(to reading: Reading)

    /// Writes the opinions on the next bit.
    func predict(_ reading: Reading, into opinions: UnsafeMutablePointer<Float>)

    /// Learns the bit that was predicted last.
    /// - Parameter mixed: the probability that all experts together gave to a one.
    func learn(_ bit: Int, mixed: Float)
}
