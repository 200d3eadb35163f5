import Applications
import FilesTesting
import Statistics
import Testing

struct StudentModelTests {
}
