extension StringProtocol {
    /// The text on one line that shows as it is: what would end a line, move a cursor or turn the writing around is written as an escape.
    /// - Parameter limit: characters of the original that are shown; an ellipsis stands for the rest.
    public func printable(atMost limit: Int = .max) -> String {
        var text = "", shown = 0
        for scalar in unicodeScalars {
            guard shown < limit else { return text + "…" }
            shown += 1
            switch scalar {
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            default:
                switch scalar.properties.generalCategory {
                case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned:
                    text += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
                default: text.unicodeScalars.append(scalar)
                }
            }
        }
        return text
    }
}
