import Tensors

/// The input tensors of a recorded multimodal model, and how a moment is written into a row of them.
final class MultimodalInputs<S: Scalar> {
    /// The inputs of every modality.
    struct Modality {
        /// (batch), (batch·tokens), (batch, 2)
        let present: Tensor<S>, tokensPresent: Tensor<S>, condition: Tensor<S>
        let labels: Indices
    }

    /// The inputs of a sense.
    struct Sense {
        /// (batch·rows, columns), (batch, rows)
        let values: Tensor<S>, mask: Tensor<S>
        /// (batch·rows), factors of the rows, where the contributions of rows are computed; else nil. The mask has a gradient then, if the
        /// encoder multiplies by it.
        let shares: Tensor<S>?
    }

    /// In the order of the configuration: the senses, then the text.
    let modalities: [Modality]
    let senses: [Sense]
    /// (batch·words), (batch, words)
    let words: Indices, wordMask: Tensor<S>
    /// (batch·words), factors of the words' embeddings, where contributions are computed; else nil.
    let wordShares: Tensor<S>?
    /// (languageRows·length): the tokens that are read, and the token that follows each.
    let tokens: Indices, nextTokens: Indices
    /// (languageRows, prefixLength + length)
    let keyMask: Tensor<S>
    let labels: Indices
    /// The number of tokens of each row's text that are predicted, and the number of tokens that are read: of the opening, of the text, and
    /// of an answer.
    private(set) var textLengths: [Int], readLengths: [Int]
    /// The packed texts of the first rows, if the graph reads them packed.
    private(set) var packed: PackedText?

    private let configuration: MultimodalConfiguration
    let hashing: WordHashing
    private let languageRows: Int

    var length: Int { configuration.text.length }

    /// - Parameter sharing: whether rows and words have shares, inputs with gradients that are 1 until they are set.
    init(_ configuration: MultimodalConfiguration, batch: Int, languageRows: Int, sharing: Bool = false, in graph: Graph<S>) {
        self.configuration = configuration
        self.languageRows = languageRows
        let text = configuration.text
        hashing = WordHashing(buckets: text.buckets, vocabulary: text.vocabulary)
        modalities = configuration.modalities.map { _ in
            Modality(
                present: graph.input([batch]), tokensPresent: graph.input([batch * configuration.tokens]),
                condition: graph.input([batch, Perception.conditions]), labels: graph.indices(batch))
        }
        func shares(_ count: Int) -> Tensor<S>? {
            guard sharing else { return nil }
            let shares = graph.input([count], needsGradient: true)
            shares.fill(S(1))
            return shares
        }
        senses = configuration.senses.map {
            Sense(
                values: graph.input([batch * $0.rows, $0.columns]),
                mask: graph.input([batch, $0.rows], needsGradient: sharing && scalesByMask($0)), shares: shares(batch * $0.rows))
        }
        words = graph.indices(batch * text.words)
        wordMask = graph.input([batch, text.words])
        wordShares = shares(batch * text.words)
        tokens = graph.indices(max(1, languageRows) * text.length)
        nextTokens = graph.indices(max(1, languageRows) * text.length)
        keyMask = graph.input([max(1, languageRows), configuration.prefixLength + text.length])
        labels = graph.indices(batch)
        textLengths = Array(repeating: 0, count: batch)
        readLengths = textLengths
        for row in 0..<batch { set(MomentInput(), row: row, hiding: [], shifts: []) }
    }

    func isPresent(_ modality: String, row: Int) -> Bool {
        configuration.modalities.firstIndex(of: modality).map { modalities[$0].present.values[row].primal > 0 } ?? false
    }

    /// Packs texts from now on; called when the graph has been recorded.
    func begin(packing text: PackedText) {
        packed = text
        pack()
    }

    private func pack() { packed?.pack({ readLengths[$0] }, read: tokens, next: nextTokens) }

