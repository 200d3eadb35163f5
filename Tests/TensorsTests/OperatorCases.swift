import Tensors
import TensorsTesting

/// Every operator, in shapes that are not multiples of the SIMD width, with masked, negative, repeated or shared inputs.
let operatorCases: [any Composition] =
    [
        LinearCase(), LinearCase(isTransposed: true), LinearCase(hasBias: false), LinearCase(rows: 1), RowSumsCase(),
        GatherRowsCase(), AddCase(), AddCase(isRepeated: true), AddSelfCase(), MultiplyCase(), MultiplyCase(isRepeated: true),
        MultiplySelfCase(), ScaleRowsCase(), AffineCase(), NormalizeRowsCase(),
        AttendCase(visibility: .all), AttendCase(visibility: .causal()), AttendCase(visibility: .causal(prefix: 3)),
        AttendCase(visibility: .sliding(window: 3)), AttendCase(visibility: .sliding(window: 3), isMasked: true),
        GroupedAttendCase(groups: 2), GroupedAttendCase(groups: 1), ScaleByRMSCase(), RotateCase(), RotateCase(firstPosition: 5),
        AttendCase(visibility: .causal(), isMasked: true), AttendCase(visibility: .all, isMasked: true), AttendToCase(),
        AttendToCase(isMasked: true),
        SoftmaxCase(), SoftmaxCase(isLogarithm: true), CrossEntropyCase(), CrossEntropyCase(isWeighted: true), CrossEntropyRowsCase(),
        MeanSquaredErrorCase(), PoolRowsCase(), PoolRowsCase(isMasked: true), ConcatenateCase(), SliceCase(), UnfoldCase(), TiedCase(),
        FrozenLinearCase(), FrozenLinearCase(hasBias: true), FrozenLinearCase(rows: 1), FrozenGatherCase(),
        UnusedCase(), RecomputingCase(), SharingCase(),
        PackedCase(lengths: [3, 0, 5]), PackedCase(lengths: [5, 5, 5]),
        PackedCase(lengths: [0, 1, 0]),
    ] + Activation.allCases.map { ActivateCase(function: $0) }

struct LinearCase: Composition {
    var isTransposed = false, hasBias = true, rows = 5
    var name: String { "linear\(isTransposed ? ", transposed" : "")\(hasBias ? "" : ", no bias"), \(rows) rows" }
    var parameters: [Parameter] {
        [Parameter("x", [rows, 37]), Parameter("w", isTransposed ? [131, 37] : [37, 131]), Parameter("b", [131])]
    }
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        graph.linear(
            graph.parameter("x"), weight: graph.parameter("w"), bias: hasBias ? graph.parameter("b") : nil, transposed: isTransposed)
    }
}

/// More rows of the matrix than are decoded at a time.
struct FrozenLinearCase: Composition {
    var hasBias = false, rows = 5
    var name: String { "frozen linear\(hasBias ? ", bias" : ""), \(rows) rows" }
    var parameters: [Parameter] { [Parameter("x", [rows, 37]), Parameter("b", [131])] }
    var frozen: [String: any FrozenMatrix] { ["w": FloatMatrix.example(rows: 131, columns: 37)] }
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        let x = graph.parameter("x"), b = hasBias ? graph.parameter("b") : nil
        // Its input is read twice, so that its gradient is accumulated too.
        let y = graph.linear(x, weight: "w", bias: b, transposed: true)
        return graph.add(y, graph.linear(graph.activate(x, .tanh), weight: "w", transposed: true))
    }
}

struct FrozenGatherCase: Composition {
    let parameters = [Parameter("x", [6, 21])]
    var frozen: [String: any FrozenMatrix] { ["table": FloatMatrix.example(rows: 7, columns: 21)] }
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        graph.multiply(graph.gatherRows(of: "table", graph.indices([4, 0, 4, -1, 6, 4])), graph.parameter("x"))
    }
}

struct RowSumsCase: Composition {
    let parameters = [Parameter("x", [4, 19])]
    func record<S>(in graph: Graph<S>) -> Tensor<S> { graph.rowSums(graph.parameter("x")) }
}

