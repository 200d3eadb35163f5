import StrictJSON

/// The pages of the gateway. They hold nothing until an access code is given.
package enum Pages {
    /// A file of a page.
    package struct Page: Sendable {
        package let type: String
        package let text: String
    }

    /// By path.
    package static let all: [String: Page] = [
        "/": Page(type: "text/html; charset=utf-8", text: phoneHTML),
        "/phone.js": Page(type: "text/javascript; charset=utf-8", text: phoneScript),
        "/watch": Page(type: "text/html; charset=utf-8", text: watchHTML),
        "/watch.js": Page(type: "text/javascript; charset=utf-8", text: watchScript),
        "/style.css": Page(type: "text/css; charset=utf-8", text: styleSheet),
    ]

    /// The page that shows a graph, in one file that needs no server, with the state of a run that has ended.
    /// - Parameter state: as the gateway's `/api/state` gives it.
    package static func recorded(_ state: JSON) -> String {
        // Nothing in the state can end the element that holds it.
        let data = state.text().replacing("<", with: "\\u003c")
        return
            watchHTML
            .replacing(#"<link rel="stylesheet" href="/style.css">"#, with: "<style>\(styleSheet)</style>")
            .replacing(#"<script src="/watch.js" defer></script>"#, with: "")
            .replacing(
                "</body>",
                with: #"<script type="application/json" id="recorded">"# + data + "</script>\n<script>\(watchScript)</script>\n</body>")
    }
}
