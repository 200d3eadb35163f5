import Model

extension AV3MNISTData {
    /// The order of samples, with the columns of the manifest that give the order and the domain.
    enum Order: String {
        case classinc, speaker

        var columns: (position: String, domain: String) {
            switch self {
            case .classinc: ("pos_classinc", "split5_task")
            case .speaker: ("pos_speaker", "speaker")
            }
        }
    }

    /// A moment with its domain and its place in the file.
    struct Placed {
        var input: MomentInput
        var domain: String
        var sample: Int
    }

    func moments(in order: Order) throws -> [Placed] {
        let places = samples.enumerated().map { ($0.element.fields[order.columns.position].flatMap(Int.init) ?? $0.offset, $0.offset) }
        return try places.sorted(by: <).map { _, index in
            Placed(input: try moment(samples[index]), domain: samples[index].fields[order.columns.domain] ?? "", sample: index)
        }
    }
}
