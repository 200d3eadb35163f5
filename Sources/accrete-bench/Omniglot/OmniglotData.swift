import Foundation
import MetaLearning
import Statistics

/// Handwritten characters of several alphabets, each drawn by the same twenty people.  https://github.com/brendenlake/omniglot
struct OmniglotData {
    struct Character {
        let alphabet: String
        /// (side, side) each, ink 1, paper 0.
        let images: [[Float]]
    }

    static let side = 28
    let characters: [Character]

    init(directory: String) throws {
        let images = try IDXFile(path: "\(directory)/images28-idx3-ubyte")
        guard images.shape.dropFirst() == [Self.side, Self.side] else {
            throw IDXFile.Failure(description: "\(directory)/images28-idx3-ubyte holds \(images.shape), not images of 28 × 28")
        }
        let vectors = images.vectors
        let table = try CSVFile(path: "\(directory)/manifest.csv")
        let (alphabets, classes) = (try table.texts(of: "alphabet"), try table.texts(of: "class"))
        guard alphabets.count == vectors.count else {
            throw IDXFile.Failure(description: "\(directory)/manifest.csv has \(alphabets.count) lines for \(vectors.count) images")
        }
        var order: [String] = [], members: [String: [Int]] = [:]
        for (index, name) in classes.enumerated() {
            if members[name] == nil { order.append(name) }
            members[name, default: []].append(index)
        }
        characters = order.compactMap { name in
            guard let rows = members[name], let first = rows.first else { return nil }
            return Character(alphabet: alphabets[first], images: rows.map { vectors[$0] })
        }
    }

    /// In order of their names.
    var alphabets: [String] { Set(characters.map(\.alphabet)).sorted() }

    /// The images of every character of some alphabets. With `turned`, the rotations of a character by 90°, 180° and 270° are further
    /// classes; with `mirrored`, so are the mirror images.
    func classes(of alphabets: [String], turned: Bool = false, mirrored: Bool = false) -> [[[Float]]] {
        characters.filter { alphabets.contains($0.alphabet) }.flatMap { character in
            (mirrored ? [character.images, character.images.map(Self.mirrored)] : [character.images]).flatMap { images in
                (0..<(turned ? 4 : 1)).map { turns in images.map { image in (0..<turns).reduce(image) { image, _ in Self.turned(image) } } }
            }
        }
    }

    private static func mirrored(_ image: [Float]) -> [Float] {
        (0..<side * side).map { place in image[place / side * side + side - 1 - place % side] }
    }

    private static func turned(_ image: [Float]) -> [Float] {
        (0..<side * side).map { place in image[(side - 1 - place % side) * side + place / side] }
    }
}

/// A small random rotation, scale, shear and shift of an image.
struct Warp {
    /// The greatest rotation in radians, relative scale and shear, and shift in pixels, each way.
    var rotation = 0.2, scale = 0.15, shear = 0.15, shift = 2.0

    func callAsFunction(_ image: [Float], using random: inout RandomSource) -> [Float] {
        let side = OmniglotData.side, middle = Double(side - 1) / 2
        let angle = rotation * (2 * random.uniform() - 1), slant = shear * (2 * random.uniform() - 1)
        let (wide, high) = (1 + scale * (2 * random.uniform() - 1), 1 + scale * (2 * random.uniform() - 1))
        let (right, down) = (shift * (2 * random.uniform() - 1), shift * (2 * random.uniform() - 1))
        let (a, b) = (cos(angle) * wide, -sin(angle) * high + slant), (c, d) = (sin(angle) * wide, cos(angle) * high)
        var warped = [Float](repeating: 0, count: side * side)
        for row in 0..<side {
            for column in 0..<side {
                let (x, y) = (Double(column) - middle, Double(row) - middle)
                warped[row * side + column] = Self.sample(image, a * x + b * y + middle + right, c * x + d * y + middle + down)
            }
        }
        return warped
    }

    /// Between four pixels; paper outside.
    private static func sample(_ image: [Float], _ x: Double, _ y: Double) -> Float {
        let side = OmniglotData.side, (left, top) = (Int(x.rounded(.down)), Int(y.rounded(.down)))
        func pixel(_ row: Int, _ column: Int) -> Float {
            row >= 0 && row < side && column >= 0 && column < side ? image[row * side + column] : 0
        }
        let (u, v) = (Float(x - Double(left)), Float(y - Double(top)))
        let above = pixel(top, left) * (1 - u) + pixel(top, left + 1) * u
        let below = pixel(top + 1, left) * (1 - u) + pixel(top + 1, left + 1) * u
        return above * (1 - v) + below * v
    }
}

/// Draws tasks: some classes in random order, with some images of each for the support set and others for the query set.
struct EpisodeSource {
    let classes: [[[Float]]]
    let ways: Int
    var warp: Warp?
    /// The number of warped copies added for each image of a support set.
    var copies = 0
    var random: RandomSource

    mutating func episode(shots: Int, queries: Int) -> Episode<LabelledImages> {
        var support = LabelledImages(pixels: [], labels: []), query = support
        for (label, chosen) in random.sample(ways, below: classes.count).enumerated() {
            let images = classes[chosen]
            for (place, index) in random.sample(shots + queries, below: images.count).enumerated() {
                let image = warp?(images[index], using: &random) ?? images[index]
                guard place < shots else {
                    query.append(image, label)
                    continue
                }
                support.append(image, label)
                for _ in 0..<copies { support.append(Warp()(images[index], using: &random), label) }
            }
        }
        return Episode(support: support, query: query)
    }

    /// One task's images as batches, in random order, each of `size` images.
    mutating func batches(_ count: Int, of size: Int, shots: Int) -> [LabelledImages] {
        let all = episode(shots: shots, queries: 0).support
        let area = OmniglotData.side * OmniglotData.side
        return (0..<count).map { _ in
            var batch = LabelledImages(pixels: [], labels: [])
            for row in random.sample(size, below: all.labels.count) {
                batch.append(Array(all.pixels[row * area..<(row + 1) * area]), all.labels[row])
            }
            return batch
        }
    }
}

extension LabelledImages {
    fileprivate mutating func append(_ image: [Float], _ label: Int) {
        pixels += image
        labels.append(label)
    }
}
