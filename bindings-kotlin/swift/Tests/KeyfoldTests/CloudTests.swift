import Foundation
import Keyfold
import XCTest

/// A network that answers nothing, and counts.
private actor SilentTransport: Transport {
    private(set) var requests: [TransportRequest] = []

    func send(_ request: TransportRequest) async throws -> TransportResponse {
        requests.append(request)
        return TransportResponse(status: 503, headers: [], body: Data())
    }
}

final class CloudTests: XCTestCase {
    private let key = Credentials.accessKey(AccessKey(id: "AKIDEXAMPLE", secret: "hidden"))

    func testWhatACloudCanIsKnownBeforehand() throws {
        XCTAssertTrue(Capabilities.schemes.contains("tencent"))
        for scheme in Capabilities.schemes {
            let able = try XCTUnwrap(Capabilities.of(scheme))
            XCTAssertEqual(able.scheme, scheme)
            XCTAssertTrue(able.has("unwrap"))
        }
        XCTAssertNil(Capabilities.of("ftp"))
        XCTAssertEqual(Capabilities.of("tencent")?.operations["delete alias"], .absent)
    }

    func testARequestIsSignedForItsPlace() async throws {
        let transport = SilentTransport()
        let place = Place(region: "ap-guangzhou", keys: "https://kms.office.example.com")
        let kms = try RemoteKms(
            "tencent://office", credentials: key, transport: transport, retries: 0,
            places: ["tencent://office": place])
        XCTAssertEqual(try kms.capabilities()?.scheme, "tencent")
        let client = try Client(kms: kms, keys: Keyring("tencent://office/23e8"))
        await expect(.kmsUnavailable) { _ = try await client.encrypt(Data()) }
        let requests = await transport.requests
        XCTAssertEqual(requests.count, 1)
        XCTAssertTrue(requests[0].url.hasPrefix("https://kms.office.example.com"))
        let signed = requests[0].headers.filter { $0.name.lowercased() == "authorization" }
        XCTAssertTrue(signed[0].value.hasPrefix("TC3-HMAC-SHA256 Credential=AKIDEXAMPLE/"))
    }

    func testWhatThereIsNotIsNotAskedFor() async throws {
        let transport = SilentTransport()
        let kms = try RemoteKms(
            "tencent://ap-guangzhou", credentials: key, transport: transport, retries: 0)
        let error = await expect(.invalidArgument) {
            try await kms.tagKey("tencent://ap-guangzhou/23e8", ["team": "a"])
        }
        XCTAssertEqual(error?.isUnsupported, true)
        let requests = await transport.requests
        XCTAssertEqual(requests.count, 0)
    }

    func testCredentialsOfTheEnvironment() async throws {
        let variables = ["TENCENTCLOUD_SECRET_ID": "AKID", "TENCENTCLOUD_SECRET_KEY": "secret"]
        _ = try RemoteKms(
            "tencent://ap-guangzhou", credentials: .fromEnvironment(variables: variables))
        await expect(.invalidArgument) {
            _ = try RemoteKms(
                "tencent://ap-guangzhou",
                credentials: .fromEnvironment(variables: ["TENCENTCLOUD_SECRET_ID": "AKID"]))
        }
    }

    func testOneKeyringForSeveralKms() async throws {
        let first = try EmbeddedKms.inMemory()
        let second = try EmbeddedKms.inMemory()
        let keys = [try await first.createKey(), try await second.createKey()]
        let router = try RouterKms([keys[0]: first], otherwise: second)
        let client = try Client(kms: router, keys: Keyring(keys[0], alsoWrap: [keys[1]]))
        let sealed = try await client.encrypt(Data("hello".utf8))
        let other = try Client(kms: second, keys: Keyring(keys[1]))
        let opened = try await other.decrypt(sealed)
        XCTAssertEqual(opened, Data("hello".utf8))
    }
}
