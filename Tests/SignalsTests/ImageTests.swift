import Foundation
import Testing
@testable import Signals

@Suite struct ImageTests {
    let images: ImageModality

    init() throws {
        images = try ImageModality(SignalConfiguration())
    }

    @Test func pngDecodesToTheColoursThatWereWritten() throws {
        let pixels = try PNG.decode(bytes(Fixtures.pngColours), maximumPixels: 1000)
        #expect(pixels == Picture.colours)
    }

    @Test func pngKeepsGreyAsOneChannel() throws {
        let pixels = try PNG.decode(bytes(Fixtures.pngGrey), maximumPixels: 1000)
        #expect(pixels == Picture.grey)
    }

    @Test func transparentPixelsComeOutBlack() throws {
        let pixels = try PNG.decode(bytes(Fixtures.pngAlpha), maximumPixels: 1000)
        for y in 0..<12 {
            for x in 0..<20 {
                let index = 3 * (y * 20 + x)
                #expect(Array(pixels.bytes[index..<index + 3]) == (x < 10 ? Array(Picture.colours.bytes[index..<index + 3]) : [0, 0, 0]))
            }
        }
    }

    @Test func palettesDecodeToTheirColours() throws {
        let pixels = try PNG.decode(bytes(Fixtures.pngPalette), maximumPixels: 1000)
        #expect(pixels.bytes[pixels.channels * 7] == 60)
        #expect(pixels.bytes[pixels.channels * 19] == 180)
    }

    @Test(arguments: [(Fixtures.jpegColours, Picture.colours, 12.0), (Fixtures.jpegGrey, Picture.grey, 8.0)])
    func jpegDecodesCloseToWhatWasWritten(fixture: String, original: Pixels, tolerance: Double) throws {
        let pixels = try JPEG.decode(bytes(fixture), maximumPixels: 1000)
        #expect(pixels.width == 20 && pixels.height == 12 && pixels.channels == original.channels)
        let squares = zip(pixels.bytes, original.bytes).map { pow(Double($0) - Double($1), 2) }
        #expect((squares.reduce(0, +) / Double(squares.count)).squareRoot() < tolerance)
    }

    @Test func whatWeWriteWeReadBack() throws {
        #expect(try PNG.decode(PNG.encode(Picture.colours), maximumPixels: 240) == Picture.colours)
        #expect(try PNG.decode(PNG.encode(Picture.grey), maximumPixels: 240) == Picture.grey)
        let jpeg = try JPEG.decode(JPEG.encode(Picture.grey, quality: 100), maximumPixels: 240)
        #expect(zip(jpeg.bytes, Picture.grey.bytes).allSatisfy { abs(Int($0) - Int($1)) <= 4 })
    }

    @Test func resizingAgreesWithPillow() {
        let shrunk = Resize(from: (20, 12), to: (8, 8))(Picture.grey)
        #expect(zip(shrunk, Fixtures.greyResized).allSatisfy { abs($0 - $1) < 1e-3 })
        let places = (0..<36).map { index in index / 6 * 20 + index % 6 }
        let corner = Pixels(width: 6, height: 6, channels: 1, bytes: places.map { Picture.grey.bytes[$0] })
        let grown = Resize(from: (6, 6), to: (8, 8))(corner)
        #expect(zip(grown, Fixtures.greyGrown).allSatisfy { abs($0 - $1) < 1e-3 })
    }

    @Test func aConstantPictureStaysConstantAtAnySize() {
        for (width, height) in [(1, 1), (3, 200), (28, 28), (640, 480)] {
            let flat = Pixels(width: width, height: height, channels: 1, bytes: Array(repeating: 77, count: width * height))
            #expect(Resize(from: (width, height), to: (32, 32))(flat).allSatisfy { abs($0 - 77) < 1e-3 })
        }
    }

