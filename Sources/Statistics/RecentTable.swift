/// A table of at most `capacity` entries: one more replaces the entry that was set the longest ago.
///
/// Setting a value makes its entry the newest; reading one and changing it with `update` do not. All of these take constant time.
/// It is inlinable, so that modules that use it compile it for their types: it is five times as fast then.
public struct RecentTable<Key: Hashable, Value> {
    @usableFromInline
    struct Entry {
        @usableFromInline var key: Key
        @usableFromInline var value: Value
        /// The neighbours' places in the order of age.
        @usableFromInline var older: Int?
        @usableFromInline var newer: Int?

        @inlinable
        init(key: Key, value: Value) { (self.key, self.value) = (key, value) }
    }

    /// The most entries.
    public let capacity: Int
    @usableFromInline var places: [Key: Int] = [:]
    @usableFromInline var entries: [Entry] = []
    @usableFromInline var oldestPlace: Int?
    @usableFromInline var newestPlace: Int?

    @inlinable
    public init(capacity: Int) {
        precondition(capacity >= 0, "a table of \(capacity) entries")
        self.capacity = capacity
    }

    @inlinable public var count: Int { entries.count }
    @inlinable public var isEmpty: Bool { entries.isEmpty }
    /// Whether a new entry would replace another.
    @inlinable public var isFull: Bool { entries.count >= capacity }

    /// The entry that was set the longest ago.
    @inlinable public var oldest: (key: Key, value: Value)? { oldestPlace.map { (entries[$0].key, entries[$0].value) } }
    /// The entry that was set last.
    @inlinable public var newest: (key: Key, value: Value)? { newestPlace.map { (entries[$0].key, entries[$0].value) } }

    /// The value of a key. Setting it makes the entry the newest; nil removes it.
    @inlinable public subscript(key: Key) -> Value? {
        get { places[key].map { entries[$0].value } }
        set {
            if let newValue { set(newValue, for: key) } else { remove(key) }
        }
    }

    /// Sets a value, and makes its entry the newest.
    /// - Returns: the entry that was replaced because the table is full; nil where there was room.
    @inlinable
    @discardableResult
    public mutating func set(_ value: Value, for key: Key) -> (key: Key, value: Value)? {
        if let place = places[key] {
            entries[place].value = value
            renew(place)
            return nil
        }
        guard isFull else {
            entries.append(Entry(key: key, value: value))
            places[key] = entries.count - 1
            append(entries.count - 1)
            return nil
        }
        guard let place = oldestPlace else { return (key, value) }  // a table of no entries keeps none
        let old = entries[place]
        places[old.key] = nil
        places[key] = place
        (entries[place].key, entries[place].value) = (key, value)
        renew(place)
        return (old.key, old.value)
    }

    /// Changes the value of a key where it stands; does nothing where there is none.
    @inlinable
    public mutating func update(_ key: Key, _ change: (inout Value) -> Void) {
        if let place = places[key] { change(&entries[place].value) }
    }

    /// Changes every value where it stands.
    @inlinable
    public mutating func updateAll(_ change: (inout Value) -> Void) {
        for place in entries.indices { change(&entries[place].value) }
    }

    /// Removes an entry, and returns its value; nil where there is none.
    @inlinable
    @discardableResult
    public mutating func remove(_ key: Key) -> Value? {
        guard let place = places.removeValue(forKey: key) else { return nil }
        unlink(place)
        let value = entries[place].value, last = entries.removeLast()
        guard place < entries.count else { return value }
        // The last entry moves into the gap.
        entries[place] = last
        places[last.key] = place
        if let older = last.older { entries[older].newer = place } else { oldestPlace = place }
        if let newer = last.newer { entries[newer].older = place } else { newestPlace = place }
        return value
    }

    @inlinable
    public mutating func removeAll() { self = RecentTable(capacity: capacity) }

    @inlinable
    mutating func renew(_ place: Int) {
        guard place != newestPlace else { return }
        unlink(place)
        append(place)
    }

    @inlinable
    mutating func unlink(_ place: Int) {
        let (older, newer) = (entries[place].older, entries[place].newer)
        if let older { entries[older].newer = newer } else { oldestPlace = newer }
        if let newer { entries[newer].older = older } else { newestPlace = older }
    }

    @inlinable
    mutating func append(_ place: Int) {
        (entries[place].older, entries[place].newer) = (newestPlace, nil)
        if let newestPlace { entries[newestPlace].newer = place } else { oldestPlace = place }
        newestPlace = place
    }
}

extension RecentTable: Sequence {
    /// The entries in the order in which they were set, the oldest first.
    @inlinable
    public func makeIterator() -> some IteratorProtocol<(key: Key, value: Value)> {
        sequence(state: oldestPlace) { next -> (key: Key, value: Value)? in
            guard let place = next else { return nil }
            next = entries[place].newer
            return (entries[place].key, entries[place].value)
        }
    }
}

extension RecentTable: Sendable where Key: Sendable, Value: Sendable {}
extension RecentTable.Entry: Sendable where Key: Sendable, Value: Sendable {}
