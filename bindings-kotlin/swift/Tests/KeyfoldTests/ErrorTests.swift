import Foundation
import Keyfold
import XCTest

final class ErrorTests: XCTestCase {
    /// The table of docs/spec/errors.md: each code with its retry class.
    private func table() throws -> [(code: String, retry: String)] {
        let text = String(decoding: try shared("errors.md"), as: UTF8.self)
        var rows: [(code: String, retry: String)] = []
        for line in text.split(separator: "\n") where line.hasPrefix("| `") {
            let cells = line.split(separator: "|").map {
                $0.trimmingCharacters(in: CharacterSet(charactersIn: " `"))
            }
            rows.append((code: cells[0], retry: cells[1]))
        }
        return rows
    }

    private func word(_ retry: KeyfoldError.Retry) -> String {
        switch retry {
        case .never: return "never"
        case .later: return "later"
        case .afterChange: return "after_change"
        }
    }

    func testEveryCodeOfTheTableIsThere() throws {
        let rows = try table()
        XCTAssertGreaterThanOrEqual(rows.count, 20)
        XCTAssertEqual(rows.map { $0.code }, KeyfoldError.Code.allCases.map { $0.rawValue })
        XCTAssertEqual(rows.map { $0.retry }, KeyfoldError.Code.allCases.map { word($0.retry) })
    }

    /// From an error in a KMS of one's own, over the core's error, to an error.
    func testEveryCodeComesThroughTheCoreAndBack() async throws {
        for code in KeyfoldError.Code.allCases {
            let told = KeyfoldError(code, "what happened")
            let client = try Client(kms: ThrowingKms(error: told))
            let error = await expect(code) { _ = try await client.secrets.get("name") }
            XCTAssertEqual(error?.detail, "what happened")
            XCTAssertEqual(error?.retry, code.retry)
            XCTAssertEqual(error?.isRetryable, code.retry == .later(after: nil))
            XCTAssertEqual((error?.cause as? KeyfoldError)?.code, code)
            XCTAssertEqual(error?.description, "\(code.rawValue): what happened")
            XCTAssertEqual(error?.localizedDescription, error?.description)
        }
    }

    func testRetryCanBeTold() async throws {
        let slow = KeyfoldError(.kmsThrottled, "slow down", retry: .later(after: 2.5))
        let slowed = try Client(kms: ThrowingKms(error: slow))
        let first = await expect(.kmsThrottled) { _ = try await slowed.secrets.get("name") }
        XCTAssertEqual(first?.retry, .later(after: 2.5))
        let wait = KeyfoldError(.kmsDenied, "wait for the policy", retry: .later(after: nil))
        let waiting = try Client(kms: ThrowingKms(error: wait))
        let second = await expect(.kmsDenied) { _ = try await waiting.secrets.get("name") }
        XCTAssertEqual(second?.isRetryable, true)
    }

    func testAnyOtherErrorIsTheCause() async throws {
        let client = try Client(kms: ThrowingKms(error: Boo(text: "boo")))
        let error = await expect(.kmsUnavailable) { _ = try await client.secrets.get("name") }
        XCTAssertEqual(error?.cause as? Boo, Boo(text: "boo"))
        XCTAssertEqual(error?.isRetryable, true)
        XCTAssertEqual(error?.description.contains("boo"), false)
    }

    func testTheCauseIsBehindAKeyThatCannotBeUsed() async throws {
        let (client, _, key) = try await newClient()
        let sealed = try await client.encrypt(Data())
        let failing = try Client(kms: ThrowingKms(error: Boo(text: "boo")), keys: Keyring(key))
        let error = await expect(.noUsableKey) { _ = try await failing.decrypt(sealed) }
        XCTAssertEqual(error?.cause as? Boo, Boo(text: "boo"))
        XCTAssertEqual(error?.isRetryable, true)
    }

    func testAnAnswerOfAnotherKindBreaksTheProtocol() async throws {
        let short = try Client(kms: KnowingKms(dataKey: Secret(Data([1, 2, 3]))), cache: nil)
        let (client, _, key) = try await newClient()
        let sealed = try await client.encrypt(Data())
        let error = await expect(.noUsableKey) {
            _ = try await short.decrypt(sealed, with: Keyring(key))
        }
        XCTAssertEqual(error?.isRetryable, false)
        await expect(.invalidArgument) { _ = try await short.secrets.get("name") }
    }

    func testWrongCallsAreRefused() async throws {
        let (client, kms, key) = try await newClient()
        await expect(.invalidArgument) { _ = try Client(kms: kms, keys: "no key") }
        await expect(.invalidArgument) { _ = try Client(kms: kms, threads: 0) }
        await expect(.invalidArgument) {
            _ = try await Client(kms: kms).encrypt(Data())
        }
        await expect(.malformedEnvelope) { _ = try await client.decrypt(Data("not one".utf8)) }
        await expect(.malformedEnvelope) { _ = try EnvelopeInfo(of: Data("not one".utf8)) }
        await expect(.truncated) { _ = try await client.decrypt(Data()) }
        await expect(.invalidArgument) { _ = try PublicKey(der: Data([1])) }
        await expect(.invalidArgument) { _ = try SigningKey.generate(spec: "SYMMETRIC_DEFAULT") }
        await expect(.invalidArgument) {
            _ = try await client.sign(Data(), using: key, algorithm: "MD5")
        }
    }

    /// A `switch` over the codes is exhaustive: this compiles, without `default`.
    private func isAboutTheKms(_ code: KeyfoldError.Code) -> Bool {
        switch code {
        case .kmsDenied, .kmsKeyUnavailable, .kmsThrottled, .kmsUnavailable, .kmsProtocol:
            return true
        case .invalidArgument, .malformedEnvelope, .unsupportedVersion, .unsupportedSuite,
            .limitExceeded, .truncated, .contextMismatch, .noUsableKey, .authenticationFailed,
            .signatureInvalid, .secretNotFound, .versionConflict, .cancelled, .io, .internal:
            return false
        }
    }

    func testASwitchIsExhaustive() {
        let kms = KeyfoldError.Code.allCases.filter { isAboutTheKms($0) }
        XCTAssertEqual(kms.count, 5)
        XCTAssertTrue(kms.allSatisfy { $0.rawValue.hasPrefix("kms_") })
    }
}
