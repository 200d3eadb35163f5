import Schema
import StrictJSON

/// Messages as events. A number that JSON cannot represent is null.
extension JSON {
    static func finite(_ value: Double) -> JSON { value.isFinite ? .number(value) : .null }
    static func count(_ value: UInt64) -> JSON { .integer(Int(clamping: value)) }
    static func counts(_ values: [String: UInt64]) -> JSON { .object(values.mapValues(count)) }
}

extension Status {
    var json: JSON {
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
    var json: JSON {
        let best = probabilities.enumerated().sorted { $0.element > $1.element }.prefix(5)
        return .object([
            "type": "prediction", "moment": .string(moment), "session": .string(session), "ordinal": .count(ordinal),
            "version": .count(modelVersion), "label": .integer(Int(label)), "classes": .integer(probabilities.count),
            "latency": .finite(latency),
            "best": .array(best.map { ["label": .integer($0.offset), "p": .finite(Double($0.element))] }),
            "weights": .object(weights.mapValues { .finite(Double($0)) }),
            "muted": .array(contributions.muted.map { .string($0) }),
            "marginal": .object(contributions.marginal.mapValues(JSON.finite)),
            "shapley": .object(contributions.shapley.mapValues(JSON.finite)),
        ])
    }
}

extension ModelUpdate {
    var json: JSON {
        .object([
            "type": "update", "version": .count(version), "reason": .string(reason), "loss": .finite(loss),
            "watermark": .count(momentWatermark),
            "moments": .count(momentsSeen),
        ])
    }
}

extension TriggerLine {
    var json: JSON {
        .object([
            "type": "trigger", "serial": .count(serial), "rule": .string(rule), "action": .string(action), "verdict": .string(verdict),
            "note": .string(note), "ordinal": .count(ordinal),
        ])
    }
}

extension EvaluationSummary {
    var json: JSON {
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
