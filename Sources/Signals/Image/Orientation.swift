/// The Exif orientation of a picture, 1…8: at which side of the scene the stored rows and columns begin.
/// https://www.cipa.jp/std/documents/download_e.html?DC-008-Translation-2023-E, tag 0x0112
struct Orientation: Equatable {
    /// Whether stored rows are columns of the scene.
    let isTransposed: Bool
    /// Whether, after transposing, columns run from right to left.
    let isMirrored: Bool
    /// Whether, after transposing, rows run from bottom to top.
    let isUpsideDown: Bool

    static let upright = Orientation(number: 1)

    init(number: Int) {
        isTransposed = (5...8).contains(number)
        isMirrored = [2, 3, 6, 7].contains(number)
        isUpsideDown = [3, 4, 7, 8].contains(number)
    }

    /// Reads the orientation from the first directory of a TIFF block; upright if it cannot be read.
    init(tiff bytes: ArraySlice<UInt8>) {
        let tiff = Array(bytes.prefix(1 << 16))  // the maximum size of a JPEG segment; the directory is at its start
        guard tiff.count >= 8, tiff.holds("II", at: 0) || tiff.holds("MM", at: 0) else {
            self = .upright
            return
        }
        let isBigEndian = tiff.holds("MM", at: 0)
        func short(_ offset: Int) -> Int { Int(isBigEndian ? tiff.unsigned16(at: offset).byteSwapped : tiff.unsigned16(at: offset)) }
        func long(_ offset: Int) -> Int { Int(isBigEndian ? tiff.unsigned32(at: offset).byteSwapped : tiff.unsigned32(at: offset)) }
        let directory = long(4)
        guard short(2) == 42, directory + 2 <= tiff.count else {
            self = .upright
            return
        }
        let entries = min(short(directory), (tiff.count - directory - 2) / 12)
        let entry = (0..<entries).map { directory + 2 + 12 * $0 }.first { short($0) == 0x0112 }
        let value = entry.map { short($0 + 2) == 4 ? long($0 + 8) : short($0 + 2) == 3 ? short($0 + 8) : 1 } ?? 1
        self.init(number: value)
    }
}

extension Pixels {
    /// The picture rotated and mirrored so that it is upright.
    func turned(_ orientation: Orientation) -> Pixels {
        guard orientation != .upright else { return self }
        let (width, height) = orientation.isTransposed ? (self.height, self.width) : (self.width, self.height)
        func turned<Sample>(_ samples: [Sample]) -> [Sample] {
            var result: [Sample] = []
            result.reserveCapacity(samples.count)
            for y in 0..<(samples.isEmpty ? 0 : height) {
                let down = orientation.isUpsideDown ? height - 1 - y : y
                for x in 0..<width {
                    let across = orientation.isMirrored ? width - 1 - x : x
                    let start = channels * (orientation.isTransposed ? across * self.width + down : down * self.width + across)
                    for channel in 0..<channels { result.append(samples[start + channel]) }
                }
            }
            return result
        }
        return Pixels(width: width, height: height, channels: channels, bytes: turned(bytes), words: turned(words))
    }
}
