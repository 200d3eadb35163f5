import Testing
@testable import Signals

@Suite struct SimulatorUserTests {
    private func events(ofUser user: Int) throws -> [SessionEvent] {
        var configuration = Simulator.Configuration()
        configuration.user = user
        var simulator = try Simulator(seed: 7, configuration)
        return (0..<3).flatMap { _ in simulator.next().events }
    }

    @Test func everySecondUserTakesTheLowSoundForTheRight() throws {
        for user in 1...20 {
            let isLeftLow = TableSounds.pitch(place: 0, speaker: 0, user: user) < TableSounds.pitch(place: 1, speaker: 0, user: user)
            #expect(isLeftLow == user.isMultiple(of: 2))
        }
        #expect(TableSounds.pitch(place: 0, speaker: 1, user: 0) == TableSounds.pitch(place: 0, speaker: 1))
    }

    /// Users differ in their sounds only.
    @Test func usersSeeAndSayTheSame() throws {
        let nobody = try events(ofUser: 0), somebody = try events(ofUser: 5)
        func without(_ modality: String, _ events: [SessionEvent]) -> [SessionEvent] {
            events.filter { if case .reading(let reading) = $0 { reading.modality != modality } else { true } }
        }
        #expect(nobody != somebody)
        #expect(without("audio", nobody) == without("audio", somebody))
    }

    @Test func theSessionsOfUsersFollowOneAnother() throws {
        var configuration = Simulator.Configuration()
        (configuration.momentsPerSession, configuration.plainSessions, configuration.user) = (3, 2, 5)
        var wandering = try Simulator(seed: 7, configuration)
        var fifth = Simulator.Configuration()
        fifth.user = 5
        var nobody = try Simulator(seed: 7), somebody = try Simulator(seed: 7, fifth)
        func contents(_ events: [SessionEvent]) -> [SessionEvent.Content] {
            events.compactMap { if case .reading(let reading) = $0 { reading.content } else { nil } }
        }
        func names(_ events: [SessionEvent]) -> [String] {
            events.compactMap { if case .reading(let reading) = $0 { reading.session } else { nil } }
        }
        for number in 0..<9 {
            let (moment, plain, personal) = (wandering.next().events, nobody.next().events, somebody.next().events)
            #expect(
                names(moment).allSatisfy { $0 == "table-\(number / 3)" } && contents(moment) == contents(number < 6 ? plain : personal),
                "moment \(number)")
        }
    }
}
