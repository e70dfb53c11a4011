import Foundation
import Keyfold
import XCTest

/// What the tests of all languages share: `vectors` beside this package, or where the environment
/// says.
func shared(_ name: String) throws -> Data {
    let folder: URL
    if let given = ProcessInfo.processInfo.environment["KEYFOLD_VECTORS"] {
        folder = URL(fileURLWithPath: given, isDirectory: true)
    } else {
        folder = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("vectors", isDirectory: true)
    }
    return try Data(contentsOf: folder.appendingPathComponent(name))
}

/// A folder for one test, and its end.
func withFolder<T>(_ work: (URL) async throws -> T) async throws -> T {
    let folder = FileManager.default.temporaryDirectory
        .appendingPathComponent("keyfold-\(UUID().uuidString)", isDirectory: true)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try await work(folder)
}

/// Fails unless the work throws an error of this code; answers it.
@discardableResult
func expect(
    _ code: KeyfoldError.Code, _ what: String = "", file: StaticString = #filePath,
    line: UInt = #line, _ work: () async throws -> Void
) async -> KeyfoldError? {
    do {
        try await work()
        XCTFail("nothing was thrown \(what)", file: file, line: line)
    } catch let error as KeyfoldError {
        XCTAssertEqual(error.code, code, "\(what) \(error)", file: file, line: line)
        return error
    } catch {
        XCTFail("\(type(of: error)) was thrown \(what)", file: file, line: line)
    }
    return nil
}

/// Bytes that repeat at no segment's boundary.
func pattern(_ count: Int) -> Data {
    Data((0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 / 251) })
}

/// A client over a KMS in memory, with a key.
func newClient(context: [String: String] = [:]) async throws -> (Client, EmbeddedKms, String) {
    let kms = try EmbeddedKms.inMemory()
    let key = try await kms.createKey("alias/docs")
    return (try Client(kms: kms, keys: Keyring(key), context: context), kms, key)
}

/// All that a stream gives.
func collect<Source: AsyncSequence>(_ source: Source) async throws -> Data
where Source.Element == Data {
    var all = Data()
    for try await piece in source {
        XCTAssertFalse(piece.isEmpty)
        all.append(piece)
    }
    return all
}

/// Data in pieces of a length.
func pieces(_ data: Data, of size: Int) -> AsyncStream<Data> {
    AsyncStream { continuation in
        var rest = data
        while !rest.isEmpty {
            continuation.yield(Data(rest.prefix(size)))
            rest = rest.dropFirst(size)
        }
        continuation.finish()
    }
}

/// A KMS that throws what it was told to.
struct ThrowingKms: Kms {
    let error: any Error

    func call(_ request: KmsRequest) async throws -> KmsResponse {
        throw error
    }
}

/// A KMS that unwraps every wrapped key to one data key.
struct KnowingKms: Kms {
    let dataKey: Secret

    func call(_ request: KmsRequest) async throws -> KmsResponse {
        guard case .unwrap = request else {
            throw KeyfoldError(.invalidArgument, "only unwrapping was to be asked")
        }
        return .unwrapped(dataKey)
    }
}

/// Counts the requests to another KMS.
actor CountingKms: Kms {
    private let inner: any Kms
    private(set) var generated = 0
    private(set) var all = 0

    init(_ inner: any Kms) {
        self.inner = inner
    }

    func call(_ request: KmsRequest) async throws -> KmsResponse {
        all += 1
        if case .generateDataKey = request { generated += 1 }
        return try await inner.call(request)
    }
}

/// An error of the application's own.
struct Boo: Error, Equatable {
    let text: String
}
