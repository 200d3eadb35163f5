import Foundation
import Testing
@testable import Signals

/// Files written by `Tests/Golden/signals.py`.
private struct ForeignFiles: Decodable {
    let pictures: [ForeignPicture]
    let sounds: [ForeignSound]

    static let all: ForeignFiles? = {
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Golden/signals.json").standardizedFileURL
        return (try? Data(contentsOf: file)).flatMap { try? JSONDecoder().decode(ForeignFiles.self, from: $0) }
    }()
}

private struct ForeignPicture: Decodable, CustomTestStringConvertible {
    let name: String
    let file: String
    let refused: String?
    var width: Int?
    var height: Int?
    var channels: Int?
    var bits: Int?
    var samples: String?

    var testDescription: String { name }
}

private struct ForeignSound: Decodable, CustomTestStringConvertible {
    let name: String
    let file: String
    let refused: String?
    var rate: Int?
    var samples: String?

    var testDescription: String { name }
}

@Test func thePicturesAndSoundsOfOtherProgramsAreThere() {
    #expect(ForeignFiles.all?.pictures.count ?? 0 > 50)
    #expect(ForeignFiles.all?.sounds.count ?? 0 > 30)
}

/// Exact for PNG; for JPEG within the rounding differences of two versions of libjpeg-turbo.
@Test(arguments: ForeignFiles.all?.pictures ?? [])
private func picturesAreReadAsPillowReadsThem(picture: ForeignPicture) throws {
    let file = bytes(picture.file)
    let isJPEG = JPEG.recognises(file)
    func decode() throws -> Pixels { isJPEG ? try JPEG.decode(file, maximumPixels: 1000) : try PNG.decode(file, maximumPixels: 1000) }
    if let refused = picture.refused {
        #expect(refusal(decode)?.reason.rawValue == refused)
        return
    }
    let pixels = try decode()
    #expect((pixels.width, pixels.height, pixels.channels) == (picture.width, picture.height, picture.channels))
    let expected = bytes(picture.samples ?? "")
    if picture.bits == 16 {
        // Alpha is rounded once in both programs.
        let tolerance = picture.name.contains("alpha") ? 1 : 0
        #expect(pixels.words.count == expected.count / 2)
        #expect(pixels.words.indices.allSatisfy { abs(Int(pixels.words[$0]) - Int(expected.unsigned16(at: 2 * $0))) <= tolerance })
    } else {
        let difference = zip(pixels.bytes, expected).map { abs(Int($0) - Int($1)) }.max()
        #expect(pixels.bytes.count == expected.count && difference ?? 0 <= (isJPEG ? 2 : 0))
        if pixels.words.isEmpty { return }
        #expect(zip(pixels.words, pixels.bytes).allSatisfy { abs(Float($0) / 257 - Float($1)) <= 0.5 }, "alpha leaves fractions")
    }
}

@Test(arguments: ForeignFiles.all?.sounds ?? [])
private func soundsAreReadAsLibsndfileReadsThem(sound: ForeignSound) throws {
    let file = bytes(sound.file)
    func decode() throws -> Waveform { try WAV.decode(file, limits: SoundLimits(maximumSeconds: 1)) }
    if let refused = sound.refused {
        #expect(refusal(decode)?.reason.rawValue == refused)
        return
    }
    let wave = try decode()
    let expected = bytes(sound.samples ?? "")
    #expect(wave.sampleRate == sound.rate)
    #expect(wave.samples == (0..<expected.count / 4).map { expected.float32(at: 4 * $0) })
}

/// A depth map's steps are finer than a byte's.
@Test func sixteenBitsAreKeptInTheFeatures() throws {
    let rows: [UInt16] = (0..<1024).map { 30_000 + $0 }
    let pixels = Pixels(width: 32, height: 32, channels: 1, words: rows)
    #expect(pixels.bytes.allSatisfy { (117...121).contains($0) })
    let resized = Resize(from: (32, 32), to: (32, 32))(pixels)
    #expect(zip(resized, rows).allSatisfy { abs($0 - Float($1) / 257) < 1e-4 })
}
