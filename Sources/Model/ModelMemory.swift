/// How many numbers a model has and a recorded graph of it computes, by formulas, before anything is allocated.
///
/// The results are floating-point numbers, which do not overflow for any size.
extension MultimodalConfiguration {
    /// The number of parameters: exactly that of the model's layout, without matrices that stay as they are stored.
    public var parameterNumbers: Double {
        if isPretrained { return (try? MultimodalModel(self)).map { Double($0.layout.count) } ?? 0 }
        let counted = Counted(self)
        let perception = 2 * counted.C + 2 * counted.tC + Counted.linear(counted.tC, counted.K)
        let words = (Double(text.buckets) + 1) * counted.tC
        return senses.reduce(words + counted.fusionParameters + trunkNumbers) { $0 + counted.parameters(of: $1) } + counted.M * perception
    }

    /// The number of parameters of the language trunk.
    public var trunkNumbers: Double {
        if isPretrained {
            guard let model = try? MultimodalModel(self) else { return 0 }
            return model.layout.parameters.reduce(0) { $0 + (model.isTrunk($1) ? Double($1.count) : 0) }
        }
        let counted = Counted(self)
        return (Double(text.vocabulary) + Double(text.length) + 2) * counted.C + Double(layers) * counted.blockParameters
    }

    /// An upper bound of the numbers that a graph keeps besides parameters, with their gradients if it learns: some that need no
    /// gradient are counted twice.
    ///
    /// - Parameters:
    ///   - batch: the number of moments.
    ///   - languageRows: how many of them pass through the language trunk.
    ///   - learning: whether there are gradients.
    public func activationNumbers(batch: Int, languageRows: Int, learning: Bool) -> Double {
        let counted = Counted(self), B = Double(batch), L = Double(languageRows), gradients: Double = learning ? 2 : 1
        let inputs = B * (counted.M * (Double(tokens) + 3) + Double(text.words)) + max(1, L) * (counted.prefix + counted.length)
        let perception = 3 * counted.tC + 2 * Double(tokens) + 5 * counted.K + 3
        let words = (Double(text.words) + 2) * counted.tC
        var own = words + counted.fusionActivations + 4 * counted.K + 3 + counted.M * perception
        for sense in senses { own += counted.activations(of: sense) + Double(sense.rows) * (Double(sense.columns) + 1) }
        let language = gradients * counted.languageActivations + counted.blocks(learning: learning)
        return inputs + gradients * B * own + L * language + 64 * (gradients + counted.M)
    }

    /// The approximate size in bytes of a remembered moment with all its readings.
    public var momentBytes: Double {
        senses.reduce(64 + 8 * Double(text.length)) { $0 + 4 * Double($1.rows) * Double($1.columns) + 64 }
    }
}

/// The letters of the formulas: width C, T tokens of a modality, joint J, K classes, H heads, M modalities.
private struct Counted {
    let model: MultimodalConfiguration
    let C: Double, T: Double, J: Double, K: Double, H: Double, M: Double
    let tC: Double, length: Double, prefix: Double

    init(_ model: MultimodalConfiguration) {
        self.model = model
        (C, T, J, K, H) = (Double(model.width), Double(model.tokens), Double(model.joint), Double(model.classes), Double(model.heads))
        M = Double(model.senses.count) + 1
        (tC, length, prefix) = (T * C, Double(model.text.length), (M - 1) * T)
    }

    static func linear(_ inputs: Double, _ outputs: Double) -> Double { inputs * outputs + outputs }

    // MARK: Parameters

    /// Two norms, attention, and an MLP of 4 · C.
    var blockParameters: Double { 4 * C + Self.linear(C, 3 * C) + Self.linear(C, C) + Self.linear(C, 4 * C) + Self.linear(4 * C, C) }
    private var crossParameters: Double { 2 * Self.linear(C, C) + Self.linear(C, 2 * C) }
    private var gatherParameters: Double { tC + 2 * C + crossParameters + Self.linear(C, tC) }

