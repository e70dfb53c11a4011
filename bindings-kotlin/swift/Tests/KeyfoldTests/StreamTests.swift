import Foundation
import Keyfold
import XCTest

final class StreamTests: XCTestCase {
    func testStreamsInPiecesOfAnyLengthComeBack() async throws {
        let (client, _, _) = try await newClient()
        for count in [0, 1, 16_384, 100_000] {
            for size in [1000, 16_384, 65_536] {
                let plaintext = pattern(count)
                let sealed = try await collect(client.seal(pieces(plaintext, of: size)))
                let whole = try await client.decrypt(sealed)
                XCTAssertEqual(whole, plaintext)
                let opened = try await collect(client.open(stream: pieces(sealed, of: size)))
                XCTAssertEqual(opened, plaintext)
            }
        }
    }

    func testTheHeaderMayComeInTheSmallestPieces() async throws {
        let (client, _, _) = try await newClient()
        let sealed = try await client.encrypt(pattern(100))
        let opened = try await collect(client.open(stream: pieces(sealed, of: 1)))
        XCTAssertEqual(opened, pattern(100))
    }

    func testAStreamIsSigned() async throws {
        let (client, _, _) = try await newClient()
        let key = try SigningKey.generate()
        let plaintext = pattern(50_000)
        let sealed = try await collect(
            client.seal(pieces(plaintext, of: 10_000), length: 50_000, signer: .local(key)))
        let opened = try await collect(
            client.open(stream: pieces(sealed, of: 10_000), signers: .oneOf([key.publicKey])))
        XCTAssertEqual(opened, plaintext)
    }

    func testACutStreamThrowsAtItsEnd() async throws {
        let (client, _, _) = try await newClient()
        let sealed = try await client.encrypt(pattern(100_000))
        let header = Int(try EnvelopeInfo(of: sealed).headerLength)
        let segment = 16_384 + 16
        for count in [0, 10, header - 1, header, header + 56, header + 56 + segment] {
            await expect(.truncated, "after \(count)") {
                _ = try await collect(client.open(stream: pieces(sealed.prefix(count), of: 4096)))
            }
        }
        var released = 0
        await expect(.authenticationFailed) {
            for try await piece in client.open(stream: pieces(sealed.dropLast(20), of: 4096)) {
                released += piece.count
            }
        }
        XCTAssertEqual(released % 16_384, 0)
        XCTAssertGreaterThan(released, 0)
    }

    func testAnErrorOfTheSourceStaysItself() async throws {
        let (client, _, _) = try await newClient()
        let failing = AsyncThrowingStream<Data, any Error> { continuation in
            continuation.yield(pattern(20_000))
            continuation.finish(throwing: Boo(text: "source"))
        }
        var iterator = client.seal(failing).makeAsyncIterator()
        do {
            while try await iterator.next() != nil {}
            XCTFail("nothing was thrown")
        } catch {
            XCTAssertEqual(error as? Boo, Boo(text: "source"))
        }
        let after = try await iterator.next()
        XCTAssertNil(after)
    }

    func testPartsAreRead() async throws {
        let (client, _, _) = try await newClient()
        let plaintext = pattern(100_000)
        let sealed = try await client.encrypt(plaintext)
        try await withFolder { folder in
            let file = folder.appendingPathComponent("sealed")
            try sealed.write(to: file)
            for reader in [
                try await client.open(DataSource(sealed)), try await client.openFile(at: file),
            ] {
                XCTAssertEqual(reader.plaintextLength, 100_000)
                let length = try await reader.verifyLength()
                XCTAssertEqual(length, 100_000)
                let ranges = [(0, 1), (16_383, 16_385), (50_000, 90_000), (99_999, 100_000)]
                for (start, end) in ranges {
                    let part = try await reader.read(UInt64(start)..<UInt64(end))
                    XCTAssertEqual(part, Data(plaintext[start..<end]))
                }
                let nothing = try await reader.read(7..<7)
                XCTAssertEqual(nothing, Data())
                let last = try await reader.read(99_990..<1_000_000)
                XCTAssertEqual(last, Data(plaintext.suffix(10)))
                let behind = try await reader.read(200_000..<200_010)
                XCTAssertEqual(behind, Data())
            }
        }
    }

