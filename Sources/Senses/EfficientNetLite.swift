import CVector
import Foundation
import Safetensors
import Synchronization

/// EfficientNet-Lite0, trained on ImageNet: a picture of 224 × 224 pixels to 7 × 7 rows of 1280 features, and classes.
/// https://arxiv.org/abs/1905.11946, https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
public final class EfficientNetLite: ImageFrontend {
    public static let name = "efficientnet-lite0"
    public static let fileName = "efficientnet-lite0.safetensors"
    public static let input = [side, side, 3]
    public static let output = [49, width]
    /// 4.7 million weights as they are read and as they are packed, and the activations of the widest block.
    public static let workingBytes = 70e6
    public static let share = 0.875
    public static let mean: [Float] = [127, 127, 127]
    public static let scale: [Float] = [128, 128, 128]

    /// The number of classes.
    public static let classes = 1_000
    private static let side = 224
    private static let width = 1_280
    private static let stemWidth = 32

    /// The stages: blocks, side of the depthwise convolution, stride of the first block, ratio of expansion, channels.
    private static let stages: [(blocks: Int, side: Int, stride: Int, expansion: Int, channels: Int)] = [
        (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320),
    ]

    public let digest: String
    private let threads: Int
    private let stem: PackedMatrix
    private let blocks: [Block]
    private let head: PackedMatrix
    private let classifier: PackedMatrix
    /// Memory of passes that have ended.
    private let idle = Mutex<[Workspace]>([])

    public init(path: String, threads: Int = 1) throws(SensesError) {
        let (archive, digest) = try openWeights(path)
        self.digest = digest
        self.threads = max(1, threads)
        stem = try Self.matrix("stem", Self.stemWidth, [3, 3, 3], of: archive, clamps: true)
        var blocks: [Block] = [], channels = Self.stemWidth, side = Self.side / 2
        for stage in Self.stages {
            for index in 0..<stage.blocks {
                let block = try Block(
                    "blocks.\(blocks.count)", channels: channels, expansion: stage.expansion, kernel: stage.side,
                    stride: index == 0 ? stage.stride : 1, output: stage.channels, side: side, of: archive)
                blocks.append(block)
                (channels, side) = (stage.channels, block.outputSide)
            }
        }
        self.blocks = blocks
        head = try Self.matrix("head", Self.width, [channels], of: archive, clamps: true)
        classifier = try Self.matrix("classifier", Self.classes, [Self.width], of: archive, clamps: false)
    }

    public func features(of picture: [Float]) throws(SensesError) -> [Float] {
        precondition(picture.count == Self.input.reduce(1, *), "\(picture.count) numbers for \(Self.input)")
        let memory = idle.withLock { $0.popLast() } ?? Workspace(blocks)
        defer { idle.withLock { $0.append(memory) } }
        var side = Self.side / 2
        picture.withUnsafeBufferPointer { unfold($0, into: memory.wide.pointer) }
        stem.multiply(memory.wide.pointer, rows: side * side, into: memory.narrow.pointer, threads: threads)
        var (x, y) = (memory.narrow, memory.other)
        for block in blocks {
            block.forward(x.pointer, wide: memory.wide.pointer, filtered: memory.filtered.pointer, into: y.pointer, threads: threads)
            (x, y) = (y, x)
            side = block.outputSide
        }
        let features = [Float](unsafeUninitializedCapacity: side * side * Self.width) { buffer, count in
            head.multiply(x.pointer, rows: side * side, into: buffer.baseAddress!, threads: threads)
            count = side * side * Self.width
        }
        guard features.allSatisfy(\.isFinite) else { throw SensesError("\(Self.name): a feature is not finite") }
        return features
    }

    /// The mean of features over the picture, (1280).
    public static func pooled(_ features: [Float]) -> [Float] {
        precondition(features.count == output.reduce(1, *), "\(features.count) features for \(output)")
        return (0..<width).map { c in
            stride(from: c, to: features.count, by: width).reduce(Float(0)) { $0 + features[$1] } / Float(output[0])
        }
    }

    /// The probabilities of ImageNet's classes, in their order.
    /// - Parameter features: of `features(of:)`.
    public func probabilities(of features: [Float]) -> [Float] {
        var logits = [Float](repeating: 0, count: Self.classes)
        classifier.multiply(Self.pooled(features), rows: 1, into: &logits, threads: 1)
        let peak = logits.max() ?? 0
        let powers = logits.map { exp($0 - peak) }
        let sum = powers.reduce(0, +)
        return powers.map { $0 / sum }
    }

