// swift-tools-version: 6.1
import PackageDescription

// The floors of the house, bottom-up: a module imports only from modules above it in this file.
// Two towers meet in the stages: numbers (Tensors … Learning) and messages (Schema … Pipeline).

/// A Debian library behind a module map.
func system(_ name: String) -> Target { .systemLibrary(name: name, path: "Sources/System/\(name)") }

func module(_ name: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = []) -> Target {
    .target(name: name, dependencies: dependencies, exclude: exclude)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: "\(name)Tests", dependencies: dependencies)
}

func command(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .executableTarget(name: name, dependencies: dependencies, exclude: exclude)
}

let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let yaml = Target.Dependency.product(name: "Yams", package: "Yams")
let filePaths = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
// The web server of `Gateway`. Hummingbird would bring a package whose module is called `Configuration` like one of ours.
let network = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let sockets = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let http = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let tls = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let subprocess = Target.Dependency.product(name: "Subprocess", package: "swift-subprocess")

let floor0: [Target] = [
    system("COpenBLAS"), system("CZeroMQ"), system("CTurboJPEG"), system("CPNG"), system("CSndFile"), system("CCrypto"),
    system("CZstd"), system("CLZ4"),
    .target(name: "CLinux"),  // eventfd, flock: not in Glibc's module; standard output, which Swift 6 does not let be named
    .target(name: "CBaseline", dependencies: ["CZeroMQ"]),  // plain libzmq, what messages are measured against
    .target(name: "CCertificates", linkerSettings: [.linkedLibrary("crypto")]),  // a certificate of its own for the gateway
    .target(name: "CConnections"),  // sockets: their identity and what has come on them, which Glibc's module lacks
    .target(name: "CVector"),  // SIMD functions the compiler does not offer by itself, and small kernels that the processor chooses
]

let floor1: [Target] = [
    module("Tensors", ["COpenBLAS", "CVector"]),
    module("Schema", [protobuf]),
    module("Files", ["CLinux"]),
    module("StrictJSON"),
    module("Geometry"),
    module("MCAP", ["CLZ4", "CZstd", "Files"]),
    module("TensorBoard", ["Files", protobuf]),
    module("Statistics", ["Files", "StrictJSON"]),
    module("Safetensors", ["CCrypto", "Files", "StrictJSON"]),
    module("GGUF", ["CVector", "Files"]),
    module("Tokenization", ["Files", "GGUF", "StrictJSON"]),
    module("Journal", ["Files", "Statistics"], exclude: ["README.md"]),
]

let floor2: [Target] = [
    module("Presentation", ["Schema", "StrictJSON"]),  // pages of the gateway, and messages as JSON for them
    module("Layers", ["Tensors"]),
    module("Messaging", ["CConnections", "CLinux", "CZeroMQ", "Files", "Schema", "Statistics", "StrictJSON", protobuf]),
]

let floor3: [Target] = [
    module("Model", ["CVector", "Files", "GGUF", "Layers", "Safetensors", "Statistics", "StrictJSON", "Tensors", "Tokenization"]),
    module("Senses", ["CVector", "Files", "Safetensors", "Statistics", "Tokenization"], exclude: ["README.md"]),
    module("Signals", ["CPNG", "CSndFile", "CTurboJPEG", "CVector", "Files", "Senses", "Statistics", "Tokenization"]),
    module("Pipeline", ["Files", "Messaging", "Schema", "Statistics", logging, yaml]),
]

