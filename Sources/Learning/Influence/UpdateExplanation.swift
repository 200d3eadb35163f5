/// What moved a version of the model since the version before, and what it got better and worse at.
///
/// A gain is what leaving a moment, or a session, out of the version's steps costs on anchors: the mean loss after the same steps without
/// it less that after all of them. It is negative for what made the model worse. Losses are in nats per label.
public struct UpdateExplanation: Codable, Sendable, Equatable {
    /// What a moment gave, or all that came from a session since the version before.
    public struct Gain: Codable, Sendable, Equatable {
        /// The moment, or the session.
        public var name: String
        /// The session and the class of a moment.
        public var session: String?
        public var label: Int?
        /// Whether the moment was new, not only replayed.
        public var isNew: Bool?
        /// In how many rows of the steps it was.
        public var rows: Int
        /// Nats; nil where there was no time to make the steps without it.
        public var gain: Double?
        /// The loss of its label before it was learned, in nats; of a session the mean. Nil where there was none.
        public var surprise: Double?

        init(
            name: String, session: String? = nil, label: Int? = nil, isNew: Bool? = nil, rows: Int, gain: Double?, surprise: Double? = nil
        ) {
            (self.name, self.session, self.label, self.isNew) = (name, session, label, isNew)
            (self.rows, self.gain, self.surprise) = (rows, gain, surprise)
        }
    }

    /// The mean loss of some anchors before and after.
    public struct Change: Codable, Sendable, Equatable {
        public var name: String
        public var anchors: Int
        public var before, after: Double
    }

    /// Optimiser steps, rows in them, and moments that were not left out because there were too many, or too little time.
    public var steps = 0, rows = 0, uncounted = 0
    /// The number of anchors: old labelled moments that the model predicted rightly before it learned them; their mean loss.
    public var anchors = 0
    public var before = 0.0, after = 0.0
    /// Moments, at most `most` each: the greatest gain first, and the greatest loss first.
    public var helped: [Gain] = [], harmed: [Gain] = []
    /// At most `most`, the greatest surprise first.
    public var sessions: [Gain] = []
    /// At most `most`, what got worse first.
    public var byClass: [Change] = [], byModality: [Change] = [], bySession: [Change] = []

    /// The most entries of a list.
    public static let most = 16
}