/// Two recomputed parts with one weight and shared memory; the first is read by the second and by later operators.
struct RecomputingCase: Composition {
    let parameters = [Parameter("x", [3, 19]), Parameter("w", [19, 19])]
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        let w = graph.parameter("w")
        let y = graph.recomputing { graph.activate(graph.linear(graph.parameter("x"), weight: w), .tanh) }
        return graph.add(y, graph.recomputing { graph.activate(graph.linear(y, weight: w), .gelu) })
    }
}

/// Two parts with one weight that share the memory of their gradients; the first is read by the second and by later operators.
struct SharingCase: Composition {
    let parameters = [Parameter("x", [3, 19]), Parameter("w", [19, 19])]
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        let w = graph.parameter("w")
        let y = graph.sharing(graph.parameter("x")) { graph.activate(graph.linear($0, weight: w), .tanh) }
        return graph.add(y, graph.sharing(y) { graph.activate(graph.linear($0, weight: w), .gelu) })
    }
}

struct GatherRowsCase: Composition {
    let parameters = [Parameter("table", [6, 21])]
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        graph.gatherRows(of: graph.parameter("table"), graph.indices([4, 0, 4, -1, 5, 4]))
    }
}

struct AddCase: Composition {
    var isRepeated = false
    var name: String { "add\(isRepeated ? ", repeated" : "")" }
    var parameters: [Parameter] { [Parameter("x", [3, 2, 19]), Parameter("y", isRepeated ? [2, 19] : [3, 2, 19])] }
    func record<S>(in graph: Graph<S>) -> Tensor<S> { graph.add(graph.parameter("x"), graph.parameter("y"), scale: -0.7) }
}

struct AddSelfCase: Composition {
    let parameters = [Parameter("x", [3, 19])]
    func record<S>(in graph: Graph<S>) -> Tensor<S> { graph.add(graph.parameter("x"), graph.parameter("x"), scale: 0.3) }
}

struct MultiplyCase: Composition {
    var isRepeated = false
    var name: String { "multiply\(isRepeated ? ", repeated" : "")" }
    var parameters: [Parameter] { [Parameter("x", [3, 19]), Parameter("y", isRepeated ? [19] : [3, 19])] }
    func record<S>(in graph: Graph<S>) -> Tensor<S> { graph.multiply(graph.parameter("x"), graph.parameter("y")) }
}

struct MultiplySelfCase: Composition {
    let parameters = [Parameter("x", [3, 19])]
    func record<S>(in graph: Graph<S>) -> Tensor<S> { graph.multiply(graph.parameter("x"), graph.parameter("x")) }
}

struct ScaleRowsCase: Composition {
    let parameters = [Parameter("x", [3, 19]), Parameter("s", [3])]
    func record<S>(in graph: Graph<S>) -> Tensor<S> { graph.scaleRows(graph.parameter("x"), by: graph.parameter("s")) }
}

struct AffineCase: Composition {
    let parameters = [Parameter("x", [3, 19])]
    func record<S>(in graph: Graph<S>) -> Tensor<S> { graph.affine(graph.parameter("x"), scale: -1.5, offset: 2) }
}

struct ActivateCase: Composition {
    let function: Activation
    var name: String { "activate \(function.rawValue)" }
    let parameters = [Parameter("x", [3, 19])]
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        // A logarithm needs positive numbers.
        let x = function == .logarithm ? graph.affine(graph.parameter("x"), offset: 2) : graph.parameter("x")
        return graph.activate(x, function)
    }
}

struct NormalizeRowsCase: Composition {
    let parameters = [Parameter("x", [5, 37]), Parameter("weight", [37]), Parameter("bias", [37])]
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        graph.normalizeRows(graph.parameter("x"), weight: graph.parameter("weight"), bias: graph.parameter("bias"))
    }
}

