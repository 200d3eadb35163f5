import Foundation
import Messaging
import Pipeline
import Safetensors
import Schema
import Statistics
import Tensors
import Updates

/// A message that publishes parameters: its payload is a safetensors file, in one frame or more.
package protocol ParameterUpdate: Stamped {
    /// Increases with every update of its kind within a run of the learner.
    var number: UInt64 { get }
    /// SHA-256 of the payload.
    var sha256: Data { get }
    /// Its other counts; none may exceed `ReservedNumbers.most`.
    var counts: [UInt64] { get }
    /// Its name in errors, such as `version 7`.
    var title: String { get }
    /// The reason of refusal for parameters other than those expected.
    static var misfit: Reason { get }
    /// What its passport has to say.
    var claims: UpdateClaims { get }
    /// Its passport; nil where it has none.
    var signedPassport: SignedPassport? { get }
}

extension ParameterUpdate {
    package var claims: UpdateClaims {
        UpdateClaims(
            topic: "", version: number, parentVersion: 0, sha256: sha256, momentWatermark: 0, momentsSeen: 0, streamBase: nil, last: false)
    }
    package var signedPassport: SignedPassport? { nil }
}

extension ModelUpdate: ParameterUpdate {
    package var number: UInt64 { version }
    package var counts: [UInt64] { [momentsSeen, momentWatermark, streamBase] }
    package var title: String { "version \(version)" }
    package static var misfit: Reason { .wrongModel }
    package var signedPassport: SignedPassport? { hasPassport ? passport : nil }
}

extension PolicyUpdate: ParameterUpdate {
    package var number: UInt64 { version }
    package var counts: [UInt64] { [] }
    package var title: String { "policy \(version)" }
    package static var misfit: Reason { .wrongPolicy }
}

extension SessionUpdate: ParameterUpdate {
    package var number: UInt64 { revision }
    package var counts: [UInt64] { [version, momentWatermark] }
    package var title: String { "revision \(revision) of \(session.prefix(64))" }
    package static var misfit: Reason { .wrongModel }
}

/// Received parameters that have been checked as a whole: digest, names, shapes and finiteness. They are read in the message's memory.
package struct CheckedParameters: Sendable {
    /// The tensors by name, in the message's memory.
    package let archive: TensorArchive
    /// The update's passport; nil where none is wanted.
    let passport: VerifiedPassport?
    private let layout: ParameterLayout

    /// - Parameter trust: whose updates are believed; nil: all.
    /// - Throws: `wrongShape` without payload, `wrongDigest`, `nonFinite`, the update's `misfit`; what `trust` throws.
    init(
        _ update: some ParameterUpdate, _ message: WireMessage, _ layout: ParameterLayout, _ trust: UpdateTrust? = nil
    ) throws(Refusal) {
        let frames = message.payload
        guard !frames.isEmpty else { throw Refusal(.wrongShape, "no payload frames") }
        passport = try trust?.check(update.signedPassport, of: update.claims, parts: frames.map { $0.withUnsafeBytes(\.self) })
        var hash = SHA256()
        for frame in frames { frame.withUnsafeBytes { hash.update($0) } }
        guard hash.digest() == Array(update.sha256) else { throw Refusal(.wrongDigest, update.title) }
        do throws(SafetensorsError) {
            archive = try TensorArchive(borrowing: frames.map { $0.withUnsafeBytes(\.self) }, from: frames, source: update.title)
            for parameter in layout.parameters { try archive.tensor(parameter.name, shape: parameter.shape).checkFinite() }
        } catch {
            throw Refusal(error.isNonFinite ? .nonFinite : type(of: update).misfit, error.description)
        }
        self.layout = layout
    }

    /// Copies all parameters into a store of the layout that they were checked for.
    package func copy(into store: ParameterStore<Float>) {
        do {
            for parameter in layout.parameters { try archive.tensor(parameter.name).copy(into: store[parameter.name]) }
        } catch {
            preconditionFailure("parameters that were checked do not fit: \(error)")
        }
    }
}

extension SafetensorsError {
    /// Whether the error is only a number that is not finite.
    var isNonFinite: Bool { if case .nonFinite = reason { true } else { false } }
}