    @Test func aPictureIsMadeOfItsPatchesAgain() throws {
        var configuration = SignalConfiguration()
        (configuration.image.size, configuration.image.patch, configuration.image.mean, configuration.image.scale) = (8, 2, 0.5, 0.25)
        let bytes = (0..<8 * 8 * 3).map { UInt8($0 * 7 % 256) }
        let reading = RawReading(modality: "image", format: "image/x-rgb8", width: 8, height: 8, payload: bytes)
        let features = try ImageModality(configuration).features(of: reading)
        let file = try #require(ImageModality.picture(of: features.values, configuration.image))
        let again = try ImageModality(configuration).features(of: RawReading(modality: "image", format: "image/png", payload: file))
        #expect(zip(again.values, features.values).allSatisfy { abs($0 - $1) < 1e-5 })
        #expect(ImageModality.picture(of: [1, 2], configuration.image) == nil)
        configuration.image.frontend = "outside"
        #expect(ImageModality.picture(of: features.values, configuration.image) == nil)
    }

    @Test func patchesRunFromTheTopLeftAndRepeatGrey() throws {
        func slope(index: Int) -> UInt8 { UInt8(index / 32 * 4 + index % 32) }
        let reading = RawReading(modality: "image", format: "image/x-gray8", width: 32, height: 32, payload: (0..<1024).map(slope))
        let features = try images.features(of: reading)
        #expect(features.rows == 16 && features.columns == 192 && features.version == 2)
        for (patch, y, x, channel) in [(0, 0, 0, 0), (1, 0, 0, 2), (6, 3, 5, 1), (15, 7, 7, 2)] {
            let (line, column) = (patch / 4 * 8 + y, patch % 4 * 8 + x)
            let expected = Float(line * 4 + column) / 255
            #expect(abs(features.values[patch * 192 + (y * 8 + x) * 3 + channel] - expected) < 1e-6)
        }
    }

    @Test func coloursBecomeLumaWhenOneChannelIsWanted() throws {
        var configuration = SignalConfiguration()
        configuration.image.channels = 1
        let modality = try ImageModality(configuration)
        let red = RawReading(modality: "image", format: "image/x-rgb8", width: 2, height: 1, payload: [255, 0, 0, 255, 0, 0])
        let features = try modality.features(of: red)
        #expect(features.columns == 64)
        #expect(features.values.allSatisfy { abs($0 - 0.299) < 1e-5 })
    }