let floor4: [Target] = [
    module("Memory", ["Statistics", "Tensors", "Tokenization"]),
    module("Privacy", ["Schema", "Statistics"], exclude: ["README.md"]),
    module(
        "Learning",
        [
            "CVector", "Layers", "Memory", "Model", "Privacy", "Safetensors", "Statistics", "StrictJSON", "Tensors", "Tokenization",
        ]),
    module("Reinforcement", ["Layers", "Learning", "Model", "Statistics", "StrictJSON", "Tensors"]),
    module("Evaluation", ["Statistics"]),
    module("Federation", ["Statistics"]),
    module("OnlineLanguage", ["Layers", "Learning", "Memory", "Model", "Statistics", "Tensors"]),
    module("MetaLearning", ["Layers", "Learning", "Model", "Statistics", "StrictJSON", "Tensors"]),
    module("Recordings", ["Files", "Geometry", "MCAP", "Schema", "Signals", "Statistics", "TensorBoard", protobuf]),
    module(
        "Applications",
        ["Files", "Geometry", "Model", "OnlineLanguage", "Statistics", "StrictJSON", "Tensors", "Tokenization"]),
    // What is needed to check an update of the model: its passport, keys and history.
    module("Updates", ["CCrypto", "CZstd", "Files", "Messaging", "Pipeline", "Safetensors", "Schema", "Statistics", "StrictJSON"]),
]

let floor5: [Target] = [
    module("Wiring", ["Journal", "Messaging", "Pipeline", "Schema", "Statistics"]),
    module("Timing", ["Schema", "Statistics"]),
    module("Imports", ["Applications", "Geometry", "Recordings", "Signals", "Statistics"]),
    module(
        "Configuration",
        [
            "Learning", "Memory", "Messaging", "MetaLearning", "Model", "Pipeline", "Privacy", "Reinforcement", "Schema", "Signals",
            "Statistics", "StrictJSON", "Timing", "Tokenization", "Updates", "Wiring", yaml,
        ]),
    module("Moments", ["Configuration", "Messaging", "Model", "Schema", "Statistics", "Timing", "Tokenization", "Wiring"]),
    module(
        "Serving",
        [
            "Configuration", "Files", "Memory", "Messaging", "MetaLearning", "Model", "Moments", "Pipeline", "Reinforcement", "Safetensors",
            "Schema", "Statistics", "Tensors", "Tokenization", "Updates", "Wiring",
        ]),
]

// One module a stage, and what plays recordings to them.
let floor6: [Target] = [
    module("Ingest", ["Journal", "Messaging", "Pipeline", "Privacy", "Schema", "Statistics", "Timing", "Wiring"]),
    module("Extract", ["Messaging", "Pipeline", "Schema", "Senses", "Signals", "Statistics", "Timing", "Wiring"]),
    module(
        "Fuse",
        [
            "Configuration", "Files", "Journal", "Memory", "Messaging", "Model", "Moments", "Pipeline", "Schema", "Serving", "Statistics",
            "Tensors", "Timing", "Updates", "Wiring",
        ]),
    module(
        "Learn",
        [
            "Configuration", "Files", "Journal", "Layers", "Learning", "Memory", "Messaging", "MetaLearning", "Model", "Moments",
            "Pipeline", "Privacy", "Reinforcement", "Safetensors", "Schema", "Serving", "Statistics", "StrictJSON", "Tensors",
            "Tokenization", "Updates",
        ]),
    module(
        "Evaluate",
        [
            "Configuration", "Evaluation", "Messaging", "Model", "Moments", "Pipeline", "Schema", "Serving", "Statistics", "Tensors",
        ]),
    module(
        "Playback",
        [
            "Configuration", "Ingest", "Journal", "Messaging", "Model", "Moments", "Pipeline", "Recordings", "Schema", "Signals",
            "Statistics", "Timing",
            "Wiring", logging,
        ]),
    // The web server beside the graph; the only module that links an HTTP server and TLS.
    module(
        "Gateway",
        [
            "CCertificates", "Files", "Messaging", "Pipeline", "Presentation", "Safetensors", "Schema", "Statistics",
            "StrictJSON", "Timing",
            "Wiring", logging, network, sockets, http, tls,
        ], exclude: ["README.md", "Screenshots"]),
]

