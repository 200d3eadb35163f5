import Schema

extension AnswerRequest {
    /// What is wrong with the request; nil if nothing is.
    var problem: String? {
        if hasTemperature, !(temperature.isFinite && temperature >= 0) { return "a temperature of \(temperature)" }
        if hasTopP, !(topP > 0 && topP <= 1) { return "a top_p of \(topP)" }
        if stops.count > Self.mostStops { return "\(stops.count) sequences that end an answer" }
        if !stops.allSatisfy({ (1...Self.stopBytes).contains($0.count) }) {
            return "a sequence that ends an answer has 1 to \(Self.stopBytes) bytes"
        }
        return nil
    }

    private static let mostStops = 4, stopBytes = 64
}
