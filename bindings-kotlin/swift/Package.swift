// swift-tools-version: 6.0

import PackageDescription

// `cargo xtask swift-package DIR` makes this package whole: it adds what is generated
// (Sources/KeyfoldGlue, the header in Sources/KeyfoldFFI) and the native library (native/).
//
// The library is named by a path, which SwiftPM calls an unsafe flag and allows for packages on
// this machine: nothing has to be installed, and programs find it when they run. A package that is
// distributed to Apple's devices replaces these flags by an XCFramework; README.md says how.
let native = Context.packageDirectory + "/native"

let package = Package(
    name: "Keyfold",
    platforms: [.macOS(.v12), .iOS(.v15)],
    products: [
        .library(name: "Keyfold", targets: ["Keyfold"])
    ],
    targets: [
        // The C functions of the native library.
        .systemLibrary(name: "KeyfoldFFI", path: "Sources/KeyfoldFFI"),
        // What UniFFI generates. A module of its own, so that `Keyfold` imports it for itself only
        // and none of its names reaches users. UniFFI writes Swift 5.
        .target(
            name: "KeyfoldGlue",
            dependencies: ["KeyfoldFFI"],
            swiftSettings: [.swiftLanguageMode(.v5)],
            linkerSettings: [
                .unsafeFlags(["-L", native, "-Xlinker", "-rpath", "-Xlinker", native])
            ]
        ),
        // What people use.
        .target(name: "Keyfold", dependencies: ["KeyfoldGlue"]),
        // One test asks the glue how many objects live.
        .testTarget(name: "KeyfoldTests", dependencies: ["Keyfold", "KeyfoldGlue"]),
    ],
    swiftLanguageModes: [.v6]
)