    /// - Parameter scoresText: whether the language head is evaluated on the text, in a row with language.
    @specialized(where S == Float)
    func set(_ moment: MomentInput, row: Int, hiding: Set<String>, shifts: [Int], scoresText: Bool = true) {
        labels[row] = moment.label ?? Self.none
        for (modality, name) in zip(modalities, configuration.modalities) {
            let isPresent = moment.has(name) && !hiding.contains(name)
            modality.present.values[row] = S(isPresent ? 1 : 0)
            modality.labels[row] = isPresent ? moment.label ?? Self.none : Self.none
            for token in row * configuration.tokens..<(row + 1) * configuration.tokens {
                modality.tokensPresent.values[token] = S(isPresent ? 1 : 0)
            }
            let (age, doubt) = moment.senses[name].map { Perception.conditions(age: $0.age, validity: $0.validity) } ?? (0, 0)
            modality.condition.values[2 * row] = S(isPresent ? Double(age) : 0)
            modality.condition.values[2 * row + 1] = S(isPresent ? Double(doubt) : 0)
        }
        for (index, sense) in configuration.senses.enumerated() {
            let reading = hiding.contains(sense.name) ? nil : moment.senses[sense.name]
            write(reading, to: senses[index], of: sense, row: row, shift: shifts.isEmpty ? 0 : shifts[index])
        }
        writeWords(hiding.contains(MultimodalConfiguration.textName) ? [] : moment.text, row: row)
        guard row < languageRows else { return }
        writeTokens(
            scoresText ? moment.text : [], answer: scoresText ? moment.answer : nil, row: row,
            predictsEnd: scoresText && configuration.text.endings && !moment.text.isEmpty)
        pack()
    }

    /// Sets a moment and the answer after its text, in a trunk whose texts and answers have one role; `end` may end the answer.
    /// - Returns: the positions at which the answer's tokens are predicted, counted over all rows.
    func set(_ moment: MomentInput, written: [Int], row: Int) -> Range<Int> {
        let hasEnd = written.last == configuration.turns.end
        var whole = moment
        whole.text += hasEnd ? written.dropLast() : written[...]
        set(whole, row: row, hiding: [], shifts: [])
        writeTokens(whole.text, answer: nil, row: row, predictsEnd: hasEnd)
        let start = row * length + moment.text.count
        return start..<start + written.count
    }

    /// Writes a reading row by row; rows and columns in excess are cut off, missing ones are zero, and missing rows masked.
    @inline(__always)
    private func write(
        _ reading: SenseInput?, to input: Sense, of sense: MultimodalConfiguration.Sense, row: Int, shift: Int
    ) {
        let rows = min(sense.rows, reading?.rows ?? 0), columns = min(sense.columns, reading?.columns ?? 0)
        let values = input.values.values, mask = input.mask.values
        for r in 0..<sense.rows {
            let place = (row * sense.rows + r) * sense.columns
            mask[row * sense.rows + r] = S(r < rows ? 1 : 0)
            guard let reading, r < rows else {
                for c in 0..<sense.columns { values[place + c] = .zero }
                continue
            }
            let source = ((r + shift) % rows + rows) % rows * reading.columns
            reading.values.withUnsafeBufferPointer { numbers in
                for c in 0..<columns { values[place + c] = S(Double(numbers[source + c])) }
            }
            for c in columns..<sense.columns { values[place + c] = .zero }
        }
    }

    @inline(__always)
    private func writeWords(_ text: [Int], row: Int) {
        let limit = configuration.text.words
        let buckets = hashing.buckets(of: text, limit: limit)
        for place in 0..<limit {
            words[row * limit + place] = place < buckets.count ? buckets[place] : Self.none
            wordMask.values[row * limit + place] = S(place < buckets.count ? 1 : 0)
        }
    }

    /// opening, text, answering, answer, end: the target at a position is the next token, of the text, or if there is an answer, of that.
    @inline(__always)
    private func writeTokens(_ text: [Int], answer: [Int]?, row: Int, predictsEnd: Bool) {
        let turns = configuration.turns, prefix = configuration.prefixLength, start = row * length
        let room = max(0, length - (turns.opening.count - 1))
        var answered = answer ?? []
        if answer != nil { answered = Array(answered.prefix(max(0, room - turns.answering.count - 1))) }
        let reserved = answer == nil ? 0 : min(room, turns.answering.count + answered.count + 1)
        let count = min(room - reserved, text.count)
        // If the end is predicted, a text that is not truncated is read to its last token, whose target is the end.
        let hasEnd = answer != nil ? reserved > 0 : predictsEnd && !turns.separatesRoles && text.count < room
        let answering = answer == nil ? [] : turns.answering
        let opening = turns.opening.count, textEnd = opening + count, answerStart = textEnd + answering.count
        let whole = answerStart + answered.count + (hasEnd ? 1 : 0)
        func token(_ place: Int) -> Int {
            if place < opening { return turns.opening[place] }
            if place < textEnd { return text[place - opening] }
            if place < answerStart { return answering[place - textEnd] }
            return place < answerStart + answered.count ? answered[place - answerStart] : turns.end
        }
        let isRead = count > 0 || answer != nil || hasEnd
        let readLength = isRead ? min(length, whole - 1) : 0
        textLengths[row] = answer == nil ? count : 0
        readLengths[row] = readLength
        for place in 0..<length {
            let next = place + 1
            let isTarget = answer == nil ? next >= opening : next >= answerStart
            tokens[start + place] = place < max(1, readLength) ? token(place) : turns.end
            nextTokens[start + place] = place < readLength && isTarget ? token(next) : Self.none
            keyMask.values[row * (prefix + length) + prefix + place] = S(place < max(1, readLength) ? 1 : 0)
        }
        for (index, _) in configuration.senses.enumerated() {
            for token in 0..<configuration.tokens {
                keyMask.values[row * (prefix + length) + index * configuration.tokens + token] = modalities[index].present.values[row]
            }
        }
    }