    func parameters(of sense: MultimodalConfiguration.Sense) -> Double {
        let rows = Double(sense.rows), columns = Double(sense.columns), embedding = Double(sense.embedding), hidden = Double(sense.hidden)
        switch sense.encoder {
        case "patches":
            return Self.linear(columns, C) + rows * C + Double(sense.blocks) * blockParameters + gatherParameters
        case "convolution":
            return Self.linear(5 * columns, embedding) + Self.linear(3 * embedding, hidden) + Self.linear(hidden, C) + gatherParameters
        case "stem":
            return Self.linear(3 * columns, C) + halved(rows) * C + Double(sense.blocks) * blockParameters + gatherParameters
        default:
            return Self.linear(columns, embedding) + Self.linear(rows * embedding, hidden) + Self.linear(hidden, tC)
        }
    }

    var fusionParameters: Double {
        let prefix = Self.linear(C, C), head = Self.linear(J, K)
        switch model.fusion {
        case "late": return prefix + (model.combination == "learned" ? M : 0)
        case "attention": return prefix + head + M * (Self.linear(C, 1) + Self.linear(C, C)) + Self.linear(C, J)
        case "co-attention": return prefix + head + M * tC * J + directions * crossParameters
        default: return prefix + head + M * tC * J
        }
    }

    /// The number of rows after a stride of 2.
    private func halved(_ rows: Double) -> Double { ((rows - 1) / 2).rounded(.down) + 1 }

    /// The number of directions of cross-modal attention: two for every pair.
    private var directions: Double { model.pairs.isEmpty ? M * (M - 1) : 2 * Double(Set(model.pairs.map { Set($0) }).count) }

    // MARK: Activations, for one row

    /// A block over a sequence: its sums, norms, projections, and H squares of attention weights, with one more for backward.
    private func block(_ rows: Double) -> Double { 18 * rows * C + 4 * rows + (H + 1) * rows * rows }
    private func cross(_ queries: Double, _ keys: Double) -> Double { 3 * queries * C + 2 * keys * C + (H + 1) * queries * keys }
    private func gather(_ rows: Double) -> Double { 2 * rows * C + 2 * rows + C + 4 * tC + cross(T, rows) }

    func activations(of sense: MultimodalConfiguration.Sense) -> Double {
        let rows = Double(sense.rows), columns = Double(sense.columns), embedding = Double(sense.embedding), hidden = Double(sense.hidden)
        switch sense.encoder {
        case "patches":
            return 2 * rows * C + Double(sense.blocks) * block(rows) + gather(rows)
        case "convolution":
            let first = halved(rows), second = halved(first)
            return first * (5 * columns + 2 * embedding) + second * (3 * embedding + 2 * hidden + C) + gather(second)
        case "stem":
            let convolved = halved(rows)
            return convolved * (3 * columns + 3 * C) + Double(sense.blocks) * block(convolved) + gather(convolved)
        default:
            return 3 * rows * embedding + 2 * hidden + tC
        }
    }

    var fusionActivations: Double {
        let junction = M * (tC + 3 * J + 2) + 2 * J + K
        switch model.fusion {
        case "late": return M * (5 * K + 3)
        case "attention": return M * T * (8 + 4 * C) + 4 * C + 2 * J + K
        case "co-attention": return junction + M * tC + directions * (cross(T, T) + tC)
        default: return junction
        }
    }

    /// The trunk's blocks, which share the memory of gradients, and without any that of values; what each gives is kept.
    func blocks(learning: Bool) -> Double {
        let rows = prefix + length, layers = Double(model.layers)
        return learning ? (layers + 1) * block(rows) + 2 * layers * rows * C : block(rows) + layers * rows * C
    }

    /// The language trunk, besides its blocks, over the senses' prefix and the text, with the senses' part of the fusion.
    var languageActivations: Double {
        let rows = prefix + length
        let senses = 4 * prefix * C + 6 * prefix + M * K + (model.fusion == "co-attention" ? directions * (cross(T, T) + tC) : 0)
        return senses + 5 * rows * C + 2 * rows + length * (2 * Double(model.text.vocabulary) + 4)
    }
}
