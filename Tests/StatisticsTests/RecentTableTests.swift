import Statistics
import Testing

struct RecentTableTests {
    @Test func theEntrySetTheLongestAgoMakesRoom() {
        var table = RecentTable<String, Int>(capacity: 3)
        for (index, name) in ["a", "b", "c"].enumerated() { #expect(table.set(index, for: name) == nil) }
        table["a"] = 10
        let replaced = table.set(3, for: "d")
        #expect(replaced?.key == "b" && replaced?.value == 1)
        #expect(table.map(\.key) == ["c", "a", "d"] && table.map(\.value) == [2, 10, 3])
        #expect(table.oldest?.key == "c" && table.newest?.key == "d" && table.count == 3)
    }

    @Test func readingAndUpdatingDoNotRenew() {
        var table = RecentTable<String, Int>(capacity: 2)
        (table["a"], table["b"]) = (1, 2)
        #expect(table["a"] == 1)
        table.update("a") { $0 += 5 }
        table.update("x") { $0 += 5 }
        table.updateAll { $0 *= 2 }
        #expect(table["a"] == 12 && table["b"] == 4 && table["x"] == nil)
        table["c"] = 3
        #expect(table.map(\.key) == ["b", "c"])
    }

    @Test func aTableOfNoEntriesKeepsNone() {
        var table = RecentTable<String, Int>(capacity: 0)
        let replaced = table.set(1, for: "a")
        #expect(replaced?.key == "a" && table.isEmpty && table.isFull && table["a"] == nil && table.oldest == nil)
    }

    @Test func removedEntriesLeaveTheOrderOfTheOthers() {
        var table = RecentTable<Int, String>(capacity: 5)
        for number in 1...5 { table[number] = "\(number)" }
        #expect(table.remove(1) == "1" && table.remove(1) == nil)
        table[4] = nil
        #expect(table.map(\.key) == [2, 3, 5])
        table[6] = "6"
        table[3] = "three"
        #expect(table.map(\.value) == ["2", "5", "6", "three"])
        table.removeAll()
        #expect(table.isEmpty && table.oldest == nil && table.newest == nil && table.capacity == 5)
        table[7] = "7"
        #expect(table.map(\.key) == [7])
    }

    /// Against a list that is searched from the front.
    @Test(arguments: [1, 2, 7, 64])
    func itHoldsWhatAListWouldHold(capacity: Int) {
        var table = RecentTable<Int, Int>(capacity: capacity), list: [(key: Int, value: Int)] = []
        var random = RandomSource(seed: UInt64(capacity))
        for step in 0..<5000 {
            let key = random.uniform(below: 2 * capacity)
            if random.uniform(below: 4) == 0 {
                let index = list.firstIndex { $0.key == key }
                #expect(table.remove(key) == index.map { list.remove(at: $0).value })
            } else {
                list.removeAll { $0.key == key }
                let expected = list.count == capacity ? list.removeFirst() : nil
                list.append((key, step))
                let replaced = table.set(step, for: key)
                #expect(replaced?.key == expected?.key && replaced?.value == expected?.value)
            }
            #expect(table.map(\.key) == list.map(\.key) && table.map(\.value) == list.map(\.value))
            #expect(table.newest?.key == list.last?.key && table.oldest?.key == list.first?.key && table.count == list.count)
        }
    }
}
