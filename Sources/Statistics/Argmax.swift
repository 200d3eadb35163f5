extension Collection where Element: Comparable {
    /// The index of the greatest element; of several, the first. Nil where there is none.
    @inlinable public var argmax: Index? { indices.max { self[$0] < self[$1] } }
}
