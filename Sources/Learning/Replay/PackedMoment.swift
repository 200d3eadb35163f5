import Model

/// A remembered moment for a checkpoint, without its numbers, which are stored in one flat tensor for all moments: they are most of a
/// checkpoint, and JSON would be slow and large.
struct PackedMoment: Codable, Sendable {
    struct Sense: Codable, Sendable {
        var name: String
        var rows: Int
        var columns: Int
        var age: Float
        var validity: Float
    }

    var text: [Int]
    var label: Int?
    var classes: Int?
    var answer: [Int]?
    var senses: [Sense]
    var logits: Int

    /// Appends the moment's numbers to `numbers`.
    init(_ remembered: RememberedMoment, to numbers: inout [Float]) {
        let moment = remembered.moment
        (text, label, classes, answer) = (moment.text, moment.label, moment.classes, moment.answer)
        senses = []
        for (name, sense) in moment.senses.sorted(by: { $0.key < $1.key }) {
            senses.append(Sense(name: name, rows: sense.rows, columns: sense.columns, age: sense.age, validity: sense.validity))
            numbers += sense.values
        }
        logits = remembered.logits.count
        numbers += remembered.logits
    }

    /// Removes the moment's numbers from the front of `numbers`; nil if there are too few, or a shape is invalid.
    func unpacked(from numbers: inout ArraySlice<Float>) -> RememberedMoment? {
        func take(_ count: Int) -> [Float]? {
            guard count >= 0, count <= numbers.count else { return nil }
            defer { numbers = numbers.dropFirst(count) }
            return Array(numbers.prefix(count))
        }
        var inputs: [String: SenseInput] = [:]
        for sense in senses {
            let (count, overflows) = sense.rows.multipliedReportingOverflow(by: sense.columns)
            guard sense.rows >= 0, sense.columns >= 0, !overflows, let values = take(count) else { return nil }
            inputs[sense.name] = SenseInput(
                rows: sense.rows, columns: sense.columns, values: values, age: sense.age, validity: sense.validity)
        }
        guard let logits = take(logits) else { return nil }
        var moment = MomentInput(text: text, senses: inputs, label: label, classes: classes)
        moment.answer = answer
        return RememberedMoment(moment: moment, logits: logits)
    }
}
