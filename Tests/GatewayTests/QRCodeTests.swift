import Testing

@testable import Gateway

struct QRCodeTests {
    /// A whole code word block is a multiple of the generator: its value at every root is 0.
    @Test(arguments: [(19, 7), (34, 10), (55, 15), (80, 20), (108, 26)])
    func errorCorrectionVanishesAtTheRoots(_ data: Int, _ check: Int) {
        let words = (0..<data).map { UInt8(truncatingIfNeeded: $0 * 37 + 11) }
        let block = words + ReedSolomon.check(words, count: check)
        var root: UInt8 = 1
        for _ in 0..<check {
            #expect(block.reduce(UInt8(0)) { ReedSolomon.product($0, root) ^ $1 } == 0)
            root = ReedSolomon.product(root, 2)
        }
    }

    @Test func theSizeFollowsTheLengthAndWhatIsTooLongHasNoCode() {
        #expect([1, 17, 18, 53, 78, 106].map { QRCode(String(repeating: "x", count: $0))?.size } == [21, 21, 25, 29, 33, 37])
        #expect(QRCode(String(repeating: "x", count: 107)) == nil)
    }

    @Test func theThreeCornersAndTheTimingCanBeSeen() throws {
        let code = try #require(QRCode("https://192.168.1.2:7443/#code=abcdefghjkmnpqrs"))
        for (row, column) in [(0, 0), (0, code.size - 7), (code.size - 7, 0)] {
            #expect(code[row, column] && !code[row + 1, column + 1] && code[row + 2, column + 2] && code[row + 3, column + 3])
        }
        #expect((8..<code.size - 8).allSatisfy { code[6, $0] == ($0 % 2 == 0) && code[$0, 6] == ($0 % 2 == 0) })
        #expect(code[code.size - 8, 8] && !code[-1, 0] && !code[0, code.size])
        #expect(code.terminalText.split(separator: "\n").count == (code.size + 4 + 1) / 2)
    }
}
