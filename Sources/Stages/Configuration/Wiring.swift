import Foundation
import Messaging
import Pipeline
import Schema
import Signals

/// Who listens to whom: the edges of the process graph, in one place.
extension Settings {
    public var stageOptions: StageOptions {
        var options = StageOptions(mode: mode)
        options.limits = mode == .live ? messaging : messaging.lossless
        // Live, what has waited long enough goes on at a tick; in lockstep everything goes on with the message that it waits for.
        options.tickInterval = .milliseconds(mode == .live ? 2 : 20)
        options.patience = .seconds(lockstep.patience)
        return options
    }

    /// Ingest is bound where publishers connect.
    public func ingestHears(_ environment: [String: String]) throws -> [Subscription] {
        [
            Subscription(
                try named(endpoints.sensors, environment),
                topics: [Topics.sensor.prefix, Topics.cut.prefix, Topics.feedback.prefix, Topics.explain.prefix], attachment: .bind)
        ]
    }

    /// Who must be there before ingest lets anything in, in lockstep.
    public var ingestAwaits: [String: Int] {
        Dictionary(extracted.map { ("sample.\($0)/", 1) } + [(Topics.feedback.prefix, 1)], uniquingKeysWith: { first, _ in first })
    }

    /// Who must be there before an extractor lets anything in, in lockstep: nobody, where the model has no such sense.
    public func extractAwaits(_ modality: String) -> [String: Int] { extracted.contains(modality) ? ["feature.\(modality)/": 1] : [:] }

    public func extractHears(_ modality: String, _ environment: [String: String]) throws -> [Subscription] {
        [Subscription(try first(endpoints.ingest, environment), topics: [try Topics.sample(modality).name])]
    }

    public func fuseHears(_ environment: [String: String]) throws -> [Subscription] {
        var list = [Subscription(try first(endpoints.ingest, environment), topics: [Topics.feedback.prefix, Topics.explain.prefix])]
        for modality in extracted {
            list.append(Subscription(try first(endpoints.extract, environment, modality), topics: [try Topics.feature(modality).name]))
        }
        list.append(Subscription(try first(endpoints.learn, environment), topics: modelTopics + [Topics.policyUpdate.prefix]))
        return list
    }

    public func learnHears(_ environment: [String: String]) throws -> [Subscription] {
        [
            Subscription(try first(endpoints.fuse, environment), topics: [Topics.moment.prefix]),
            Subscription(try named(endpoints.orders, environment), topics: [Topics.order.prefix], attachment: .bind),
        ]
    }

    /// Where an operator's orders reach the learner.
    public func orders(_ environment: [String: String]) throws -> [Endpoint] { try first(endpoints.orders, environment) }

    public func evaluateHears(_ environment: [String: String]) throws -> [Subscription] {
        [
            Subscription(try first(endpoints.fuse, environment), topics: [Topics.moment.prefix]),
            Subscription(try first(endpoints.learn, environment), topics: modelTopics),
        ]
    }

    /// What tells of the model: sessions' own adapters too, where they have some.
    private var modelTopics: [String] { [Topics.modelUpdate.prefix] + (personal.enabled ? [Topics.sessionUpdate.prefix] : []) }

    /// Where every stage tells what it tells; for tools that look on.
    public func allEndpoints(_ environment: [String: String]) throws -> [Endpoint] {
        let single = try [endpoints.learn, endpoints.evaluate, endpoints.fuse, endpoints.ingest, endpoints.play].flatMap {
            try first($0, environment)
        }
        return try single + extracted.flatMap { try first(endpoints.extract, environment, $0) }
    }

    /// Where publishers on this host reach ingest.
    public func sensors(_ environment: [String: String]) throws -> [Endpoint] {
        try first(endpoints.sensors.reversed(), environment).map(\.onThisHost)
    }

    /// Where the evaluator tells how far it is.
    func evaluateTells(_ environment: [String: String]) throws -> [Endpoint] { try first(endpoints.evaluate, environment) }

    public func tells(_ list: [String], _ environment: [String: String], modality: String = "") throws -> [Endpoint] {
        try named(list, environment, modality)
    }

    /// A listener takes the first of the endpoints that a stage is bound at.
    private func first(_ list: [String], _ environment: [String: String], _ modality: String = "") throws -> [Endpoint] {
        Array(try named(list, environment, modality).prefix(1))
    }

    private func named(_ list: [String], _ environment: [String: String], _ modality: String = "") throws -> [Endpoint] {
        try endpoints.resolved(list, modality: modality, environment: environment).map { try Endpoint($0) }
    }
}