let floor7: [Target] = [
    // The stages of a graph in one process, and what is made anew by them without something that is forgotten.
    module(
        "Forgetting",
        [
            "Configuration", "Extract", "Files", "Fuse", "Ingest", "Journal", "Learn", "Messaging", "Moments", "Pipeline", "Privacy",
            "Safetensors", "Schema", "Signals", "Statistics", "Updates", "Wiring",
        ]),
    module("Launch", ["Files", "Messaging", "Pipeline", "Wiring", arguments, logging]),
    module(
        "Deployment",
        [
            "Configuration", "Files", "Learn", "Messaging", "Model", "Moments", "Pipeline", "Presentation", "Recordings", "Safetensors",
            "Schema",
            "Serving", "Signals", "Statistics", "StrictJSON", "Wiring", subprocess, filePaths,
        ]),
    command("accrete-ingest", ["Ingest", "Journal", "Launch", "Pipeline", "Wiring", arguments]),
    command("accrete-extract", ["Extract", "Launch", "Signals", "Wiring", arguments]),
    command("accrete-fuse", ["Configuration", "Fuse", "Journal", "Launch", "Pipeline", "Wiring", arguments]),
    command("accrete-learn", ["Configuration", "Files", "Launch", "Learn", "Pipeline", "Schema", "Wiring", arguments]),
    command("accrete-evaluate", ["Configuration", "Evaluate", "Launch", "Wiring", arguments]),
    command("accrete-gateway", ["Files", "Gateway", "Launch", "Pipeline", "Wiring", arguments]),
    command("accrete-simulate", ["Configuration", "Files", "Launch", "Playback", "Signals", "Statistics", arguments]),
    command(
        "accrete",
        [
            "CLinux", "Configuration", "Deployment", "Files", "Forgetting", "Imports", "Ingest", "Journal", "Launch", "Layers", "Learn",
            "Learning",
            "MCAP", "Memory", "Messaging", "Model", "Moments", "OnlineLanguage", "Pipeline", "Playback", "Presentation", "Privacy",
            "Recordings", "Schema", "Senses", "Serving", "Signals", "Statistics", "StrictJSON", "TensorBoard", "Tensors", "Tokenization",
            "Updates",
            "Wiring", arguments, yaml,
        ]),
    command(
        "accrete-bench",
        [
            "Applications", "CBaseline", "CLinux", "Configuration", "Deployment", "Evaluation", "Federation", "Files", "Ingest", "Journal",
            "Learning", "Messaging", "MetaLearning", "Model", "Moments",
            "OnlineLanguage", "Pipeline", "Privacy", "Reinforcement", "Safetensors", "Schema", "Senses", "Signals", "Statistics",
            "StrictJSON", "Tensors", "Tokenization", "Updates", "Wiring", arguments,
        ], exclude: ["Reports"]),
]