struct AttendCase: Composition {
    let visibility: Visibility
    var isMasked = false
    var name: String { "attend, \(visibility)\(isMasked ? ", masked" : "")" }
    let parameters = [Parameter("qkv", [2 * 7, 3 * 12])]
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        let mask = graph.constant([2, 7], [0, 1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0])
        return graph.attend(
            graph.parameter("qkv"), heads: 3, batch: 2, visibility: visibility, keyMask: isMasked ? mask : nil)
    }
}

/// Packed sequences of three lengths: rows are gathered, attended to, normalised, and gathered at some positions.
struct PackedCase: Composition {
    let lengths: [Int]
    var name: String { "packed, \(lengths)" }
    let parameters = [
        Parameter("table", [6, 12]), Parameter("more", [4, 12]), Parameter("w", [12, 36]), Parameter("b", [36]), Parameter("norm", [12]),
        Parameter("bias", [12]), Parameter("head", [7, 12]),
    ]

    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        let sequences = PackedSequences(3, longest: 5), tellings = Extent(15)
        let order = graph.indices(along: sequences.rows), other = graph.indices(along: sequences.rows)
        let places = graph.indices(along: tellings), targets = graph.indices(along: tellings)
        let mask = graph.constant([3, 5], [0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1])
        let x = graph.add(graph.gatherRows(of: graph.parameter("table"), order), graph.gatherRows(of: graph.parameter("more"), other))
        let qkv = graph.linear(x, weight: graph.parameter("w"), bias: graph.parameter("b"))
        let read = graph.attend(qkv, heads: 3, batch: 3, visibility: .causal(prefix: 2), keyMask: mask, packing: sequences)
        let stream = graph.affine(graph.add(x, graph.activate(read, .gelu)), scale: 1.3)
        let y = graph.normalizeRows(stream, weight: graph.parameter("norm"), bias: graph.parameter("bias"))
        let gate = graph.multiply(graph.activate(y, .silu), graph.scaleByRMS(stream, weight: graph.parameter("norm")))
        let turned = graph.rotate(gate, by: graph.rotation(frequencies: [1, 0.3], positions: 5), heads: 3, packing: sequences)
        let logits = graph.linear(graph.gatherRows(of: graph.add(y, turned), places), weight: graph.parameter("head"), transposed: true)
        let loss = graph.crossEntropy(logits, targets: targets).mean
        sequences.set { lengths[$0] }
        tellings.count = sequences.rows.count / 2
        for row in 0..<sequences.rows.count { (order[row], other[row]) = (row % 7 - 1, row % 5 - 1) }
        for row in 0..<tellings.count { (places[row], targets[row]) = (2 * row, row % 3 == 2 ? -100 : row % 7) }
        // The term of the table itself keeps the sum from being 0 if no sequence has a row.
        return graph.add(loss, graph.mean(graph.activate(graph.parameter("table"), .tanh)))
    }
}

struct GroupedAttendCase: Composition {
    let groups: Int
    var name: String { "attend, 6 heads in \(groups) groups" }
    var parameters: [Parameter] {
        [Parameter("q", [2 * 5, 6 * 4]), Parameter("k", [2 * 5, groups * 4]), Parameter("v", [2 * 5, groups * 4])]
    }
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        graph.attend(
            graph.parameter("q"), graph.parameter("k"), graph.parameter("v"), heads: 6, groups: groups, batch: 2, visibility: .causal())
    }
}

struct ScaleByRMSCase: Composition {
    let parameters = [Parameter("x", [5, 37]), Parameter("weight", [37])]
    func record<S>(in graph: Graph<S>) -> Tensor<S> { graph.scaleByRMS(graph.parameter("x"), weight: graph.parameter("weight")) }
}

struct RotateCase: Composition {
    var firstPosition = 0
    var name: String { "rotate from position \(firstPosition)" }
    let parameters = [Parameter("x", [2 * 3, 2 * 6])]
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        let rotation = graph.rotation(frequencies: [1, 0.3, 0.01], positions: 3, firstPosition: firstPosition, scale: 1.1)
        return graph.rotate(graph.parameter("x"), by: rotation, heads: 2)
    }
}

