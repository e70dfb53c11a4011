import Foundation
import Keyfold
import XCTest

/// A network that answers what it was told to.
private actor ScriptedTransport: Transport {
    private let answer: Result<TransportResponse, any Error>
    private(set) var requests: [TransportRequest] = []

    init(_ answer: Result<TransportResponse, any Error>) {
        self.answer = answer
    }

    func send(_ request: TransportRequest) async throws -> TransportResponse {
        requests.append(request)
        return try answer.get()
    }
}

final class RemoteTests: XCTestCase {
    private func client(
        _ transport: any Transport, credentials: Credentials = .token("a-token-of-the-moment"),
        retries: UInt32 = 0
    ) throws -> Client {
        let kms = try RemoteKms(
            "keyfold://kms.example.com", credentials: credentials, transport: transport,
            retries: retries)
        return try Client(kms: kms, keys: "keyfold:alias/docs")
    }

    func testARequestCarriesTheToken() async throws {
        let answer = TransportResponse(status: 503, headers: [], body: Data())
        let transport = ScriptedTransport(.success(answer))
        let client = try self.client(transport)
        let error = await expect(.kmsUnavailable) { _ = try await client.encrypt(Data()) }
        XCTAssertEqual(error?.isRetryable, true)
        let requests = await transport.requests
        XCTAssertEqual(requests.count, 1)
        let request = try XCTUnwrap(requests.first)
        XCTAssertEqual(request.method, "POST")
        XCTAssertTrue(request.url.hasPrefix("https://kms.example.com"), request.url)
        XCTAssertFalse(request.url.contains("token"), request.url)
        let authorization = request.headers.filter { $0.name.lowercased() == "authorization" }
        XCTAssertEqual(authorization.map { $0.value }, ["Bearer a-token-of-the-moment"])
        XCTAssertFalse("\(request)".contains("moment"))
        var dumped = ""
        dump(request, to: &dumped)
        XCTAssertFalse(dumped.contains("moment"))
    }

    func testWhatFailedIsRepeated() async throws {
        let answer = TransportResponse(status: 503, headers: [], body: Data())
        let transport = ScriptedTransport(.success(answer))
        let client = try self.client(transport, retries: 2)
        await expect(.kmsUnavailable) { _ = try await client.encrypt(Data()) }
        let requests = await transport.requests
        XCTAssertEqual(requests.count, 3)
    }

    func testAnErrorOfTheNetworkIsTheCause() async throws {
        let client = try self.client(ScriptedTransport(.failure(Boo(text: "no route"))))
        let error = await expect(.kmsUnavailable) { _ = try await client.encrypt(Data()) }
        XCTAssertEqual(error?.cause as? Boo, Boo(text: "no route"))
    }

    func testCredentialsAreFetched() async throws {
        let answer = TransportResponse(status: 503, headers: [], body: Data())
        let transport = ScriptedTransport(.success(answer))
        let fetching = try client(transport, credentials: .token(from: { "fetched" }))
        await expect(.kmsUnavailable) { _ = try await fetching.encrypt(Data()) }
        let requests = await transport.requests
        let values = requests.first?.headers.map { $0.value } ?? []
        XCTAssertTrue(values.contains("Bearer fetched"))

        let failing = try client(
            transport, credentials: .token(from: { throw Boo(text: "no token") }))
        let error = await expect(.kmsDenied) { _ = try await failing.encrypt(Data()) }
        XCTAssertEqual(error?.cause as? Boo, Boo(text: "no token"))
    }

    func testWrongAddressesAreRefused() async throws {
        await expect(.invalidArgument) {
            _ = try RemoteKms("ftp://kms.example.com", credentials: .token("t"))
        }
        await expect(.invalidArgument) {
            _ = try RemoteKms("keyfold://kms.example.com", credentials: .token("t"), timeout: 0)
        }
    }

    func testNobodyListens() async throws {
        // Port 9 of this machine: nobody serves `discard` any more.
        let kms = try RemoteKms(
            "keyfold+http://127.0.0.1:9", credentials: .token("t"), timeout: 20, retries: 0)
        let client = try Client(kms: kms, keys: "keyfold:alias/docs")
        let error = await expect(.kmsUnavailable) { _ = try await client.encrypt(Data()) }
        XCTAssertNotNil(error?.cause)
    }

    /// Against a server, where the environment names one.
    func testTheSixTasksOverTheNetwork() async throws {
        let environment = ProcessInfo.processInfo.environment
        guard let url = environment["KEYFOLD_TEST_URL"],
            let token = environment["KEYFOLD_TEST_TOKEN"]
        else {
            throw XCTSkip("KEYFOLD_TEST_URL and KEYFOLD_TEST_TOKEN name no server")
        }
        let kms = try RemoteKms(url, credentials: .token(token))
        let key = try await kms.createKey()
        let client = try Client(kms: kms, keys: Keyring(key))
        let sealed = try await client.encrypt(pattern(100_000))
        client.clearCache()
        let opened = try await client.decrypt(sealed)
        XCTAssertEqual(opened, pattern(100_000))
        let reader = try await client.open(DataSource(sealed))
        let part = try await reader.read(50_000..<50_010)
        XCTAssertEqual(part, Data(pattern(100_000)[50_000..<50_010]))
        let other = try await kms.createKey()
        let rewrapped = try await client.rewrap(sealed, to: Keyring(other))
        XCTAssertEqual(try EnvelopeInfo(of: rewrapped).recipients.map { $0.key }, [other])
        let signing = try await kms.createKey(spec: "ECC_NIST_P256")
        let signature = try await client.sign(Data("report".utf8), using: signing)
        try await client.verify(signature, for: Data("report".utf8), using: signing)
        let name = "swift/\(UUID().uuidString)"
        try await client.secrets.put(name, Secret("correct horse"))
        let secret = try await client.secrets.get(name)
        XCTAssertEqual(try secret.exposeText(), "correct horse")
    }
}