    @Test func aCoveredCameraIsHardlyValid() throws {
        let dark = RawReading(modality: "image", format: "image/x-gray8", width: 40, height: 40, payload: Array(repeating: 9, count: 1600))
        #expect(try images.features(of: dark).validity < 1e-3)
        #expect(
            try images.features(of: RawReading(modality: "image", format: "image/png", payload: bytes(Fixtures.pngColours))).validity == 1)
    }

    @Test func everyBrokenPictureIsRefusedByName() {
        let png = bytes(Fixtures.pngColours)
        let jpeg = bytes(Fixtures.jpegColours)
        var huge = png
        huge.replaceSubrange(16..<24, with: [0, 1, 0, 0, 0, 1, 0, 0])  // 65,536 × 65,536
        var damaged = png
        damaged[45] ^= 0xFF
        let cases: [(String, [UInt8], Int, Int, SignalRefusal.Reason)] = [
            ("image/png", [], 0, 0, .empty),
            ("image/png", Array(png.dropLast(20)), 0, 0, .truncated),
            ("image/png", Array(png.prefix(5)), 0, 0, .undecodable),
            ("image/png", jpeg, 0, 0, .undecodable),
            ("image/png", damaged, 0, 0, .undecodable),
            ("image/png", huge, 0, 0, .undecodable),  // its checksum no longer fits
            ("image/jpeg", png, 0, 0, .undecodable),
            ("image/jpeg", Array(jpeg.prefix(jpeg.count / 2)), 0, 0, .truncated),
            ("image/jpeg", Array(jpeg.prefix(30)) + [0xFF, 0xD9], 0, 0, .undecodable),
            ("image/x-rgb8", Array(repeating: 0, count: 11), 2, 2, .truncated),
            ("image/x-rgb8", Array(repeating: 0, count: 13), 2, 2, .wrongShape),
            ("image/x-gray8", [1], 0, 1, .wrongShape),
            ("image/x-gray8", [1], -1, -1, .wrongShape),
            ("image/x-gray8", [1], Int.max, Int.max, .tooLarge),
            ("image/gif", [1], 1, 1, .unknownFormat),
        ]
        for (format, payload, width, height, reason) in cases {
            let reading = RawReading(modality: "image", format: format, width: width, height: height, payload: payload)
            #expect(
                refusal { try images.features(of: reading) }?.reason == reason, "\(format), \(payload.count) bytes, \(width) × \(height)")
        }
    }

    @Test func sizeIsBoundedBeforeDecoding() {
        #expect(refusal { try PNG.decode(bytes(Fixtures.pngColours), maximumPixels: 239) }?.reason == .tooLarge)
        #expect(refusal { try JPEG.decode(bytes(Fixtures.jpegColours), maximumPixels: 239) }?.reason == .tooLarge)
    }

    @Test(arguments: [(1, 16_777_216), (16_777_216, 1), (65_536, 1), (1, 65_536), (4_097, 4_096)])
    func sidesAndProductAreBoundedBeforeAnythingIsAllocated(width: Int, height: Int) {
        for format in ["image/x-gray8", "image/x-rgb8"] {
            let reading = RawReading(modality: "image", format: format, width: width, height: height, payload: [1])
            #expect(refusal { try images.features(of: reading) }?.reason == .tooLarge)
        }
        #expect(refusal { try checkPixels(width: width, height: height, maximum: 16_777_216) }?.reason == .tooLarge)
    }

    @Test func longPicturesAreResizedAsShortOnes() {
        for (width, height) in [(1, 65_535), (65_535, 1), (3, 2_000)] {
            let slope = Pixels(
                width: width, height: height, channels: 1, bytes: (0..<width * height).map { UInt8($0 * 255 / (width * height)) })
            let resized = Resize(from: (width, height), to: (32, 32))(slope)
            for index in 0..<1024 where width == 1 || height == 1 {
                let place = width == 1 ? index / 32 : index % 32
                #expect(abs(resized[index] - (Float(place) * 255 + 127) / 32) < 1.5)
            }
            #expect(resized.allSatisfy { (0...255).contains($0) })
        }
    }

    @Test func aProgressivePictureMayHaveAsManyScansAsItIsSmall() {
        let jpeg = bytes(Fixtures.jpegColours)
        let scan = jpeg.firstRange(of: [0xFF, 0xDA]).map { Array(jpeg[$0.lowerBound..<jpeg.count - 2]) } ?? []
        let bomb = jpeg.dropLast(2) + Array(repeating: scan, count: 40).joined() + [0xFF, 0xD9]
        #expect(JPEGMarkers(Array(bomb)).scans == 41)
        #expect(refusal { try JPEG.decode(Array(bomb), maximumPixels: 240) }?.reason == .tooLarge)
        #expect(refusal { try JPEG.decode(jpeg, maximumPixels: 240) } == nil)
    }

    @Test(arguments: [("image/png", Fixtures.pngColours), ("image/png", Fixtures.pngPalette), ("image/jpeg", Fixtures.jpegColours)])
    func mutatedPicturesAreRefusedOrRead(format: String, fixture: String) throws {
        var configuration = SignalConfiguration()
        configuration.image.maximumPixels = 4_096
        let images = try ImageModality(configuration)
        let outcome = survivors(of: bytes(fixture), rounds: 2_000, seed: 5) { payload in
            try images.features(of: RawReading(modality: "image", format: format, payload: payload))
        }
        #expect(outcome.refused > 0 && outcome.finite)
    }
}

/// The pictures that Fixtures.swift holds in encoded form.
enum Picture {
    static let colours = Pixels(
        width: 20, height: 12, channels: 3,
        bytes: (0..<240).flatMap { index in
            let (x, y) = (index % 20, index / 20)
            return [UInt8(x * 13), UInt8(y * 23), UInt8((x + y) * 8)]
        })
    static let grey = Pixels(
        width: 20, height: 12, channels: 1,
        bytes: (0..<240).map { index in
            let (x, y) = (index % 20, index / 20)
            return UInt8(x * 7 + y * 11)
        })
}