    /// The neighbourhoods of 3 × 3 pixels at every second one, (112 · 112, 27). At even sides the zeros come after the last pixel, as
    /// TensorFlow places them.
    private func unfold(_ picture: UnsafeBufferPointer<Float>, into y: UnsafeMutablePointer<Float>) {
        let side = Self.side, half = side / 2
        Senses.share(half, among: threads) { rows in
            for row in rows {
                for column in 0..<half {
                    let to = y + (row * half + column) * 27
                    for i in 0..<3 {
                        for j in 0..<9 {
                            let isInside = 2 * row + i < side && 2 * column + j / 3 < side
                            to[i * 9 + j] = isInside ? picture[((2 * row + i) * side + 2 * column) * 3 + j] : 0
                        }
                    }
                }
            }
        }
    }

    /// A convolution's weight (N, …) and bias.
    fileprivate static func matrix(
        _ name: String, _ N: Int, _ shape: [Int], of archive: TensorArchive, clamps: Bool
    ) throws(SensesError) -> PackedMatrix {
        PackedMatrix(
            try archive.numbers("\(name).weight", [N] + shape), bias: try archive.numbers("\(name).bias", [N]), clamps: clamps)
    }
}

/// An inverted bottleneck: expansion, depthwise convolution, projection, and the input again where shapes agree. Batch normalisation is
/// part of the weights.  https://arxiv.org/abs/1801.04381
private struct Block: Sendable {
    private let expand: PackedMatrix?
    private let weights: NumberMemory
    private let bias: NumberMemory
    private let project: PackedMatrix
    private let kernel: Int, stride: Int, side: Int, width: Int
    private let isResidual: Bool

    /// The side of its output.
    var outputSide: Int { (side + stride - 1) / stride }
    /// Numbers before, after the depthwise convolution, and of the output.
    var sizes: (wide: Int, filtered: Int, output: Int) {
        (side * side * width, outputSide * outputSide * width, outputSide * outputSide * project.N)
    }

    init(
        _ name: String, channels: Int, expansion: Int, kernel: Int, stride: Int, output: Int, side: Int, of archive: TensorArchive
    ) throws(SensesError) {
        (self.kernel, self.stride, self.side) = (kernel, stride, side)
        width = channels * expansion
        expand =
            expansion == 1 ? nil : try EfficientNetLite.matrix("\(name).expand", width, [channels], of: archive, clamps: true)
        weights = NumberMemory(try archive.numbers("\(name).depthwise.weight", [kernel, kernel, width]))
        bias = NumberMemory(try archive.numbers("\(name).depthwise.bias", [width]))
        project = try EfficientNetLite.matrix("\(name).project", output, [width], of: archive, clamps: false)
        isResidual = stride == 1 && channels == output
    }

    func forward(
        _ x: UnsafePointer<Float>, wide: UnsafeMutablePointer<Float>, filtered: UnsafeMutablePointer<Float>,
        into y: UnsafeMutablePointer<Float>, threads: Int
    ) {
        expand?.multiply(x, rows: side * side, into: wide, threads: threads)
        // As many zeros before as after or, if their number is odd, one less.
        let zeros = max(0, (outputSide - 1) * stride + kernel - side)
        let convolution = CVectorDepthwise(
            weights: weights.pointer, bias: bias.pointer, side: kernel, stride: stride, channels: width, height: side, width: side,
            before: zeros / 2, outputWidth: outputSide)
        let source = expand == nil ? x : UnsafePointer(wide)
        share(outputSide, among: threads) { rows in
            var convolution = convolution
            CVectorConvolveDepthwise(PackedMatrix.level, &convolution, source, rows.lowerBound, rows.upperBound, filtered)
        }
        project.multiply(filtered, rows: outputSide * outputSide, adding: isResidual ? x : nil, into: y, threads: threads)
    }
}

/// The memory of one pass.
private final class Workspace: Sendable {
    let wide: NumberMemory, filtered: NumberMemory, narrow: NumberMemory, other: NumberMemory

    init(_ blocks: [Block]) {
        let start = 112 * 112
        func largest(_ size: (Block) -> Int) -> Int { blocks.map(size).max() ?? 0 }
        wide = NumberMemory(max(start * 27, largest(\.sizes.wide)))
        filtered = NumberMemory(largest(\.sizes.filtered))
        narrow = NumberMemory(max(start * 32, largest(\.sizes.output)))
        other = NumberMemory(narrow.count)
    }
}
