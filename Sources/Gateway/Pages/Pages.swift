/// What is served without an access code: pages that hold nothing until a code is given.
enum Pages {
    /// A file of a page.
    struct Page: Sendable {
        let type: String
        let text: String
    }

    /// By path.
    static let all: [String: Page] = [
        "/": Page(type: "text/html; charset=utf-8", text: phoneHTML),
        "/phone.js": Page(type: "text/javascript; charset=utf-8", text: phoneScript),
        "/watch": Page(type: "text/html; charset=utf-8", text: watchHTML),
        "/watch.js": Page(type: "text/javascript; charset=utf-8", text: watchScript),
        "/style.css": Page(type: "text/css; charset=utf-8", text: styleSheet),
    ]
}
