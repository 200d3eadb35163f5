import Presentation
import Schema
import StrictJSON
import Testing

@testable import Deployment

struct RecordedPageTests {
    @Test func aRunThatHasEndedIsShownWithItsCourse() throws {
        var record = RunRecord()
        record.take(Status.with { ($0.stage, $0.modelVersion) = ("</script><b>", 7) })
        for ordinal in 1...1000 as ClosedRange<UInt64> {
            record.take(
                EvaluationSummary.with {
                    ($0.watermark, $0.moments) = (ordinal, ordinal)
                    $0.running = [.with { ($0.name, $0.labelled, $0.classNll) = ("model", ordinal, 1.5) }]
                })
        }
        record.take(Verdict.with { ($0.decision, $0.reason, $0.version) = ("refused", "worse", 3) })
        let page = record.page, course = try #require(page["course"]?.array)
        #expect(course.count == 200 && course.last?["moments"] == 1000 && course.last?["frozen"] == .null)
        #expect(abs(try #require(course.last?["model"]?.double) - 1.5) < 1e-9)
        #expect(page["verdict"]?["decision"] == "refused" && page["scores"]?["moments"] == 1000)
        let html = Pages.recorded(page)
        #expect(!html.contains("</script><b>") && html.contains(#"\u003c/script>\u003cb>"#), "a name cannot end the element")
        #expect(!html.contains(#"src=""#) && !html.contains(#"href="/style.css""#), "it needs no server")
        let data = try #require(html.firstMatch(of: /id="recorded">(.*)<\/script>/)).output.1
        #expect(try JSON(parsing: Array(String(data).utf8)) == page)
    }
}
