import Model
import Safetensors
import StrictJSON
import Tensors

/// Compares a language model with the results of an independent implementation with the same weights: logits, loss, all gradients,
/// and the parameters after several steps of each optimiser.
///
/// Adam divides a gradient by its own size, so where the true gradient is zero (a key's bias changes all scores of a row equally) the
/// step consists of rounding errors only. Numbers whose expected gradient is below 1e-6 of its tensor's norm therefore do not count
/// in Adam's relative differences.
public struct ModelVerification: Sendable {
    /// The difference between found and expected numbers of one kind.
    public struct Difference: Sendable {
        /// `logits`, `loss`, `gradients`, or an optimiser's name.
        public let kind: String
        /// The largest difference of any number.
        public internal(set) var absolute = 0.0
        /// The largest of ‖found − expected‖ / ‖expected‖ over tensors.
        public internal(set) var relative = 0.0
        /// The tensor with the largest relative difference.
        public internal(set) var tensor = ""
        /// The largest relative difference that rounding can cause.
        public let tolerance: Double
        /// Whether the relative difference is within the tolerance.
        public var agrees: Bool { relative <= tolerance }
    }

    /// The differences of every kind.
    public let differences: [Difference]
    /// Whether all differences are within their tolerances.
    public var agrees: Bool { differences.allSatisfy(\.agrees) }

    /// Computes everything and compares.
    ///
    /// - Parameters:
    ///   - directory: the model's directory or GGUF file.
    ///   - expected: a safetensors file with `input_ids`, `labels`, `logits`, `loss`, `grad.NAME` and, for each optimiser OPT,
    ///     `OPT.losses` and `OPT.NAME`; if there is any OPT, a `.json` file of the same name has their settings under `optimisers`.
    ///   - team: the threads that compute.
    /// - Throws: an error if a file cannot be opened or does not fit.
    public init(model directory: String, expected file: String, team: Team = .solo) throws {
        let opened = try TrunkModel(path: directory)
        let (model, parameters) = (opened.trunk, opened.parameters)
        let fixture = try Fixture(file, model)
        let graph = Graph(parameters: parameters, team: team)
        let text = model.languageModel(batch: fixture.batch, time: fixture.time, in: graph)
        text.ids.set(fixture.ids)
        text.targets.set(fixture.targets)
        graph.forward()
        graph.backward(from: text.loss)

        var logits = Difference(kind: "logits", tolerance: 1e-4)
        try logits.compare(
            text.logits.values, fixture.archive.tensor("logits", shape: [fixture.batch, fixture.time, model.vocabularySize]))
        var loss = Difference(kind: "loss", tolerance: 1e-4)
        try loss.compare(text.loss.values, fixture.archive.tensor("loss", shape: []))
        var gradients = Difference(kind: "gradients", tolerance: 1e-3)
        for parameter in graph.gradients.layout.parameters {
            try gradients.compare(graph.gradients[parameter.name], fixture.tensor("grad", parameter))
        }
        let start = parameters.copy()
        differences =
            try [logits, loss, gradients]
            + fixture.optimizers.map { name, rule in
                parameters.assign(from: start)
                let optimizer = Optimizer(rule, parameters: parameters, gradients: graph.gradients, team: team)
                var after = Difference(kind: name, tolerance: 1e-4)
                let losses = try fixture.archive.tensor("\(name).losses")
                var found: [Float] = []
                for _ in 0..<losses.count {
                    graph.forward()
                    graph.backward(from: text.loss)
                    found.append(text.loss.value)
                    optimizer.step()
                }
                try found.withUnsafeMutableBufferPointer { try after.compare($0, losses) }
                for parameter in parameters.layout.parameters {
                    try after.compare(
                        parameters[parameter.name], fixture.tensor(name, parameter),
                        following: rule is AdaptiveRule ? fixture.tensor("grad", parameter) : nil)
                }
                return after
            }
    }
}

extension ModelVerification.Difference {
    /// - Parameter gradient: if given, numbers whose gradient is a rounding error do not count in the relative difference.
    fileprivate mutating func compare(
        _ found: UnsafeMutableBufferPointer<Float>, _ tensor: StoredTensor, following gradient: StoredTensor? = nil
    ) throws {
        let expected = try tensor.doubles()
        let gradient = try gradient?.doubles()
        let rounding = 1e-6 * (gradient ?? []).reduce(0) { $0 + $1 * $1 }.squareRoot()
        var difference = 0.0, norm = 0.0
        for (i, b) in expected.enumerated() {
            let d = abs(Double(found[i]) - b)
            absolute = d.isNaN ? .infinity : max(absolute, d)
            if d.isFinite, let gradient, abs(gradient[i]) <= rounding { continue }
            difference += d * d
            norm += b * b
        }
        let ratio = norm > 0 ? (difference / norm).squareRoot() : difference.squareRoot()
        if self.tensor.isEmpty || !(ratio <= relative) {
            relative = ratio.isNaN ? .infinity : ratio
            self.tensor = tensor.name
        }
    }
}

/// The reference file.
private struct Fixture {
    let archive: TensorArchive
    let batch: Int
    let time: Int
    let ids: [Int]
    let targets: [Int]
    let optimizers: [(name: String, rule: any UpdateRule)]
    private let model: any Trunk

