import FilesTesting
import Foundation
import Pipeline
import Testing
import Wiring

@testable import Gateway

struct AccessTests {
    private let start = Instant(nanoseconds: 1_000_000_000)

    @Test func aSessionBelongsToTheCodeThatOpenedIt() throws {
        let codes = AccessCodes(["first-code", "second-code"], maximumSessions: 2)
        let first = try #require(codes.holder(of: "first-code")), second = try #require(codes.holder(of: "second-code"))
        #expect(codes.holder(of: "first-cod") == nil && codes.holder(of: "") == nil)
        #expect(!codes.owns("a", first))
        #expect(codes.claim("a", by: first) && !codes.claim("a", by: second) && codes.claim("b", by: second))
        #expect(codes.owns("a", first) && !codes.owns("a", second))
    }

    @Test func theCodeOfADirectoryIsMadeOnceAndForItsOwnerAlone() throws {
        let folder = Folder()
        let code = try AccessCodes.code(in: folder.path)
        #expect(code.count == 16)
        #expect(try AccessCodes.code(in: folder.path) == code)
        let attributes = try FileManager.default.attributesOfItem(atPath: folder.path("access-code"))
        #expect(attributes[.posixPermissions] as? Int == 0o600)
    }

    @Test func theCertificateIsMadeOnce() throws {
        let folder = Folder()
        let first = try ServerCertificate(in: folder.path("gateway")), again = try ServerCertificate(in: folder.path("gateway"))
        #expect(first.certificate == again.certificate)
        #expect(try first.fingerprint() == again.fingerprint())
        #expect(try first.fingerprint().count == 32 * 3 - 1)
        let attributes = try FileManager.default.attributesOfItem(atPath: folder.path("gateway/key.pem"))
        #expect(attributes[.posixPermissions] as? Int == 0o600)
    }

    @Test func aClientHasARateOfItsOwn() {
        var settings = GatewaySettings()
        (settings.requestRate, settings.requestBurst) = (1, 2)
        let rates = ClientRates(settings)
        #expect(rates.allows("a", at: start) && rates.allows("a", at: start) && !rates.allows("a", at: start))
        #expect(rates.allows("b", at: start))
        #expect(rates.allows("a", at: start + .seconds(1)) && !rates.allows("a", at: start + .seconds(1)))
    }

    @Test func wrongCodesBarAClientForAWhile() {
        var settings = GatewaySettings()
        settings.wrongCodesPerMinute = 2
        let rates = ClientRates(settings)
        rates.noteWrongCode(of: "a", at: start)
        #expect(!rates.isBarred("a", at: start))
        rates.noteWrongCode(of: "a", at: start)
        #expect(rates.isBarred("a", at: start) && !rates.isBarred("b", at: start))
        #expect(!rates.isBarred("a", at: start + .seconds(30)))
    }

    @Test func connectionsAreBoundedInAllAndForAClient() {
        var settings = GatewaySettings()
        (settings.maximumConnections, settings.maximumClientConnections) = (3, 2)
        let rates = ClientRates(settings)
        #expect(rates.opened("a", at: start) && rates.opened("a", at: start) && !rates.opened("a", at: start))
        #expect(rates.opened("b", at: start) && !rates.opened("c", at: start))
        rates.closed("a", at: start)
        #expect(rates.openConnections == 2 && rates.opened("a", at: start))
    }
}
