import Statistics

/// Where the gateway listens, and the bounds of what it accepts from phones and browsers.
public struct GatewaySettings: Codable, Sendable, Equatable {
    /// The address to listen at; `0.0.0.0` is every address of this machine.
    public var address = "0.0.0.0"
    /// The port; 0: any free one.
    public var port = 7443
    /// The directory of the certificate and of the access code; empty: `runs/gateway`, and a run's own under `accrete up`.
    public var directory = ""
    /// The access codes that are accepted, of 8 characters or more; empty: one is made at the first start.
    public var codes: [String] = []
    /// The most connections at once, and of one client.
    public var maximumConnections = 256
    public var maximumClientConnections = 32
    /// The most streams of events at once; each takes a connection.
    public var maximumStreams = 64
    /// The most events that wait for one stream; beyond it the oldest are dropped.
    public var streamEvents = 256
    /// The greatest size of a request's head and of its body, in bytes.
    public var headBytes = 16_384
    public var bodyBytes = 4_194_304
    /// The most readings in one request.
    public var batchReadings = 256
    /// Seconds within which a whole request must have come.
    public var requestSeconds = 15.0
    /// The longest wait for a piece of an answer, in seconds.
    public var answerSeconds = 60.0
    /// Requests per second of one client, and how many may come at once.
    public var requestRate = 50.0
    public var requestBurst = 100.0
    /// Wrong codes of one client per minute; beyond it its requests are refused until the minute has passed.
    public var wrongCodesPerMinute = 10.0
    /// The most clients whose rates are known; the one not seen for longest is forgotten.
    public var maximumClients = 4096
    /// The most sessions, each of which belongs to the code that opened it.
    public var maximumSessions = 256
    /// The most names of labels.
    public var maximumNames = 1_024

    public init() {}

    /// Every invalid setting, by key.
    package var problems: [SettingsError] {
        var problems = RangeProblems()
        problems.require("port", port, in: 0...65_535)
        problems.require("maximumConnections", maximumConnections, in: 1...65_536)
        problems.require("maximumClientConnections", maximumClientConnections, in: 1...65_536)
        problems.require("maximumStreams", maximumStreams, in: 1...65_536)
        problems.require("streamEvents", streamEvents, in: 1...65_536)
        problems.require("headBytes", headBytes, in: 1_024...(1 << 20))
        problems.require("bodyBytes", bodyBytes, in: 1_024...(1 << 28))
        problems.require("batchReadings", batchReadings, in: 1...65_536)
        problems.require("requestSeconds", requestSeconds, in: 0.1...3600)
        problems.require("answerSeconds", answerSeconds, in: 0.1...3600)
        problems.require("requestRate", requestRate, in: 0.1...1_000_000)
        problems.require("requestBurst", requestBurst, in: 1...1_000_000)
        problems.require("wrongCodesPerMinute", wrongCodesPerMinute, in: 1...1_000_000)
        problems.require("maximumClients", maximumClients, in: 1...1_000_000)
        problems.require("maximumSessions", maximumSessions, in: 1...65_536)
        problems.require("maximumNames", maximumNames, in: 1...65_536)
        var found = problems.found
        let isShort = codes.contains { !(Self.leastCode...Self.longestCode).contains($0.utf8.count) }
        if isShort { found.append(SettingsError("codes", "a code has \(Self.leastCode) to \(Self.longestCode) bytes")) }
        if codes.count > Self.mostCodes { found.append(SettingsError("codes", "\(codes.count) are more than \(Self.mostCodes)")) }
        return found
    }

    private static let leastCode = 8, longestCode = 128, mostCodes = 256
}