    init(_ file: String, _ model: any Trunk) throws {
        archive = try TensorArchive(mapping: file)
        self.model = model
        let ids = try archive.tensor("input_ids")
        func refuse(_ tensor: String, _ problem: String) -> SafetensorsError {
            SafetensorsError(file, .badEntry(tensor: tensor, problem: problem))
        }
        guard ids.shape.count == 2, ids.count > 0 else { throw refuse("input_ids", "has shape \(ids.shape), not batch and time") }
        (batch, time) = (ids.shape[0], ids.shape[1])
        guard time <= model.positions else {
            throw refuse("input_ids", "is longer than the model's \(model.positions) positions")
        }
        // The file must hold logits of the model's size before they are computed.
        _ = try archive.tensor("logits", shape: [batch, time, model.vocabularySize])
        self.ids = try ids.integers()
        targets = try archive.tensor("labels", shape: ids.shape).integers()
        let vocabulary = 0..<model.vocabularySize
        if let stray = self.ids.first(where: { !vocabulary.contains($0) }) {
            throw refuse("input_ids", "has the token \(stray) of \(vocabulary.count)")
        }
        if let stray = targets.first(where: { $0 != -100 && !vocabulary.contains($0) }) {
            throw refuse("labels", "has the token \(stray) of \(vocabulary.count)")
        }
        let names = archive.names.filter { $0.hasSuffix(".losses") }.map { String($0.dropLast(".losses".count)) }.sorted()
        if let name = names.first(where: ["logits", "loss", "gradients"].contains) {
            throw refuse("\(name).losses", "is not an optimiser's")
        }
        optimizers = names.isEmpty ? [] : try Self.rules(names, settingsOf: file)
    }

    func tensor(_ kind: String, _ parameter: Parameter) throws -> StoredTensor {
        let plain = "\(kind).\(parameter.name)"
        return try archive[plain] == nil
            ? archive.tensor("\(kind).\(model.savedName(of: parameter.name))", shape: parameter.shape)
            : archive.tensor(plain, shape: parameter.shape)
    }

    private static func rules(_ names: [String], settingsOf file: String) throws -> [(String, any UpdateRule)] {
        let path = (file.hasSuffix(".safetensors") ? String(file.dropLast(".safetensors".count)) : file) + ".json"
        let settings = try JSON(file: path)
        return try names.map { name in
            guard let optimizer = settings["optimisers"]?[name]?.object else {
                throw CheckpointError.configuration(file: path, key: "optimisers.\(name)", "is missing, but \(file) has its results")
            }
            return (name, try rule(optimizer, path, "optimisers.\(name)"))
        }
    }

    /// An optimiser by PyTorch's name and arguments (timm's for LAMB), with their defaults.
    private static func rule(_ settings: [String: JSON], _ file: String, _ key: String) throws -> any UpdateRule {
        func refuse(_ setting: String, _ problem: String) -> CheckpointError {
            .configuration(file: file, key: "\(key).\(setting)", problem)
        }
        func number(_ name: String, _ fallback: Double) throws -> Double {
            guard let given = settings[name], given != .null else { return fallback }
            guard let value = given.double else { throw refuse(name, "is \(given.text()), not a number") }
            return value
        }
        var known: Set = ["cls", "lr", "weight_decay"]
        let name = settings["cls"]?.string ?? ""
        let rule: any UpdateRule
        switch name {
        case "SGD":
            known.formUnion(["momentum", "nesterov"])
            var sgd = MomentumRule(
                learningRate: try number("lr", 1e-3), momentum: try number("momentum", 0), nesterov: settings["nesterov"]?.bool ?? false)
            sgd.weightDecay = try number("weight_decay", 0)
            rule = sgd
        case "Adam", "AdamW", "Lamb":
            known.formUnion(["betas", "eps"])
            let isLamb = name == "Lamb"
            var adam = AdaptiveRule(
                learningRate: try number("lr", 1e-3), epsilon: try number("eps", isLamb ? 1e-6 : 1e-8),
                weightDecay: try number("weight_decay", name == "Adam" ? 0 : 0.01), decoupled: name == "AdamW", trust: isLamb)
            if let betas = settings["betas"] {
                guard let pair = betas.array?.map(\.double), pair.count == 2, let beta1 = pair[0], let beta2 = pair[1] else {
                    throw refuse("betas", "is \(betas.text()), not two numbers")
                }
                (adam.beta1, adam.beta2) = (beta1, beta2)
            }
            if isLamb {
                known.insert("max_grad_norm")
                adam.clipNorm = settings["max_grad_norm"] == .null ? 0 : try number("max_grad_norm", 1)
            }
            rule = adam
        default: throw refuse("cls", "is \(settings["cls"]?.text() ?? "missing"); known are SGD, Adam, AdamW, Lamb")
        }
        if let stray = settings.keys.filter({ !known.contains($0) }).min() { throw refuse(stray, "is not known") }
        do { try rule.validate() } catch { throw CheckpointError.configuration(file: file, key: key, "\(error)") }
        return rule
    }
}
