import Testing
@testable import Files

struct CRC32CTests {
    /// The vectors of RFC 3720, appendix B.4.
    @Test func theChecksumsAreThoseOfTheSpecification() {
        #expect(CRC32C.checksum(of: [UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(CRC32C.checksum(of: [UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
        #expect(CRC32C.checksum(of: Array(0..<32)) == 0x46DD_794E)
        #expect(CRC32C.checksum(of: Array((0..<32).reversed())) == 0x113F_DB5C)
        #expect(CRC32C.checksum(of: Array("123456789".utf8)) == 0xE306_9283)
        #expect(CRC32C.checksum(of: []) == 0)
    }

    @Test func bytesMayComeInPieces() {
        let bytes = (0..<100).map { UInt8($0 * 7 & 0xFF) }
        for cut in 0...100 {
            var checksum = CRC32C()
            bytes[..<cut].withUnsafeBytes { checksum.update($0) }
            bytes[cut...].withUnsafeBytes { checksum.update($0) }
            #expect(checksum.value == CRC32C.checksum(of: bytes))
        }
    }
}
