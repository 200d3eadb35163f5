import Foundation
import Messaging
import Pipeline
import Safetensors
import Schema
import Statistics
import Tensors
import Updates

/// A message that publishes parameters: its payload is a safetensors file, in one frame or more.
package protocol ParameterUpdate: SignedUpdate {
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
    private let content: ModelParameters
    /// The update's passport; nil where none is wanted.
    let passport: VerifiedPassport?
    private let layout: ParameterLayout

    /// The tensors by name, in the message's memory; nil where a state was made of them.
    package var archive: TensorArchive? { if case .archive(let archive) = content { archive } else { nil } }

    /// A model that was checked.
    init(_ version: ModelReceiver.Version, _ layout: ParameterLayout) {
        (content, passport, self.layout) = (version.parameters, version.passport, layout)
    }

    /// Parameters of a model that was checked.
    init(_ parameters: ModelParameters, _ layout: ParameterLayout) { (content, passport, self.layout) = (parameters, nil, layout) }

    /// - Parameter trust: whose updates are believed; nil: all.
    /// - Throws: `wrongShape` without payload, `wrongDigest`, `nonFinite`, the update's `misfit`; what `trust` throws.
    init(
        _ update: some ParameterUpdate, _ message: WireMessage, _ layout: ParameterLayout, _ trust: UpdateTrust? = nil
    ) throws(Refusal) {
        let frames = message.payload
        guard !frames.isEmpty else { throw Refusal(.wrongShape, "no payload frames") }
        passport = try trust?.check(
            update.hasPassport ? update.passport : nil, of: update.claims, parts: frames.map { $0.withUnsafeBytes(\.self) })
        var hash = SHA256()
        for frame in frames { frame.withUnsafeBytes { hash.update($0) } }
        guard hash.digest() == Array(update.sha256) else { throw Refusal(.wrongDigest, update.title) }
        do throws(SafetensorsError) {
            let archive = try TensorArchive(borrowing: frames.map { $0.withUnsafeBytes(\.self) }, from: frames, source: update.title)
            content = .archive(archive)
            for parameter in layout.parameters { try archive.tensor(parameter.name, shape: parameter.shape).checkFinite() }
        } catch {
            throw Refusal(error.isNonFinite ? .nonFinite : type(of: update).misfit, error.description)
        }
        self.layout = layout
    }

    /// Copies all parameters into a store of the layout that they were checked for.
    package func copy(into store: ParameterStore<Float>) {
        switch content {
        case .archive(let archive):
            do {
                for parameter in layout.parameters { try archive.tensor(parameter.name).copy(into: store[parameter.name]) }
            } catch {
                preconditionFailure("parameters that were checked do not fit: \(error)")
            }
        case .state(let state):
            for tensor in state.tensors { _ = store[tensor.shape.name].update(fromContentsOf: tensor.values) }
        }
    }
}
