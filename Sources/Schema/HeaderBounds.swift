import Foundation
import SwiftProtobuf

/// Upper bounds for the contents of a message header, checked once after a message is decoded.
///
/// Repeated numbers (probabilities, tokens, weights) are bounded by the size of the header itself.
public struct HeaderBounds: Sendable, Equatable {
    /// The maximal length in bytes of a name: of a source, session, clock, modality, format, domain, id or key of a map.
    public var nameBytes: Int
    /// The maximal length in bytes of a text or of JSON: reasons, notes, settings, the model's configuration.
    public var textBytes: Int
    /// The maximal number of names or messages in a list, and of entries of a map.
    public var entries: Int

    public init(nameBytes: Int, textBytes: Int, entries: Int) {
        (self.nameBytes, self.textBytes, self.entries) = (nameBytes, textBytes, entries)
    }

    /// A description of the first field of a message that exceeds a bound; nil if there is none.
    public func problem(in message: some SwiftProtobuf.Message) -> String? {
        var visitor = BoundsVisitor(bounds: self, texts: BoundsVisitor.texts(of: type(of: message)))
        do {
            try message.traverse(visitor: &visitor)
            return nil
        } catch {
            return "\(error)"
        }
    }
}

/// A field that exceeds a bound.
private struct BoundProblem: Error, CustomStringConvertible {
    let description: String
}

/// Visits the fields of a message and of the messages within it.
private struct BoundsVisitor: Visitor {
    let bounds: HeaderBounds
    /// The numbers of the fields that contain texts; other strings are names.
    let texts: Set<Int>

    private static let fieldsOfTexts: [ObjectIdentifier: Set<Int>] = [
        ObjectIdentifier(ModelUpdate.self): [7, 8],  // configuration, reason
        ObjectIdentifier(RememberedCorrection.self): [1, 2],  // question, answer
        ObjectIdentifier(Verdict.self): [4],  // reason
        ObjectIdentifier(Order.self): [3, 4, 7],  // switch_strategy, switch_optimizer, settings
        ObjectIdentifier(OrderAnswer.self): [6, 7],  // reason, done
        ObjectIdentifier(Feedback.self): [13],  // text
        ObjectIdentifier(TriggerLine.self): [2, 3, 11],  // rule, action, note
        ObjectIdentifier(MomentExplanation.self): [11],  // problem
    ]

    static func texts(of type: Any.Type) -> Set<Int> { fieldsOfTexts[ObjectIdentifier(type)] ?? [] }

    private func check(_ text: String, _ field: Int) throws {
        let (limit, name) = texts.contains(field) ? (bounds.textBytes, "textBytes") : (bounds.nameBytes, "nameBytes")
        guard text.utf8.count <= limit else {
            throw BoundProblem(description: "field \(field) has \(text.utf8.count) bytes, and \(name) is \(limit)")
        }
    }

    private func check(count: Int, _ field: Int) throws {
        guard count <= bounds.entries else {
            throw BoundProblem(description: "field \(field) has \(count) entries, and entries is \(bounds.entries)")
        }
    }

    private func check(_ message: some SwiftProtobuf.Message) throws {
        var visitor = BoundsVisitor(bounds: bounds, texts: Self.texts(of: type(of: message)))
        try message.traverse(visitor: &visitor)
    }

    mutating func visitSingularStringField(value: String, fieldNumber: Int) throws { try check(value, fieldNumber) }

    mutating func visitRepeatedStringField(value: [String], fieldNumber: Int) throws {
        try check(count: value.count, fieldNumber)
        for text in value { try check(text, fieldNumber) }
    }

    mutating func visitRepeatedBytesField(value: [Data], fieldNumber: Int) throws { try check(count: value.count, fieldNumber) }

    mutating func visitSingularMessageField<M: SwiftProtobuf.Message>(value: M, fieldNumber: Int) throws { try check(value) }

    mutating func visitRepeatedMessageField<M: SwiftProtobuf.Message>(value: [M], fieldNumber: Int) throws {
        try check(count: value.count, fieldNumber)
        for message in value { try check(message) }
    }

    mutating func visitMapField<KeyType, ValueType: MapValueType>(
        fieldType: _ProtobufMap<KeyType, ValueType>.Type, value: _ProtobufMap<KeyType, ValueType>.BaseType, fieldNumber: Int
    ) throws {
        try check(count: value.count, fieldNumber)
        for (key, entry) in value {
            if let key = key as? String { try check(key, fieldNumber) }
            if let entry = entry as? String { try check(entry, fieldNumber) }
        }
    }

    mutating func visitMapField<KeyType, ValueType>(
        fieldType: _ProtobufEnumMap<KeyType, ValueType>.Type, value: _ProtobufEnumMap<KeyType, ValueType>.BaseType, fieldNumber: Int
    ) throws where ValueType.RawValue == Int {
        try check(count: value.count, fieldNumber)
        for key in value.keys { if let key = key as? String { try check(key, fieldNumber) } }
    }

    mutating func visitMapField<KeyType, ValueType>(
        fieldType: _ProtobufMessageMap<KeyType, ValueType>.Type, value: _ProtobufMessageMap<KeyType, ValueType>.BaseType, fieldNumber: Int
    ) throws {
        try check(count: value.count, fieldNumber)
        for (key, message) in value {
            if let key = key as? String { try check(key, fieldNumber) }
            try check(message)
        }
    }

    // Numbers are bounded by the size of the header.
    mutating func visitSingularDoubleField(value: Double, fieldNumber: Int) {}
    mutating func visitSingularInt64Field(value: Int64, fieldNumber: Int) {}
    mutating func visitSingularUInt64Field(value: UInt64, fieldNumber: Int) {}
    mutating func visitSingularBoolField(value: Bool, fieldNumber: Int) {}
    mutating func visitSingularBytesField(value: Data, fieldNumber: Int) {}
    mutating func visitSingularEnumField<E: SwiftProtobuf.Enum>(value: E, fieldNumber: Int) {}
    mutating func visitUnknown(bytes: Data) {}
    mutating func visitPackedFloatField(value: [Float], fieldNumber: Int) {}
    mutating func visitPackedDoubleField(value: [Double], fieldNumber: Int) {}
    mutating func visitPackedUInt32Field(value: [UInt32], fieldNumber: Int) {}
    mutating func visitPackedUInt64Field(value: [UInt64], fieldNumber: Int) {}
}