    func testPartsOfAnAlteredEnvelopeAreRefused() async throws {
        let (client, _, _) = try await newClient()
        var sealed = try await client.encrypt(pattern(100_000))
        sealed[sealed.count - 30_000] ^= 1
        let reader = try await client.open(DataSource(sealed))
        let good = try await reader.read(0..<100)
        XCTAssertEqual(good, pattern(100))
        await expect(.authenticationFailed) { _ = try await reader.read(60_000..<100_000) }
        let cut = try await client.open(DataSource(sealed.dropLast(10)))
        await expect(.authenticationFailed) { try await cut.verifyLength() }
    }

    func testASourceThatLiesIsFound() async throws {
        let (client, _, _) = try await newClient()
        let sealed = try await client.encrypt(pattern(100_000))
        let reader = try await client.open(LyingSource(data: sealed))
        await expect(.truncated) { _ = try await reader.read(90_000..<95_000) }
    }

    func testASignedEnvelopeIsReadInPartsOnlyUnproven() async throws {
        let (client, _, _) = try await newClient()
        let sealed = try await client.encrypt(pattern(10), signer: .local(try .generate()))
        await expect(.invalidArgument) { _ = try await client.open(DataSource(sealed)) }
        let reader = try await client.open(DataSource(sealed), unprovenSignature: true)
        let opened = try await reader.read(0..<10)
        XCTAssertEqual(opened, pattern(10))
    }

    func testFilesAreEncryptedFromPathToPath() async throws {
        let (client, _, _) = try await newClient()
        try await withFolder { folder in
            let plain = folder.appendingPathComponent("report.csv")
            let sealed = folder.appendingPathComponent("report.csv.kf")
            let opened = folder.appendingPathComponent("copy.csv")
            let content = pattern(3_000_000)
            try content.write(to: plain)
            let seen = Seen()
            let length = try await client.encryptFile(at: plain, to: sealed) { done, all in
                seen.see(done, all)
            }
            XCTAssertEqual(length, 3_000_000)
            XCTAssertEqual(seen.last, 3_000_000)
            let back = try await client.decryptFile(at: sealed, to: opened)
            XCTAssertEqual(back, 3_000_000)
            XCTAssertEqual(try Data(contentsOf: opened), content)
            XCTAssertEqual(try EnvelopeInfo(ofFile: sealed).plaintextLength, 3_000_000)

            let stream = try await collect(client.open(stream: FileChunks(of: sealed)))
            XCTAssertEqual(stream, content)
            await expect(.io) {
                try await client.decryptFile(at: sealed, to: opened, overwrite: false)
            }
            let absent = folder.appendingPathComponent("absent")
            await expect(.io) { try await client.encryptFile(at: absent, to: opened) }
            await expect(.io) { _ = try await collect(client.seal(FileChunks(of: absent))) }
            await expect(.io) { _ = try FileSource(absent) }
        }
    }

    func testRecipientsOfAFileChange() async throws {
        let (client, kms, key) = try await newClient()
        let other = try await kms.createKey()
        try await withFolder { folder in
            let file = folder.appendingPathComponent("sealed")
            try await client.encrypt(Data("hello".utf8)).write(to: file)
            try await client.addRecipientsToFile(at: file, to: Keyring(other))
            XCTAssertEqual(try EnvelopeInfo(ofFile: file).recipients.map { $0.key }, [key, other])
            try await client.removeRecipientsOfFile(at: file, keys: [key])
            try await client.rewrapFile(at: file, from: Keyring(other), to: Keyring(key))
            let opened = try await client.decrypt(try Data(contentsOf: file))
            XCTAssertEqual(opened, Data("hello".utf8))
        }
    }
}

/// What a progress function was told last.
private final class Seen: @unchecked Sendable {
    // The lock guards the number.
    private let lock = NSLock()
    private var done: UInt64 = 0

    func see(_ done: UInt64, _ all: UInt64) {
        lock.withLock { self.done = done }
    }

    var last: UInt64 {
        lock.withLock { done }
    }
}

/// A source that ends before it said.
private struct LyingSource: RangedSource {
    let data: Data

    func length() -> UInt64 {
        UInt64(data.count)
    }

    func read(_ range: Range<UInt64>) -> Data {
        DataSource(data.prefix(50_000)).read(range)
    }
}
