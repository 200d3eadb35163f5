import Foundation
import Messaging
import Pipeline
import Safetensors
import Schema
import Statistics

/// The parameters of an update that was checked.
public enum ModelParameters: Sendable {
    /// As they came in a whole update without a digest of its parameters, in the memory of its message.
    case archive(TensorArchive)
    case state(ModelState)
}

/// Checks updates of a model, whole ones and deltas, and keeps the newest version's parameters, to which a delta is applied.
///
/// An update is accepted when it is newer than the last, by its number or by the learner's epoch after a restart. A refused update changes
/// nothing.
public struct ModelReceiver: Sendable {
    /// An update that was accepted.
    public struct Version: Sendable {
        public let update: ModelUpdate
        public let parameters: ModelParameters
        /// Nil where none is wanted.
        public let passport: VerifiedPassport?
    }

    private let shapes: [ModelState.Shape]
    private let trust: UpdateTrust?
    private var history: UpdateHistory?
    private var epoch: UInt64 = 0
    /// The number of the newest version.
    public private(set) var newest: UInt64?
    private var state: ModelState?
    /// The number of updates that did not arrive.
    public private(set) var missed: UInt64 = 0
    /// Whether a delta came to which the parameters are missing.
    public private(set) var isBehind = false

    /// - Parameters:
    ///   - shapes: of the parameters that an update must have.
    ///   - trust: whose updates are believed; nil: all.
    ///   - widestJump: the most versions by which one that is believed may be ahead of the newest.
    public init(_ shapes: [ModelState.Shape], trust: UpdateTrust?, widestJump: Int) {
        (self.shapes, self.trust) = (shapes, trust)
        history = trust.map { _ in UpdateHistory(widestJump: widestJump) }
    }

    /// Whether updates are believed only with a passport, and nothing newer has come for longer than the newest is believed.
    public var isFrozen: Bool { trust.map { history?.isFrozen(at: $0.now) ?? false } ?? false }

    /// The version that is there, for a question about what leads on from it.
    public var position: UpdatePosition {
        .with { if let newest, let state { ($0.version, $0.state) = (newest, state.digest) } }
    }

    /// Checks an update.
    /// - Parameters:
    ///   - parts: the frames of its payload.
    ///   - owner: keeps the frames where they are.
    /// - Returns: nil for one that was sent again.
    /// - Throws: `wrongShape`, `wrongDigest`, `wrongModel`, `nonFinite`, `sequenceRunsBack`, `missingParent`; what `UpdateTrust` and
    ///   `UpdateHistory` throw, and of a delta what `ParameterDelta.apply` throws.
    public mutating func receive(
        _ update: ModelUpdate, parts: [UnsafeRawBufferPointer], owner: any Sendable
    ) throws(Refusal) -> Version? {
        let isRestart = update.stamp.epoch > epoch, title = "version \(update.version)"
        if let newest, !isRestart, update.version <= newest {
            if update.version == newest { return nil }
            throw Refusal(.sequenceRunsBack, "\(title) after \(newest)")
        }
        let counts = [update.version, update.momentsSeen, update.momentWatermark, update.streamBase]
        guard counts.allSatisfy({ $0 <= ReservedNumbers.most }) else { throw Refusal(.wrongModel, "\(title) with counts \(counts)") }
        guard !parts.isEmpty else { throw Refusal(.wrongShape, "no payload frames") }
        let passport = try trust?.check(update.hasPassport ? update.passport : nil, of: update.claims, parts: parts)
        var hash = SHA256()
        for part in parts { hash.update(part) }
        guard hash.digest() == Array(update.sha256) else { throw Refusal(.wrongDigest, title) }
        let parameters: ModelParameters
        switch update.kind {
        case .whole: parameters = try whole(update, parts, owner, title)
        case .delta: parameters = .state(try delta(update, parts, isRestart: isRestart, title))
        case .UNRECOGNIZED: throw Refusal(.unknownKind, "\(title) is of a kind that is not known")
        }
        if let passport {
            try history?.check(passport)
            history?.note(passport)
        }
        if let newest, !isRestart { missed = missed.clampedAdding(update.version.clampedSubtracting(newest).clampedSubtracting(1)) }
        (epoch, newest, isBehind) = (update.stamp.epoch, update.version, false)
        state = if case .state(let state) = parameters { state } else { nil }
        return Version(update: update, parameters: parameters, passport: passport)
    }

    private func whole(
        _ update: ModelUpdate, _ parts: [UnsafeRawBufferPointer], _ owner: any Sendable, _ title: String
    ) throws(Refusal) -> ModelParameters {
        let state: ModelState
        do throws(SafetensorsError) {
            let archive = try TensorArchive(borrowing: parts, from: owner, source: title)
            if update.state.isEmpty {
                for shape in shapes { try archive.tensor(shape.name, shape: shape.dimensions).checkFinite() }
                return .archive(archive)
            }
            state = try ModelState(shapes, archive)
        } catch {
            throw Refusal(error.isNonFinite ? .nonFinite : .wrongModel, error.description)
        }
        guard state.digest == update.state else { throw Refusal(.wrongDigest, "\(title): its parameters are not those it says") }
        return .state(state)
    }

    private mutating func delta(
        _ update: ModelUpdate, _ parts: [UnsafeRawBufferPointer], isRestart: Bool, _ title: String
    ) throws(Refusal) -> ModelState {
        guard let state, let newest, !isRestart, update.parent == newest else {
            isBehind = true
            throw Refusal(.missingParent, "\(title) is a delta to \(update.parent), and \(newest.map(String.init) ?? "none") is here")
        }
        guard update.parentState == state.digest else {
            isBehind = true
            throw Refusal(.wrongParent, "\(title) is a delta to another version \(newest)")
        }
        var payload: [UInt8] = []
        for part in parts { payload += part }
        let next = try ParameterDelta.apply(payload, plainBytes: update.plainBytes, to: state, title: title)
        guard next.digest == update.state else { throw Refusal(.wrongDigest, "\(title): its delta leads to other parameters than it says") }
        return next
    }
}

extension SafetensorsError {
    /// Whether the error is only a number that is not finite.
    public var isNonFinite: Bool { if case .nonFinite = reason { true } else { false } }
}

extension Reason {
    /// An update of other shapes than expected.
    public static let wrongModel = Reason(rawValue: "wrongModel")
}
