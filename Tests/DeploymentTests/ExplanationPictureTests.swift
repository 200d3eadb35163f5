import Deployment
import Foundation
import Schema
import Testing

#if canImport(FoundationXML)
    import FoundationXML
#endif

@Suite struct ExplanationPictureTests {
    private var explanation: MomentExplanation {
        .with {
            ($0.moment, $0.label, $0.probabilities) = ("table/1", 1, [0.2, 0.8])
            $0.parts["image"] = .with { $0.nats = [0.5, -1, 0, 2] }
            $0.parts["audio"] = .with { $0.nats = [0.1, .nan, 0.3] }
            $0.parts["text"] = .with { ($0.nats, $0.words) = ([0.1, -0.2], ["which", "<script>&\"\u{1B}"]) }
        }
    }

    @Test func everyPartHasItsPlaceAndItsShade() throws {
        let svg = ExplanationPicture(explanation, photo: .init(format: "image/png", bytes: [1, 2, 3])).svg
        #expect(svg.contains("class 1, probability 80.0 %"))
        #expect(svg.contains("data:image/png;base64,AQID"))
        // The strongest patch, in the lower right quarter; one against the answer, half as strong, in the upper right.
        #expect(svg.contains(#"<rect class="for" x="180.0" y="232.0" width="160.0" height="160.0" fill-opacity="0.70">"#), "\(svg)")
        #expect(svg.contains(#"<rect class="against" x="180.0" y="72.0" width="160.0" height="160.0" fill-opacity="0.35">"#), "\(svg)")
        let shades = ["for", "against"].map { svg.components(separatedBy: "<rect class=\"\($0)\"").count - 1 }
        #expect(shades.reduce(0, +) == 9)
    }

    @Test func namesAreTextAndWhatIsTooLargeIsLeftOut() throws {
        let large = [UInt8](repeating: 7, count: ExplanationPicture.mostPhotoBytes + 1)
        let photos: [ExplanationPicture.Photo?] = [
            nil, .init(format: "image/png", bytes: large), .init(format: "\"><script>", bytes: [1]),
        ]
        for photo in photos {
            let svg = ExplanationPicture(explanation, photo: photo).svg
            #expect(!svg.contains("<script>") && !svg.contains("<image") && !svg.contains("\u{1B}") && !svg.contains("nan"))
            #expect(svg.contains("&lt;script&gt;"))
            #expect(XMLParser(data: Data(svg.utf8)).parse())
        }
        #expect(XMLParser(data: Data(ExplanationPicture(MomentExplanation()).svg.utf8)).parse())
    }
}