struct AttendToCase: Composition {
    var isMasked = false
    var name: String { "attend to others\(isMasked ? ", masked" : "")" }
    let parameters = [Parameter("q", [2 * 3, 12]), Parameter("kv", [2 * 5, 24])]
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        let mask = graph.constant([2, 5], [0, 1, 1, 0, 1, 0, 0, 0, 0, 0])
        return graph.attend(graph.parameter("q"), to: graph.parameter("kv"), heads: 2, batch: 2, keyMask: isMasked ? mask : nil)
    }
}

struct SoftmaxCase: Composition {
    var isLogarithm = false
    var name: String { isLogarithm ? "log-softmax" : "softmax" }
    let parameters = [Parameter("x", [3, 19])]
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        isLogarithm ? graph.logSoftmax(graph.parameter("x")) : graph.softmax(graph.parameter("x"))
    }
}

struct CrossEntropyCase: Composition {
    var isWeighted = false
    var name: String { "cross entropy\(isWeighted ? ", weighted" : "")" }
    let parameters = [Parameter("logits", [5, 19])]
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        graph.crossEntropy(
            graph.parameter("logits"), targets: graph.indices([3, -100, 18, 0, 3]),
            weights: isWeighted ? graph.constant([5], [0.5, 1, 0, 2, 1]) : nil
        ).mean
    }
}

struct CrossEntropyRowsCase: Composition {
    let parameters = [Parameter("logits", [4, 5])]
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        let loss = graph.crossEntropy(graph.parameter("logits"), targets: graph.indices([3, -100, 0, 4]))
        return graph.add(loss.rows, loss.mean)
    }
}

struct MeanSquaredErrorCase: Composition {
    let parameters = [Parameter("x", [3, 7]), Parameter("target", [3, 7])]
    func record<S>(in graph: Graph<S>) -> Tensor<S> { graph.meanSquaredError(graph.parameter("x"), graph.parameter("target")) }
}

struct PoolRowsCase: Composition {
    var isMasked = false
    var name: String { "pool rows\(isMasked ? ", masked" : "")" }
    let parameters = [Parameter("x", [2 * 3, 19])]
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        graph.poolRows(graph.parameter("x"), batch: 2, mask: isMasked ? graph.constant([2, 3], [1, 0, 1, 0, 0, 0]) : nil)
    }
}

struct ConcatenateCase: Composition {
    let parameters = [Parameter("x", [2 * 3, 5]), Parameter("y", [2 * 2, 5])]
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        let (x, y) = (graph.parameter("x"), graph.parameter("y"))
        let rows = graph.concatenateRows([x, y, x], batch: 2)
        return graph.concatenateColumns([rows, graph.activate(rows, .square)])
    }
}

struct SliceCase: Composition {
    let parameters = [Parameter("x", [2 * 3, 5])]
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        let rows = graph.sliceRows(graph.parameter("x"), 1..<3, batch: 2)
        return graph.multiply(graph.sliceColumns(rows, 0..<2), graph.sliceColumns(rows, 2..<4))
    }
}

struct UnfoldCase: Composition {
    let parameters = [Parameter("x", [2, 5, 4, 3])]
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        graph.unfold(graph.parameter("x"), Window(height: 3, width: 2, stride: 2, padding: (rows: 1, columns: 0)))
    }
}

/// One table read as an embedding and as a head: written by one operator, added to by another.
struct TiedCase: Composition {
    let parameters = [Parameter("table", [6, 21])]
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        let table = graph.parameter("table")
        return graph.linear(graph.gatherRows(of: table, graph.indices([4, 0, 4])), weight: table, transposed: true)
    }
}

/// A parameter that nothing reads has a gradient of zeros; an output that nothing reads costs nothing.
struct UnusedCase: Composition {
    let parameters = [Parameter("x", [3, 5]), Parameter("unread", [7]), Parameter("y", [3, 5])]
    func record<S>(in graph: Graph<S>) -> Tensor<S> {
        _ = graph.activate(graph.parameter("y"), .tanh)
        return graph.activate(graph.parameter("x"), .tanh)
    }
}
