import Tensors

/// The number format of a decoder's weights.
public enum DecodingPrecision: String, Sendable, CaseIterable {
    /// The parameters themselves, in single precision.
    case float32
    /// Eight bits for each weight: a quarter of the memory to read for every token.
    case int8
}

/// A GPT-2's parameters in the form that its decoder uses. It retains the parameter store.
struct DecoderWeights {
    struct Norm {
        let weight, bias: UnsafePointer<Float>
    }

    struct Layer {
        let normBefore, normAfter: Norm
        let attention, join, expand, contract: Projection
    }

    let tokens, places: UnsafePointer<Float>
    let layers: [Layer]
    let norm: Norm
    let head: Projection
    private let store: ParameterStore<Float>

    init(_ c: GPT2Configuration, _ store: ParameterStore<Float>, _ precision: DecodingPrecision, inOrder: Bool) {
        func pointer(_ name: String) -> UnsafePointer<Float> { UnsafePointer(store[name].baseAddress!) }
        func norm(_ name: String) -> Norm { Norm(weight: pointer("\(name).weight"), bias: pointer("\(name).bias")) }
        func projection(_ name: String, _ inputs: Int, _ outputs: Int) -> Projection {
            Projection(
                Matrix(pointer("\(name).weight"), stride: outputs), bias: pointer("\(name).bias"), inputs, outputs, precision,
                inOrder: inOrder)
        }
        let hidden = c.hidden ?? 4 * c.width
        tokens = pointer("wte.weight")
        places = pointer("wpe.weight")
        layers = (0..<c.layers).map { layer in
            Layer(
                normBefore: norm("h.\(layer).ln_1"), normAfter: norm("h.\(layer).ln_2"),
                attention: projection("h.\(layer).attn.c_attn", c.width, 3 * c.width),
                join: projection("h.\(layer).attn.c_proj", c.width, c.width),
                expand: projection("h.\(layer).mlp.c_fc", c.width, hidden),
                contract: projection("h.\(layer).mlp.c_proj", hidden, c.width))
        }
        self.norm = norm("ln_f")
        head = Projection(
            Matrix(pointer(c.isTied ? "wte.weight" : "lm_head.weight"), stride: c.width, transposed: true), bias: nil,
            c.width, c.vocabularySize, precision, inOrder: inOrder)
        self.store = store
    }
}

/// y = x · W + b, or y += x · W + b, in floats or in eight bits.
struct Projection {
    let inputs, outputs: Int
    private let bias: UnsafePointer<Float>?
    private let weights: Weights

    private enum Weights {
        /// (inputs, outputs)
        case float(Matrix<Float>)
        case rows(RowMatrix)
        case quantized(QuantizedMatrix)
    }

    init(
        _ w: Matrix<Float>, bias: UnsafePointer<Float>?, _ inputs: Int, _ outputs: Int, _ precision: DecodingPrecision, inOrder: Bool
    ) {
        self.inputs = inputs
        self.outputs = outputs
        self.bias = bias
        let rows = Matrix(w.pointer, stride: w.stride, transposed: !w.isTransposed)
        switch precision {
        case .float32:
            if let rows = RowMatrix(rows, rows: outputs, columns: inputs) {
                weights = .rows(rows)
            } else {
                weights = inOrder ? .rows(RowMatrix(copying: w, rows: outputs, columns: inputs)) : .float(w)
            }
        case .int8:
            weights = .quantized(QuantizedMatrix(rows, rows: outputs, columns: inputs))
        }
    }

    /// The range of outputs that a share computes.
    func part(of share: Share) -> Range<Int> { share.of(outputs, multiple: 16, grain: 64) }

    /// Computes a share's columns of y (rows, outputs) from x (rows, inputs).
    func apply(
        _ x: UnsafePointer<Float>, rows: Int, into y: UnsafeMutablePointer<Float>, adding: Bool, _ share: Share,
        scratch: UnsafeMutablePointer<Int16>
    ) {
        let part = part(of: share)
        guard !part.isEmpty else { return }
        for row in 0..<rows {
            let y = y + row * outputs
            if !adding {
                if let bias {
                    (y + part.lowerBound).update(from: bias + part.lowerBound, count: part.count)
                } else {
                    (y + part.lowerBound).update(repeating: 0, count: part.count)
                }
            } else if let bias {
                for column in part { y[column] += bias[column] }
            }
        }
        switch weights {
        case .float(let w): multiply(x, Matrix(w.pointer + part.lowerBound, stride: w.stride), rows, into: y, part)
        case .rows(let w) where rows <= Self.fewRows:
            for row in 0..<rows { w.multiply(x + row * inputs, into: y + row * outputs, rows: part) }
        case .rows(let w): multiply(x, Matrix(w.pointer + part.lowerBound * inputs, stride: inputs, transposed: true), rows, into: y, part)
        case .quantized(let w):
            var vector = QuantizedVector(memory: scratch)
            for row in 0..<rows {
                vector.set(x + row * inputs, count: inputs)
                w.multiply(vector, into: y + row * outputs, rows: part)
            }
        }
    }

    /// Up to this number of rows, each row is multiplied by itself.
    private static let fewRows = 2

    private func multiply(
        _ x: UnsafePointer<Float>, _ w: Matrix<Float>, _ rows: Int, into y: UnsafeMutablePointer<Float>, _ part: Range<Int>
    ) {
        Float.multiply(
            Matrix(x, stride: inputs), w, into: y + part.lowerBound, stride: outputs, m: rows, n: part.count, k: inputs, alpha: 1, beta: 1)
    }
}
