import Foundation

/// MNIST's file format: a big-endian header, then one byte a number.  https://yann.lecun.com/exdb/mnist/
struct IDXFile {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// The extent of each dimension, the outermost first.
    let shape: [Int]
    let bytes: [UInt8]

    init(path: String) throws {
        let data = [UInt8](try Data(contentsOf: URL(filePath: path)))
        guard data.count >= 4, data[0] == 0, data[1] == 0, data[2] == 8, data.count >= 4 + 4 * Int(data[3]) else {
            throw Failure(description: "\(path) is no IDX file of bytes")
        }
        shape = (0..<Int(data[3])).map { dimension in
            data[4 + 4 * dimension..<8 + 4 * dimension].reduce(0) { $0 << 8 | Int($1) }
        }
        bytes = Array(data[(4 + 4 * shape.count)...])
        let extent = shape.reduce(into: (count: 1, overflow: false)) { product, length in
            let (count, overflow) = product.count.multipliedReportingOverflow(by: length)
            product = (count, product.overflow || overflow)
        }
        guard !extent.overflow, bytes.count == extent.count else {
            throw Failure(description: "\(path) holds \(bytes.count) bytes for a shape of \(shape)")
        }
    }

    /// The rows of the outermost dimension, from 0 to 1.
    var vectors: [[Float]] {
        let size = shape.dropFirst().reduce(1, *)
        return (0..<(shape.first ?? 0)).map { row in bytes[row * size..<(row + 1) * size].map { Float($0) / 255 } }
    }
}
