import Tensors

/// The projections of a trunk that read the same numbers.
enum ProjectionInputPlace: Hashable, Sendable {
    /// Queries, keys and values of a block.
    case attention(Int)
    /// The projection of what a block's heads have read.
    case output(Int)
    /// The first projections of a block's MLP.
    case expansion(Int)
    /// The last projection of a block's MLP.
    case contraction(Int)
    case head
}

/// Observes what the projections of a decoder read.
protocol PassObserver: AnyObject {
    /// Whether it observes the head's input, which is then computed for all rows.
    var observesHead: Bool { get }
    /// Called once, before a pass of so many rows.
    func begin(rows: Int)
    /// Sees an input x (rows, width). Every share of a team's work calls it, each for its own part of the columns.
    func observe(_ x: UnsafePointer<Float>, rows: Int, width: Int, at input: ProjectionInputPlace, _ share: Share)
}
