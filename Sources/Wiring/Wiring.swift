import Foundation
import Messaging
import Pipeline
import Schema

/// The edges of the process graph in one place: the subscriptions and endpoints of every stage.
///
/// All functions take the environment's variables, which decide the runtime directory, and throw `MessagingError` for an endpoint that
/// is invalid on this machine.
extension StageSettings {
    /// The options that all stages of these settings share.
    public var stageOptions: StageOptions {
        var options = StageOptions(mode: mode)
        options.limits = mode == .live ? messaging : messaging.lossless
        // In live mode a tick releases what has waited long enough; in lockstep only the message that is waited for does.
        options.tickInterval = .milliseconds(mode == .live ? 2 : 20)
        options.patience = .seconds(lockstep.patience)
        return options
    }

    /// The subscriptions of ingest, which is bound: publishers connect.
    /// - Parameter hasJournal: whether publishers are acknowledged too.
    public func ingestSubscriptions(_ environment: [String: String], hasJournal: Bool = false) throws -> [Subscription] {
        let topics = [Topics.sensor.prefix, Topics.cut.prefix, Topics.feedback.prefix, Topics.explain.prefix]
        let sensors = Subscription(try named(endpoints.sensors, environment), topics: topics, attachment: .bind)
        guard hasJournal else { return [sensors] }
        let acknowledged = Subscription(try named(endpoints.acknowledged, environment), topics: [], attachment: .answer)
        guard mode == .live else { return [sensors, acknowledged] }
        return [sensors, acknowledged, Subscription(try first(endpoints.fuse, environment), topics: [Topics.coverage.only.name])]
    }

    /// In lockstep, the number of subscribers, by topic, that ingest waits for before it receives anything.
    public var ingestAwaits: [String: Int] {
        Dictionary(extracted.map { ("sample.\($0)/", 1) } + [(Topics.feedback.prefix, 1)], uniquingKeysWith: { first, _ in first })
    }

    /// In lockstep, the number of subscribers, by topic, that an extractor waits for; none where the model has no such sense.
    public func extractAwaits(_ modality: String) -> [String: Int] { extracted.contains(modality) ? ["feature.\(modality)/": 1] : [:] }

    /// The subscriptions of one modality's extractor.
    public func extractSubscriptions(_ modality: String, _ environment: [String: String]) throws -> [Subscription] {
        [Subscription(try first(endpoints.ingest, environment), topics: [try Topics.sample(modality).name])]
    }

    /// The subscriptions of fuse: feedback, features of every modality, models, policies and what was ordered.
    public func fuseSubscriptions(_ environment: [String: String]) throws -> [Subscription] {
        var list = [Subscription(try first(endpoints.ingest, environment), topics: [Topics.feedback.prefix, Topics.explain.prefix])]
        for modality in extracted {
            list.append(Subscription(try first(endpoints.extract, environment, modality), topics: [try Topics.feature(modality).name]))
        }
        list.append(
            Subscription(
                try first(endpoints.learn, environment),
                topics: modelTopics + [Topics.memoryUpdate.prefix, Topics.policyUpdate.prefix, Topics.orderAnswer.prefix]))
        if answersSubscribers { list.append(try questions(environment, .ask)) }
        return list
    }

    /// The subscriptions of learn: moments, and orders and subscribers' questions, for which it is bound.
    public func learnSubscriptions(_ environment: [String: String]) throws -> [Subscription] {
        [
            Subscription(try first(endpoints.fuse, environment), topics: [Topics.moment.prefix]),
            Subscription(try named(endpoints.orders, environment), topics: [Topics.order.prefix], attachment: .bind, access: .order),
        ] + (answersSubscribers ? [try questions(environment, .answer)] : [])
    }

    /// The endpoint at which the learner answers, or is asked.
    private func questions(_ environment: [String: String], _ attachment: Subscription.Attachment) throws -> Subscription {
        let all = try named(endpoints.updates, environment)
        return Subscription(attachment == .ask ? Array(all.prefix(1)) : all, topics: [], attachment: attachment, access: .subscribe)
    }

    /// The endpoints at which an operator's orders reach the learner.
    public func orders(_ environment: [String: String]) throws -> [Endpoint] { try first(endpoints.orders, environment) }

    /// The subscriptions of evaluate: moments and models.
    public func evaluateSubscriptions(_ environment: [String: String]) throws -> [Subscription] {
        [
            Subscription(try first(endpoints.fuse, environment), topics: [Topics.moment.prefix]),
            Subscription(try first(endpoints.learn, environment), topics: modelTopics),
        ] + (answersSubscribers ? [try questions(environment, .ask)] : [])
    }

    /// The topics of model updates, with sessions' own adapters where they are enabled.
    private var modelTopics: [String] {
        [Topics.modelUpdate.prefix] + (answersSubscribers ? [Topics.modelDelta.prefix, Topics.modelRelease.prefix] : [])
            + (sessionsAdapt ? [Topics.sessionUpdate.prefix] : [])
    }

    /// The first publishing endpoint of every stage, for tools that monitor the graph.
    public func allEndpoints(_ environment: [String: String]) throws -> [Endpoint] {
        let single = try [endpoints.learn, endpoints.evaluate, endpoints.fuse, endpoints.ingest, endpoints.play].flatMap {
            try first($0, environment)
        }
        return try single + extracted.flatMap { try first(endpoints.extract, environment, $0) }
    }

    /// The endpoints at which publishers on this host reach ingest.
    public func sensors(_ environment: [String: String]) throws -> [Endpoint] {
        try first(endpoints.sensors.reversed(), environment).map(\.onThisHost)
    }

    /// The endpoints at which the evaluator publishes its progress.
    public func evaluatorEndpoints(_ environment: [String: String]) throws -> [Endpoint] { try first(endpoints.evaluate, environment) }

    /// The endpoints of a stage, to be bound by it.
    /// - Parameters:
    ///   - list: a section of `endpoints`.
    ///   - modality: replaces `{modality}`.
    public func publishingEndpoints(_ list: [String], _ environment: [String: String], modality: String = "") throws -> [Endpoint] {
        try named(list, environment, modality)
    }

    /// The endpoint that subscribers use: the first of those that a stage is bound at.
    private func first(_ list: [String], _ environment: [String: String], _ modality: String = "") throws -> [Endpoint] {
        Array(try named(list, environment, modality).prefix(1))
    }

    private func named(_ list: [String], _ environment: [String: String], _ modality: String = "") throws -> [Endpoint] {
        try endpoints.resolved(list, modality: modality, environment: environment).map { try Endpoint($0) }
    }
}