    /// The index that the cross entropy and the embedding ignore.
    private static var none: Int { -100 }
}

extension MultimodalModel {
    /// All modalities encoded, in order.
    func percepts<S>(_ inputs: MultimodalInputs<S>, in graph: Graph<S>) -> [Percept<S>] {
        let batch = inputs.labels.count
        let sensed = zip(senses, inputs.senses).map { encoder, sense in
            let values = sense.shares.map { graph.scaleRows(sense.values, by: $0) } ?? sense.values
            return encoder.encode(values, mask: sense.mask, batch: batch, in: graph)
        }
        let encoded = sensed + [words.encode(inputs.words, mask: inputs.wordMask, shares: inputs.wordShares, batch: batch, in: graph)]
        return zip(perceptions, zip(encoded, inputs.modalities)).map { perception, input in
            let (encoded, modality) = input
            return perception(
                encoded, condition: modality.condition, present: modality.present, tokensPresent: modality.tokensPresent,
                in: graph)
        }
    }

    /// Logits for the predicted tokens of the first rows' texts, (predicted tokens, vocabulary).
    func nextTokens<S>(
        _ percepts: [Percept<S>], _ inputs: MultimodalInputs<S>, _ text: PackedText, languageRows: Int, in graph: Graph<S>
    ) -> Tensor<S> {
        let senses = percepts.dropLast().map { $0.first(languageRows, tokens: configuration.tokens, in: graph) }
        var sequences = trunk.embed(text.tokens, at: text.places, in: graph)
        // Without senses, there is no prefix.
        if !senses.isEmpty {
            sequences = graph.add(sequences, graph.gatherRows(of: fusion.condition(senses, in: graph), text.prefixRows))
        }
        let read = trunk.trunk(
            sequences, packing: text.sequences, prefix: configuration.prefixLength, keyMask: inputs.keyMask, in: graph)
        return trunk.logits(graph.gatherRows(of: read, text.targetRows), in: graph)
    }

    /// The trunk's output at every position of the first rows' texts, (languageRows·length, C).
    func read<S>(_ percepts: [Percept<S>], _ inputs: MultimodalInputs<S>, languageRows: Int, in graph: Graph<S>) -> Tensor<S> {
        let senses = percepts.dropLast().map { $0.first(languageRows, tokens: configuration.tokens, in: graph) }
        let text = trunk.embed(inputs.tokens, batch: languageRows, firstPlace: 0, in: graph)
        // Without senses, there is no prefix.
        let sequence = senses.isEmpty ? text : graph.concatenateRows([fusion.condition(senses, in: graph), text], batch: languageRows)
        let prefix = configuration.prefixLength
        let read = trunk.trunk(
            sequence, batch: languageRows, prefix: prefix, keyMask: inputs.keyMask, recomputing: false, in: graph)
        return graph.sliceRows(read, prefix..<prefix + configuration.text.length, batch: languageRows)
    }
}

extension Percept {
    /// The first rows of the batch.
    fileprivate func first(_ rows: Int, tokens count: Int, in graph: Graph<S>) -> Percept {
        guard rows < batch else { return self }
        let slice = { (x: Tensor<S>, columns: Int, rows: Int) in graph.sliceRows(x.reshaped([x.count / columns, columns]), 0..<rows) }
        return Percept(
            tokens: slice(tokens, tokens.columns, rows * count), present: slice(present, 1, rows).reshaped([rows]),
            tokensPresent: slice(tokensPresent, 1, rows * count).reshaped([rows * count]),
            opinion: slice(opinion, opinion.columns, rows))
    }
}
