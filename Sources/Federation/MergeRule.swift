import Statistics

/// How numbers of several participants become one.
public enum MergeRule: String, Choice {
    /// The mean, each weighted by how much it has learned: FedAvg.  McMahan et al. 2017, https://arxiv.org/abs/1602.05629
    case mean
    /// The median: less than half of the participants cannot move it beyond what the others say.  Yin et al. 2018,
    /// https://arxiv.org/abs/1803.01498
    case median
    /// The mean without the greatest and the least numbers, a share of the participants at each end.  Yin et al. 2018, as above.
    case trimmed

    /// One number of many.
    /// - Parameters:
    ///   - numbers: at least one, with the weight of each; they are sorted.
    ///   - trim: the share that `trimmed` leaves out at each end, below 0.5.
    func merge(_ numbers: inout [(value: Float, weight: Double)], trim: Double) -> Float {
        switch self {
        case .mean:
            var sum = 0.0, weights = 0.0
            for one in numbers {
                sum += one.weight * Double(one.value)
                weights += one.weight
            }
            return Float(sum / weights)
        case .median:
            numbers.sort { $0.value < $1.value }
            let middle = numbers.count / 2
            return numbers.count % 2 == 1 ? numbers[middle].value : 0.5 * numbers[middle - 1].value + 0.5 * numbers[middle].value
        case .trimmed:
            numbers.sort { $0.value < $1.value }
            let cut = min(Int((trim * Double(numbers.count)).rounded(.up)), (numbers.count - 1) / 2)
            let rest = numbers[cut..<numbers.count - cut]
            return Float(rest.reduce(0) { $0 + Double($1.value) } / Double(rest.count))
        }
    }
}
