import Statistics
import StrictJSON

/// Numbers in JSON: a number that is not finite is encoded as null, and null is decoded as NaN.
@propertyWrapper
public struct Finite<Value: Reportable>: Codable, Sendable, Equatable {
    public var wrappedValue: Value

    public init(wrappedValue: Value) { self.wrappedValue = wrappedValue }

    public init(from decoder: any Decoder) throws {
        let json = try JSON(from: decoder)
        guard let value = Value(json) else {
            let what = "\(json) is not a number or a collection of numbers"
            throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: what))
        }
        wrappedValue = value
    }

    public func encode(to encoder: any Encoder) throws { try wrappedValue.json.encode(to: encoder) }
}

/// A number, or an array or dictionary of numbers.
public protocol Reportable: Sendable, Equatable {
    init?(_ json: JSON)
    var json: JSON { get }
}

extension Double: Reportable {
    public init?(_ json: JSON) {
        switch json {
        case .null: self = .nan
        case .integer(let value): self = Double(value)
        case .number(let value): self = value
        default: return nil
        }
    }

    public var json: JSON { isFinite ? .number(self) : .null }
}

extension Array: Reportable where Element: Reportable {
    public init?(_ json: JSON) {
        guard case .array(let elements) = json else { return nil }
        let values = elements.compactMap { Element($0) }
        guard values.count == elements.count else { return nil }
        self = values
    }

    public var json: JSON { .array(map(\.json)) }
}

extension Dictionary: Reportable where Key == String, Value: Reportable {
    public init?(_ json: JSON) {
        guard case .object(let members) = json else { return nil }
        let values = members.compactMapValues { Value($0) }
        guard values.count == members.count else { return nil }
        self = values
    }

    public var json: JSON { .object(mapValues(\.json)) }
}
