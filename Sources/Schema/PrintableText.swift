extension StringProtocol {
    /// The text on one line, safe to print: line breaks, control characters and changes of the writing direction are escaped.
    /// - Parameter limit: the maximal number of scalars of the original; an ellipsis replaces the rest.
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
