import Foundation
import Messaging
import Schema

/// The model as subscribers have it, and the payloads that lead there.
///
/// A delta is made from what was published before, not from what was learned before, so that what a coding leaves out is part of the next
/// delta and errors do not add up. The publisher applies to its own copy what subscribers apply.
public struct PublishedModel: Sendable {
    /// A payload to be published.
    public struct Content: Sendable {
        public let kind: UpdateKind
        public let payload: Payload
        public let plainBytes: Int
        /// The digests of the parameters with it, and before it.
        public let state: Data, parentState: Data
        /// The version before.
        public let parent: UInt64
    }

    private let shapes: [ModelState.Shape]
    private let settings: UpdateSettings
    private var version: UInt64 = 0, wholeVersion: UInt64 = 0
    private var parentState = Data(), parent: UInt64 = 0
    /// What subscribers have; nil before the first version.
    public private(set) var state: ModelState?

    /// - Parameter shapes: of the parameters, in order.
    public init(_ shapes: [ModelState.Shape], _ settings: UpdateSettings) { (self.shapes, self.settings) = (shapes, settings) }

    /// What is published of a version: a delta, a whole model, or both. Both lead to the same parameters.
    /// - Parameters:
    ///   - values: the learner's parameters, one after the other.
    ///   - version: the version before, to be published again, or the next.
    ///   - isWholeDue: whether a whole model is wanted in any case.
    /// - Throws: `nonFinite`; nothing is changed then.
    public mutating func publish(
        _ values: UnsafeBufferPointer<Float>, version: UInt64, isWholeDue: Bool
    ) throws(Refusal) -> [Content] {
        guard let state else {
            guard values.allSatisfy(\.isFinite) else { throw Refusal(.nonFinite, "version \(version) has a number that is not finite") }
            (self.state, self.version) = (ModelState(shapes, values), version)
            return [whole()].compactMap(\.self)
        }
        guard version != self.version else { return [whole()].compactMap(\.self) }
        guard settings.coding != .whole else {
            guard values.allSatisfy(\.isFinite) else { throw Refusal(.nonFinite, "version \(version) has a number that is not finite") }
            (parent, parentState) = (self.version, state.digest)
            (self.state, self.version) = (ModelState(shapes, values), version)
            return [whole()].compactMap(\.self)
        }
        let delta = try ParameterDelta.encode(state, to: values, settings.coding)
        (parent, parentState) = (self.version, state.digest)
        (self.state, self.version) = (delta.state, version)
        let content = Content(
            kind: .delta, payload: delta.payload, plainBytes: delta.plainBytes, state: delta.state.digest, parentState: parentState,
            parent: parent)
        let isWholeDue = isWholeDue || version - wholeVersion >= UInt64(settings.wholeEvery)
        return [content] + (isWholeDue ? [whole()].compactMap(\.self) : [])
    }

    private mutating func whole() -> Content? {
        wholeVersion = version
        return state.map {
            Content(kind: .whole, payload: $0.payload, plainBytes: 0, state: $0.digest, parentState: parentState, parent: parent)
        }
    }
}