let checks: [Target] = [
    .target(name: "TensorsTesting", dependencies: ["Tensors", "Layers"], path: "Tests/Support/TensorsTesting"),
    .target(name: "PipelineTesting", dependencies: ["Pipeline", "Messaging", "Schema"], path: "Tests/Support/PipelineTesting"),
    .target(name: "MessageFuzzing", dependencies: ["Statistics"], path: "Tests/Support/MessageFuzzing"),
    .target(name: "FilesTesting", path: "Tests/Support/FilesTesting"),
    .target(name: "SoundsTesting", path: "Tests/Support/SoundsTesting"),
    .target(name: "CAllocations", path: "Tests/Support/CAllocations"),  // counts a thread's calls of malloc
    tests("Tensors", ["CAllocations", "Layers", "Tensors", "TensorsTesting"]),
    tests("Files", ["Files", "FilesTesting"]),
    tests("Statistics", ["FilesTesting", "Statistics", "StrictJSON"]),
    tests("Journal", ["FilesTesting", "Journal", "Statistics"]),
    tests("StrictJSON", ["StrictJSON"]),
    tests("Safetensors", ["Files", "FilesTesting", "Safetensors"]),
    tests("GGUF", ["Files", "FilesTesting", "GGUF"]),
    tests("MCAP", ["Files", "FilesTesting", "MCAP"]),
    tests("Tokenization", ["FilesTesting", "StrictJSON", "Tokenization"]),
    tests("Messaging", ["Files", "FilesTesting", "Messaging", "PipelineTesting", "Schema", protobuf]),
    tests(
        "Model",
        [
            "CVector", "Files", "FilesTesting", "GGUF", "Layers", "Model", "Safetensors", "Statistics", "StrictJSON", "Tensors",
            "TensorsTesting", "Tokenization",
        ]),
    tests("Senses", ["CVector", "FilesTesting", "Safetensors", "Senses", "Signals", "SoundsTesting", "Statistics"]),
    tests("Signals", ["FilesTesting", "Signals", "Statistics", "StrictJSON", "Tokenization"]),
    tests(
        "Pipeline",
        ["Files", "FilesTesting", "Messaging", "Pipeline", "PipelineTesting", "Schema", "Statistics", "StrictJSON", logging]),
    tests(
        "Learning",
        [
            "CAllocations", "Files", "FilesTesting", "Layers", "Learning", "Memory", "Model", "Privacy", "Safetensors", "Statistics",
            "StrictJSON", "Tensors", "Tokenization",
        ]),
    tests("Reinforcement", ["Layers", "Model", "Reinforcement", "Statistics", "StrictJSON", "Tensors", "TensorsTesting"]),
    tests("Evaluation", ["Evaluation"]),
    tests("Federation", ["Federation", "Statistics"]),
    tests("Updates", ["FilesTesting", "Messaging", "Pipeline", "Safetensors", "Schema", "Statistics", "Updates"]),
    tests("Recordings", ["Files", "FilesTesting", "MCAP", "Recordings", "Schema", "Signals", "Statistics"]),
    tests("Privacy", ["Privacy"]),
    tests("Memory", ["Memory", "Statistics", "Tokenization"]),
    tests("OnlineLanguage", ["FilesTesting", "Layers", "Memory", "Model", "OnlineLanguage", "Statistics", "Tensors"]),
    tests("Imports", ["FilesTesting", "Imports", "Recordings", "Signals"]),
    tests("TensorBoard", ["Files", "FilesTesting", "TensorBoard"]),
    tests("Applications", ["Applications", "Files", "FilesTesting", "Geometry", "Model", "OnlineLanguage", "Statistics", "Tensors"]),
    tests("MetaLearning", ["MetaLearning", "Model", "Statistics", "Tensors", "TensorsTesting"]),
    tests(
        "Stages",
        [
            "Configuration", "Evaluate", "Extract", "Files", "FilesTesting", "Forgetting", "Fuse", "Ingest", "Journal", "Layers", "Learn",
            "Learning",
            "Memory", "MessageFuzzing", "Messaging", "Model", "Moments", "Pipeline", "PipelineTesting", "Playback", "Privacy",
            "Reinforcement", "Safetensors", "Schema", "Senses", "Serving", "Signals", "SoundsTesting", "Statistics", "Tensors", "Timing",
            "Tokenization", "Updates", "Wiring",
        ]),
    tests(
        "Gateway",
        [
            "FilesTesting", "Gateway", "Messaging", "Pipeline", "PipelineTesting", "Schema", "StrictJSON", "Wiring", network,
            sockets, http,
            tls,
        ]),
    tests(
        "Deployment",
        [
            "Configuration", "Deployment", "Files", "FilesTesting", "Model", "Pipeline", "Presentation", "Schema", "Statistics",
            "StrictJSON", "Tensors", "Wiring",
        ]),
]

let package = Package(
    name: "Accrete",
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
    ],
    targets: floor0 + floor1 + floor2 + floor3 + floor4 + floor5 + floor6 + floor7 + checks,
    swiftLanguageModes: [.v6]
)
