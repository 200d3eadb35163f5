import Schema
import StrictJSON

/// Messages as events. A number that JSON cannot represent is null.
extension JSON {
    package static func finite(_ value: Double) -> JSON { value.isFinite ? .number(value) : .null }
    package static func count(_ value: UInt64) -> JSON { .integer(Int(clamping: value)) }
    package static func counts(_ values: [String: UInt64]) -> JSON { .object(values.mapValues(count)) }
}

extension Status {
    package var json: JSON {
        .object([
            "process": .count(process), "received": .counts(received), "sent": .counts(sent), "drops": .counts(drops),
            "gaps": .counts(gaps),
            "version": .count(modelVersion), "memory": .count(peakMemory), "last": .bool(last), "time": .integer(Int(stamp.time)),
            "gauges": .object(gauges.mapValues(JSON.finite)),
            "latency": .object(
                latency.mapValues {
                    ["count": .count($0.count), "p50": .finite($0.p50), "p90": .finite($0.p90), "p99": .finite($0.p99)]
                }),
        ])
    }
}

extension Prediction {
    /// With the five most probable classes.
    /// - Parameters:
    ///   - picture: the number of the picture that its moment has shown; nil where it has none.
    ///   - words: what was said in its moment.
    package func json(picture: Int?, words: String) -> JSON {
        func rank(_ probability: Float) -> Float { probability.isNaN ? -1 : probability }
        let best = probabilities.enumerated().sorted { rank($0.element) > rank($1.element) }.prefix(5)
        return .object([
            "type": "prediction", "moment": .string(moment), "session": .string(session), "ordinal": .count(ordinal),
            "version": .count(modelVersion), "label": .integer(Int(label)), "classes": .integer(probabilities.count),
            "latency": .finite(latency),
            "best": .array(best.map { ["label": .integer($0.offset), "p": .finite(Double($0.element))] }),
            "confidence": .finite(Double(confidence)), "unsure": .bool(unsure),
            "picture": picture.map { .integer($0) } ?? .null, "words": .string(words), "recalled": .finite(Double(recalled)),
            "weights": .object(weights.mapValues { .finite(Double($0)) }),
            "muted": .array(contributions.muted.map { .string($0) }),
            "marginal": .object(contributions.marginal.mapValues(JSON.finite)),
            "shapley": .object(contributions.shapley.mapValues(JSON.finite)),
        ])
    }
}

extension ModelUpdate {
    package var json: JSON {
        .object([
            "type": "update", "version": .count(version), "reason": .string(reason), "loss": .finite(loss),
            "watermark": .count(momentWatermark),
            "moments": .count(momentsSeen),
        ])
    }
}

extension TriggerLine {
    package var json: JSON {
        .object([
            "type": "trigger", "serial": .count(serial), "rule": .string(rule), "action": .string(action), "verdict": .string(verdict),
            "note": .string(note), "ordinal": .count(ordinal),
        ])
    }
}

extension EvaluationSummary {
    /// The losses of labels over the newest moments; null where none of them has a label.
    package var losses: JSON {
        func loss(_ name: String) -> JSON { window.first { $0.name == name && $0.labelled > 0 }.map { .finite($0.classNll) } ?? .null }
        return ["moments": .count(moments), "model": loss("model"), "frozen": loss("frozen")]
    }

    package var json: JSON {
        func scores(_ list: [Scores]) -> JSON {
            .object(
                Dictionary(
                    list.map {
                        (
                            $0.name,
                            [
                                "labelled": .count($0.labelled), "accuracy": .finite($0.accuracy), "loss": .finite($0.classNll),
                                "bits": .finite($0.bitsPerByte),
                            ]
                        )
                    }, uniquingKeysWith: { $1 }))
        }
        return .object([
            "moments": .count(moments), "version": .count(modelVersion), "running": scores(running), "window": scores(window),
        ])
    }
}
