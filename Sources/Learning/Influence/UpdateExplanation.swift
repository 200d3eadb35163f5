/// What moved a version of the model since the version before, and what it got better and worse at.
///
/// A gain is what leaving a moment out of the steps in which it was a row would have cost on anchors, to first order: for each step,
/// rate · ⟨P ∇J, ∇L − ∇L′⟩, with the loss J on anchors, the step's loss L, that without the row L′, and the optimiser's scale P of each
/// weight. It is negative for what made the model worse. Losses are in nats per label.  https://arxiv.org/abs/2002.08484
public struct UpdateExplanation: Codable, Sendable, Equatable {
    /// What moments gave together: one moment, or all of a session or a class.
    public struct Gain: Codable, Sendable, Equatable {
        /// The moment, the session, or the class.
        public var name: String
        /// The session and the class of a moment.
        public var session: String?
        public var label: Int?
        /// Whether the moment was new, not only replayed.
        public var isNew: Bool?
        /// In how many rows of the steps it was.
        public var rows: Int
        /// Nats.
        public var gain: Double

        init(name: String, session: String? = nil, label: Int? = nil, isNew: Bool? = nil, rows: Int, gain: Double) {
            (self.name, self.session, self.label, self.isNew) = (name, session, label, isNew)
            (self.rows, self.gain) = (rows, gain)
        }
    }

    /// The mean loss of some anchors before and after.
    public struct Change: Codable, Sendable, Equatable {
        public var name: String
        public var anchors: Int
        public var before, after: Double
    }

    /// Optimiser steps, rows in them, and moments that are not in the lists because there were too many.
    public var steps = 0, rows = 0, uncounted = 0
    /// The number of anchors: old labelled moments that the model predicted rightly before it learned them; their mean loss.
    public var anchors = 0
    public var before = 0.0, after = 0.0
    /// Moments, at most `most` each: the greatest gain first, and the greatest loss first.
    public var helped: [Gain] = [], harmed: [Gain] = []
    /// At most `most`, the greatest loss first.
    public var sessions: [Gain] = [], classes: [Gain] = []
    /// At most `most`, what got worse first.
    public var byClass: [Change] = [], byModality: [Change] = [], bySession: [Change] = []

    /// The most entries of a list.
    public static let most = 16
}
