import Schema
import Testing

struct TopicTests {
    @Test func noTopicIsAPrefixOfAnother() throws {
        let one = try Topics.sensor("image", "cam1").name
        let ten = try Topics.sensor("image", "cam10").name
        #expect(one == "sensor.image.cam1/")
        #expect(!ten.hasPrefix(one))
    }

    @Test func everyFamilyKnowsItsOwnNamesOnly() throws {
        let names = [
            try Topics.sensor("image", "camera").name, try Topics.cut("s1").name, try Topics.feedback("s1").name,
            try Topics.sample("audio").name, try Topics.feature("text").name, try Topics.moment("s1").name,
            try Topics.prediction("s1").name, try Topics.action("s1").name, try Topics.reliability("s1").name,
            try Topics.explain("s1").name, try Topics.explanation("s1").name, try Topics.answer("s1").name, try Topics.modelUpdate().name,
            try Topics.memoryUpdate().name, try Topics.policyUpdate().name, try Topics.sessionUpdate("s1").name,
            try Topics.modelVerdict().name,
            try Topics.triggerLedger().name,
            try Topics.order("learn").name, try Topics.orderAnswer("learn").name,
            try Topics.evaluationSummary().name, try Topics.evaluationProgress().name, try Topics.evaluationDomains().name,
            try Topics.status("extract-image").name, try Topics.greeting("imu").name, try Topics.acknowledgement("imu").name,
            try Topics.coverage().name,
            try Topics.modelDelta().name, try Topics.modelRelease().name, try Topics.updateRequest("tablet").name,
            try Topics.updateAnswer("tablet").name,
        ]
        #expect(names.count == Topics.all.count, "a new topic needs a name of its own here, in the place that it has in Topics.all")
        for (name, family) in zip(names, Topics.all) {
            #expect(Topics.all.filter { $0.components(of: name) != nil }.map(\.name) == [family.name])
            #expect(name.hasPrefix(family.prefix))
        }
        #expect(Topics.sensor.components(of: "sensor.image.camera/") == ["image", "camera"])
        #expect(Topics.sensor.pattern == "sensor.<modality>.<source>/")
    }

    @Test(arguments: [
        "sensor.image/", "sensor.image.camera", "sensor.image.a.b/", "sensor..x/", "model.update", "", "/", "sensor.im age.x/",
    ])
    func whatIsNoTopicBelongsToNoFamily(name: String) {
        #expect(Topics.family(of: name) == nil)
    }

    @Test(arguments: ["", "a.b", "a/b", "ä", "two words", String(repeating: "x", count: 65)])
    func badComponentsAreRefused(component: String) {
        let error = #expect(throws: TopicError.self) { try Topics.moment(component) }
        #expect(error?.component == component)
        #expect(error?.parameter == "session")
    }
}
