import Foundation
import Keyfold
import XCTest

import func KeyfoldGlue.liveHandles

/// A KMS that never answers; it tells when it is asked, and whether it was cancelled.
private final class StuckKms: Kms, @unchecked Sendable {
    // The lock guards the number.
    private let lock = NSLock()
    private var count = 0
    let asked: AsyncStream<Void>
    private let asking: AsyncStream<Void>.Continuation

    init() {
        let made = AsyncStream.makeStream(of: Void.self)
        asked = made.stream
        asking = made.continuation
    }

    var cancelled: Int {
        lock.withLock { count }
    }

    private func cancel() {
        lock.withLock { count += 1 }
    }

    func call(_ request: KmsRequest) async throws -> KmsResponse {
        asking.yield()
        do {
            // A day: until it is cancelled.
            try await Task.sleep(nanoseconds: 86_400_000_000_000)
        } catch {
            cancel()
            throw error
        }
        throw KeyfoldError(.internal, "nobody cancelled")
    }
}

final class TaskTests: XCTestCase {
    /// Cancels a task while its KMS call is under way.
    private func cancelled(
        _ work: @escaping @Sendable (Client) async throws -> Void
    ) async throws {
        let kms = StuckKms()
        let client = try Client(kms: kms, keys: "keyfold:alias/docs")
        let task = Task { try await work(client) }
        for await _ in kms.asked { break }
        task.cancel()
        do {
            try await task.value
            XCTFail("nothing was thrown")
        } catch {
            XCTAssertTrue(error is CancellationError, "\(type(of: error))")
        }
        XCTAssertEqual(kms.cancelled, 1)
    }

    func testCancellationReachesTheKms() async throws {
        try await cancelled { _ = try await $0.encrypt(Data("hello".utf8)) }
        try await cancelled { _ = try await $0.secrets.get("name") }
        try await cancelled { _ = try await $0.sign(Data(), using: "keyfold:alias/sign") }
        try await cancelled {
            for try await _ in $0.seal(pieces(Data("hello".utf8), of: 5)) {}
        }
    }

    func testACancelledFileIsGone() async throws {
        try await withFolder { folder in
            let plain = folder.appendingPathComponent("plain")
            let sealed = folder.appendingPathComponent("sealed")
            try Data("hello".utf8).write(to: plain)
            try await cancelled { try await $0.encryptFile(at: plain, to: sealed) }
            XCTAssertFalse(FileManager.default.fileExists(atPath: sealed.path))
            let left = try FileManager.default.contentsOfDirectory(atPath: folder.path)
            XCTAssertEqual(left, ["plain"])
        }
    }

    func testWhatIsCancelledAlreadyAsksNobody() async throws {
        let kms = CountingKms(try EmbeddedKms.inMemory())
        let client = try Client(kms: kms, keys: "keyfold:alias/docs")
        let task = Task {
            // The task waits until it is cancelled.
            while !Task.isCancelled { await Task.yield() }
            return try await client.encrypt(Data())
        }
        task.cancel()
        let result = await task.result
        XCTAssertThrowsError(try result.get()) { XCTAssertTrue($0 is CancellationError) }
        let asked = await kms.all
        XCTAssertEqual(asked, 0)
    }

    func testAClientGoesOnAfterACancelledCall() async throws {
        let kms = StuckKms()
        let client = try Client(kms: kms, keys: "keyfold:alias/docs")
        for _ in 0..<2 {
            let task = Task { try await client.encrypt(Data()) }
            for await _ in kms.asked { break }
            task.cancel()
            let result = await task.result
            XCTAssertThrowsError(try result.get()) { XCTAssertTrue($0 is CancellationError) }
        }
        XCTAssertEqual(kms.cancelled, 2)
    }

    func testEightTasksShareOneClient() async throws {
        let inner = try EmbeddedKms.inMemory()
        let key = try await inner.createKey()
        let kms = CountingKms(inner)
        let client = try Client(kms: kms, keys: Keyring(key))
        let done = try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 0..<8 {
                group.addTask {
                    for round in 0..<50 {
                        let plaintext = pattern(number * 5000 + round)
                        let sealed = try await client.encrypt(plaintext)
                        let opened = try await client.decrypt(sealed)
                        if opened != plaintext { throw Boo(text: "task \(number)") }
                    }
                    return 50
                }
            }
            return try await group.reduce(0, +)
        }
        XCTAssertEqual(done, 400)
        let generated = await kms.generated
        XCTAssertEqual(generated, 1)
        XCTAssertGreaterThan(client.cacheStats.hits, 0)
    }

    func testEightTasksReadOneEnvelope() async throws {
        let (client, _, _) = try await newClient()
        let plaintext = pattern(500_000)
        let reader = try await client.open(DataSource(try await client.encrypt(plaintext)))
        let read = try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 0..<8 {
                group.addTask {
                    let start = number * 60_000
                    let part = try await reader.read(UInt64(start)..<UInt64(start + 50_000))
                    if part != Data(plaintext[start..<start + 50_000]) {
                        throw Boo(text: "task \(number)")
                    }
                    return part.count
                }
            }
            return try await group.reduce(0, +)
        }
        XCTAssertEqual(read, 400_000)
    }

    func testLargeDataIsSharedAmongThreads() async throws {
        let (_, kms, key) = try await newClient()
        let client = try Client(kms: kms, keys: Keyring(key), threads: 3)
        let plaintext = pattern(2_000_000)
        let opened = try await client.decrypt(try await client.encrypt(plaintext))
        XCTAssertEqual(opened, plaintext)
    }

    func testEverythingEndsWithItsLastReference() async throws {
        let (client, kms, key) = try await newClient()
        let before = liveHandles()
        for _ in 0..<1000 {
            let other = try Client(kms: kms, keys: Keyring(key))
            let secret = Secret("hello")
            let own = try SigningKey.generate()
            XCTAssertEqual(secret.count, 5)
            XCTAssertEqual(own.publicKey.spec, "ECC_NIST_EDWARDS25519")
            XCTAssertEqual(other.cacheStats.misses, 0)
        }
        let sealed = try await client.encrypt(pattern(100_000))
        for _ in 0..<100 {
            // Nobody reads to the end.
            for try await _ in client.open(stream: pieces(sealed, of: 20_000)) { break }
            _ = try await client.open(DataSource(sealed))
        }
        // What other tests left may end meanwhile.
        XCTAssertLessThanOrEqual(liveHandles(), before)
    }
}
