import Testing
@testable import Messaging

struct SubscriberTableTests {
    private func joining(_ prefix: String) -> [UInt8] { [1] + Array(prefix.utf8) }
    private func leaving(_ prefix: String) -> [UInt8] { [0] + Array(prefix.utf8) }

    @Test func subscriptionsAreCountedByPrefix() {
        var table = SubscriberTable()
        #expect(table.note(joining("model."), from: 1) == .joined(prefix: Array("model.".utf8)))
        #expect(table.note(joining(""), from: 2) == .joined(prefix: []))
        #expect(table.count(of: "model.update/") == 2)
        #expect(table.note(leaving("model."), from: 1) == .left)
        #expect(table.count(of: "model.update/") == 1)
        #expect(table.note([], from: 1) == nil && table.note([7], from: 1) == nil)
    }

    @Test func onlyAConnectionWithTooManyPrefixesIsRefused() {
        var table = SubscriberTable(prefixBytes: 20, subscriptionBytes: 1_000)
        let refused = (1...100).first { table.note(joining("prefix-\($0)"), from: 7) == .refused }
        #expect(refused == 41)  // 16 and 8 or 9 bytes each
        #expect(table.note(joining("moment."), from: 8) == .joined(prefix: Array("moment.".utf8)))
        // Ended subscriptions no longer count.
        for number in 1...1_000 {
            #expect(table.note(joining("prefix-\(number)"), from: 9) != .refused)
            #expect(table.note(leaving("prefix-\(number)"), from: 9) == .left)
        }
    }

    @Test func aPrefixLongerThanAnyTopicIsNotKept() {
        var table = SubscriberTable(prefixBytes: 20, subscriptionBytes: 1_000)
        #expect(table.note(joining(String(repeating: "x", count: 21)), from: 1) == .left)
        #expect(table.count(of: String(repeating: "x", count: 30)) == 0)
        #expect(table.note(joining(String(repeating: "x", count: 2_000)), from: 1) == .refused)
    }
}
