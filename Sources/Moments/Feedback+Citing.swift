import Schema
import Statistics

extension Feedback {
    /// Whether this refers to `other`: by its id, or by its session and end.
    package func cites(_ other: Moment) -> Bool {
        moment.isEmpty ? session == other.session && momentEnd == other.end : moment == other.id
    }

    /// Whether this refers to the moment with the id `<session>/<end in nanoseconds>`.
    package func cites(id: String) -> Bool {
        moment.isEmpty ? "\(session)/\(momentEnd)" == id : moment == id
    }

    /// Whether the label is one of `count` classes, and of the classes that the publisher states.
    package func isWithin(_ count: Int) -> Bool { Int(label) < count && (classes == 0 || label < classes) }

    /// Seconds from the moment's end to when its label became known; nil where the publisher does not state it.
    package func delay(of moment: Moment) -> Double? {
        knownAt >= moment.end ? Double(secondsIn: knownAt.clampedSubtracting(moment.end)) : nil
    }
}
