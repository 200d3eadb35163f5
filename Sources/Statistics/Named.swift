/// What a configuration may choose from by name, in an order. A value: whoever has more to offer hands on a longer list.
///
///     let mine = strategies.adding("mine", [MyStrategy()])
public struct Named<Value: Sendable>: Sendable, RandomAccessCollection, ExpressibleByDictionaryLiteral {
    public typealias Element = (key: String, value: Value)

    private var entries: [Element]

    public init(dictionaryLiteral entries: (String, Value)...) { self.entries = entries.map { (key: $0.0, value: $0.1) } }

    public var startIndex: Int { 0 }
    public var endIndex: Int { entries.count }
    public subscript(place: Int) -> Element { entries[place] }

    /// The names, as they are listed to people.
    public var names: String { map(\.key).joined(separator: ", ") }

    /// The value of a name; nil where there is none.
    public subscript(name: String) -> Value? { first { $0.key == name }?.value }

    /// The value of a name.
    /// - Parameter setting: the key under which it was asked for.
    /// - Throws: that there is no such name, and which there are.
    public func find(_ name: String, for setting: String) throws(SettingsError) -> Value {
        guard let value = self[name] else { throw SettingsError(setting, "there is no '\(name)'; there are \(names)") }
        return value
    }

    /// The list with one more at its end, or another value for a name that it has.
    public func adding(_ name: String, _ value: Value) -> Named {
        var longer = self
        if let place = firstIndex(where: { $0.key == name }) {
            longer.entries[place].value = value
        } else {
            longer.entries.append((key: name, value: value))
        }
        return longer
    }
}
