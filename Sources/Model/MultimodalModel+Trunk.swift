import Layers
import Statistics
import Tensors

/// The language trunk of a multimodal model: one of our own, or a pretrained one.
extension MultimodalConfiguration {
    /// Whether the trunk is a pretrained model of any family, opened from its files.
    public var isPretrained: Bool { !trunk.isEmpty }

    /// The tokens around texts and answers.
    public var turns: TurnTokens { text.turns ?? TurnTokens(opening: [text.vocabulary - 1], end: text.vocabulary - 1) }

    /// The adapters of a trunk's projections; nil if there are none.
    func adapters(of trunk: any Trunk) -> Adapters? {
        adapterRank > 0 ? Adapters(rank: adapterRank, alpha: adapterAlpha, projections: trunk.usualTargets) : nil
    }

    /// Why the pretrained trunk does not fit the other settings, nil if it does.
    public func problem(with pretrained: any Trunk) -> SettingsError? {
        for (key, ours, theirs) in [
            ("width", width, pretrained.width), ("layers", layers, pretrained.layers),
            ("text.vocabulary", text.vocabulary, pretrained.vocabularySize),
        ] where ours != theirs {
            return SettingsError(key, "is \(ours), but that of \(trunk) is \(theirs)")
        }
        if prefixLength + text.length > pretrained.positions {
            return SettingsError(
                "text.length",
                "\(text.length) and a prefix of \(prefixLength) are more than the \(pretrained.positions) positions of \(trunk)")
        }
        if pretrained.decoding.window != nil, !senses.isEmpty {
            return SettingsError("trunk", "\(trunk) attends within a sliding window, which hides the senses' prefix; use no senses")
        }
        return nil
    }

    /// Sets the sizes that follow from a pretrained trunk.
    /// - Parameter isSet: whether a key was given.
    public mutating func follow(_ files: TrunkFiles, unless isSet: (String) -> Bool) {
        if !isSet("width") { width = files.trunk.width }
        if !isSet("layers") { layers = files.trunk.layers }
        if !isSet("heads") { heads = files.trunk.decoding.heads }
        if !isSet("text.vocabulary") { text.vocabulary = files.trunk.vocabularySize }
    }
}

extension MultimodalModel {
    /// Copies the weights of a pretrained trunk's files into a store.
    /// - Throws: the error of reading them.
    public func loadTrunk(into store: ParameterStore<Float>) throws {
        guard let files else { return }
        for parameter in trunk.parameters where store.layout[parameter.name] != nil && !Adapters.contains(parameter) {
            try files.weights.copy(parameter, into: store[parameter.name])
        }
    }

    /// The adapters of the trunk's projections; nil if there are none.
    public var adapters: Adapters? { files == nil ? nil : configuration.adapters(of: trunk) }

    /// Whether a parameter belongs to the language trunk.
    public func isTrunk(_ parameter: Parameter) -> Bool { trunk.role(of: parameter) != nil }

    /// Whether a parameter learns: all outside the trunk do; of the trunk's, those in the scope, none if it is nil.
    public func learns(_ parameter: Parameter, trunk scope: LearningScope?) -> Bool {
        guard isTrunk(parameter) else { return true }
        return scope?.learns(parameter, in: trunk) ?? false
    }
}
