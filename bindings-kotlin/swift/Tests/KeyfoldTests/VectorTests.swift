import Foundation
import Keyfold
import XCTest

#if canImport(CryptoKit)
import CryptoKit
#endif

/// The shared vectors of the format. tests/vectors/README.md describes their fields.
private struct Vector: Decodable {
    let name: String
    let suite: UInt16
    let dataKey: String
    let context: [String: String]
    let header: String
    let body: String
    let trailer: String?
    let plaintext: String?
    let plaintextLen: Int?
    let plaintextSha256: String?
    let detached: Bool?
    let signers: [String]?
    let anySigner: Bool?
    let acceptedSuites: [UInt16]?
    let expectedContext: [String: String]?
    let expect: String?

    // The conversion of names that a decoder offers does not know where a number begins.
    enum CodingKeys: String, CodingKey {
        case name, suite, context, header, body, trailer, plaintext, detached, signers, expect
        case dataKey = "data_key"
        case plaintextLen = "plaintext_len"
        case plaintextSha256 = "plaintext_sha256"
        case anySigner = "any_signer"
        case acceptedSuites = "accepted_suites"
        case expectedContext = "expected_context"
    }

    static func load(_ name: String) throws -> [Vector] {
        try JSONDecoder().decode([Vector].self, from: try shared(name))
    }

    var headerBytes: Data { bytes(header) }

    var bodyBytes: Data { bytes(body + (trailer ?? "")) }

    /// The input: all of it, or what is beside the header.
    var data: Data { detached == true ? bodyBytes : headerBytes + bodyBytes }

    func client() throws -> Client {
        try Client(
            kms: KnowingKms(dataKey: Secret(bytes(dataKey))), keys: ring,
            context: expectedContext ?? context, cache: nil,
            suites: acceptedSuites?.compactMap { Suite(rawValue: $0) })
    }

    /// All the recipients there are, whatever their KMS; any other where that cannot be read.
    private var ring: Keyring {
        guard let about = try? EnvelopeInfo(of: headerBytes) else { return "keyfold:any" }
        return .unwrap(with: about.recipients.map { $0.key })
    }

    /// Whose signature is demanded.
    func demanded() throws -> Signers? {
        if anySigner == true { return .anyone }
        guard let signers else { return nil }
        do {
            return .oneOf(try signers.map { try PublicKey(der: bytes($0)) })
        } catch {
            // keyfold takes keys for signers: such bytes cannot even be named.
            throw KeyfoldError(.signatureInvalid, "not a signer")
        }
    }

    /// Whether this is what was sealed. Foundation on Linux has no hash: there the length of large
    /// plaintexts is compared, and the tags that opened them have proven the rest.
    func hasSealed(_ opened: Data) -> Bool {
        if let plaintext { return opened == bytes(plaintext) }
        guard opened.count == plaintextLen else { return false }
        #if canImport(CryptoKit)
        let hash = SHA256.hash(data: opened).map { String(format: "%02x", $0) }.joined()
        return hash == plaintextSha256
        #else
        return true
        #endif
    }

    func whole() async throws -> Data {
        try await client().decrypt(
            data, signers: try demanded(), header: detached == true ? headerBytes : nil)
    }

    func stream(in size: Int) async throws -> Data {
        try await collect(client().open(stream: pieces(data, of: size), signers: try demanded()))
    }
}

/// Lower-case hex.
private func bytes(_ hex: String) -> Data {
    var bytes = Data(capacity: hex.utf8.count / 2)
    var high: UInt8?
    for digit in hex.utf8 {
        let value = digit < 58 ? digit - 48 : digit - 87
        if let first = high {
            bytes.append(first << 4 | value)
            high = nil
        } else {
            high = value
        }
    }
    return bytes
}

final class VectorTests: XCTestCase {
    func testValidVectorsOpen() async throws {
        let vectors = try Vector.load("valid.json")
        XCTAssertGreaterThanOrEqual(vectors.count, 80)
        for vector in vectors {
            let whole = try await vector.whole()
            XCTAssertTrue(vector.hasSealed(whole), vector.name)
            let about = try EnvelopeInfo(of: vector.headerBytes)
            XCTAssertEqual(about.suite, vector.suite, vector.name)
            if vector.detached == true { continue }
            for size in [1234, 65_536] {
                let stream = try await vector.stream(in: size)
                XCTAssertEqual(stream, whole, vector.name)
            }
        }
    }

    func testRangesOfValidVectors() async throws {
        var count = 0
        for vector in try Vector.load("valid.json") where vector.detached != true {
            let expected = try await vector.whole()
            let reader = try await vector.client()
                .open(DataSource(vector.data), unprovenSignature: true)
            for start in [0, 1, expected.count / 2, max(0, expected.count - 1), expected.count] {
                let part = try await reader.read(UInt64(start)..<UInt64(start + 5000))
                XCTAssertEqual(part, Data(expected.dropFirst(start).prefix(5000)), vector.name)
            }
            let length = try await reader.verifyLength()
            XCTAssertEqual(length, UInt64(expected.count), vector.name)
            count += 1
        }
        XCTAssertGreaterThanOrEqual(count, 70)
    }

    func testHostileVectorsAreRefusedWithTheirCode() async throws {
        let vectors = try Vector.load("hostile.json")
        XCTAssertGreaterThanOrEqual(vectors.count, 400)
        for vector in vectors {
            let name = try XCTUnwrap(vector.expect, vector.name)
            let code = try XCTUnwrap(KeyfoldError.Code(rawValue: name), vector.name)
            await expect(code, vector.name) { _ = try await vector.whole() }
            if vector.detached == true { continue }
            for size in [1234, 65_536] {
                await expect(code, vector.name) { _ = try await vector.stream(in: size) }
            }
        }
    }

    func testHostileVectorsLeaveNoFile() async throws {
        try await withFolder { folder in
            let sealed = folder.appendingPathComponent("sealed")
            let opened = folder.appendingPathComponent("opened")
            for vector in try Vector.load("hostile.json") where vector.detached != true {
                try vector.data.write(to: sealed)
                let name = try XCTUnwrap(vector.expect, vector.name)
                let code = try XCTUnwrap(KeyfoldError.Code(rawValue: name), vector.name)
                await expect(code, vector.name) {
                    try await vector.client().decryptFile(
                        at: sealed, to: opened, signers: try vector.demanded())
                }
                XCTAssertFalse(FileManager.default.fileExists(atPath: opened.path), vector.name)
            }
        }
    }
}
