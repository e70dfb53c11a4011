import Foundation
internal import KeyfoldGlue

/// A KMS at the other end of a network: keyfold's own server, or AWS. Nothing is sent until it is
/// used.
///
/// `@unchecked Sendable`: as its superclass.
public final class RemoteKms: KeyAdmin, @unchecked Sendable, CustomStringConvertible {
    /// Where it is.
    public let url: String

    /// A KMS by its URL.
    ///
    /// - Parameters:
    ///   - url: `keyfold://HOST[:PORT]` over TLS, `keyfold+http://127.0.0.1:PORT` on this machine
    ///     only, or `aws://REGION`.
    ///   - credentials: Who calls.
    ///   - transport: The network.
    ///   - timeout: Seconds for one call with all its repetitions.
    ///   - retries: How often a call that failed for a while is repeated.
    ///   - region: The region that requests are signed for, where it is not that of the URL.
    /// - Throws: `invalidArgument` for another form of URL or credentials.
    public init(
        _ url: String, credentials: Credentials, transport: any Transport = URLSessionTransport(),
        timeout: TimeInterval = 60, retries: UInt32 = 3, region: String? = nil
    ) throws {
        self.url = url
        let settings = KeyfoldGlue.RemoteSettings(
            timeoutMillis: milliseconds(timeout), retries: retries, region: region)
        let service = try Call.plain {
            try KeyfoldGlue.KeyService.remote(
                url: url, transport: HostTransport(transport), fixed: credentials.fixed,
                credentials: credentials.source, timer: HostTimer(), settings: settings)
        }
        super.init(service: service)
    }

    /// Where it is.
    public var description: String { "RemoteKms(\(url))" }
}

/// An access key, as AWS has them.
public struct AccessKey: Sendable, CustomStringConvertible, CustomReflectable {
    /// Its id.
    public let id: String
    private let secret: String
    private let sessionToken: String?

    /// An access key; with the token of its session, where it is short-lived.
    public init(id: String, secret: String, sessionToken: String? = nil) {
        self.id = id
        self.secret = secret
        self.sessionToken = sessionToken
    }

    var glue: KeyfoldGlue.Credential {
        .accessKey(id: id, secret: secret, sessionToken: sessionToken)
    }

    /// Its id alone.
    public var description: String { "AccessKey(\(id), ..)" }

    /// Its id alone.
    public var customMirror: Mirror { Mirror(self, children: ["id": id]) }
}

/// Who calls a ``RemoteKms``.
public struct Credentials: Sendable, CustomStringConvertible, CustomReflectable {
    let fixed: KeyfoldGlue.Credential?
    let source: (any KeyfoldGlue.ForeignCredentials)?

    private init(fixed: KeyfoldGlue.Credential) {
        self.fixed = fixed
        source = nil
    }

    private init(source: any KeyfoldGlue.ForeignCredentials) {
        fixed = nil
        self.source = source
    }

    /// A bearer token, for keyfold's own server.
    public static func token(_ token: String) -> Credentials {
        Credentials(fixed: .token(token: token))
    }

    /// A function that gets a bearer token for each request.
    public static func token(
        from source: @escaping @Sendable () async throws -> String
    ) -> Credentials {
        Credentials(source: HostCredentials { .token(token: try await source()) })
    }

    /// An access key.
    public static func accessKey(_ key: AccessKey) -> Credentials {
        Credentials(fixed: key.glue)
    }

    /// A function that gets an access key for each request.
    public static func accessKey(
        from source: @escaping @Sendable () async throws -> AccessKey
    ) -> Credentials {
        Credentials(source: HostCredentials { try await source().glue })
    }

    /// Nothing in a request: the connection says who calls, by its TLS client certificate.
    public static var ofConnection: Credentials {
        Credentials(fixed: .connection)
    }

    /// Nothing of what they are.
    public var description: String { "Credentials(..)" }

    /// Without children: `dump` shows nothing.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// A request to send. Its headers and its body hold secrets.
public struct TransportRequest: Sendable, CustomStringConvertible, CustomReflectable {
    /// Such as `POST`.
    public let method: String
    /// Where to.
    public let url: String
    /// Names and values, in their order.
    public let headers: [(name: String, value: String)]
    /// The body.
    public let body: Data

    /// Its method alone.
    public var description: String { "TransportRequest(\(method), ..)" }

    /// Its method alone.
    public var customMirror: Mirror { Mirror(self, children: ["method": method]) }
}

/// What came back. Its body may hold secrets.
public struct TransportResponse: Sendable, CustomStringConvertible, CustomReflectable {
    /// Such as 200.
    public let status: Int
    /// Names and values.
    public let headers: [(name: String, value: String)]
    /// The body.
    public let body: Data

    /// An answer of these parts.
    public init(status: Int, headers: [(name: String, value: String)], body: Data) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// Its status alone.
    public var description: String { "TransportResponse(\(status), ..)" }

    /// Its status alone.
    public var customMirror: Mirror { Mirror(self, children: ["status": status]) }
}

/// A network: ``URLSessionTransport``, or one of the application's own.
///
/// It follows no redirect and repeats nothing. What it throws becomes
/// ``KeyfoldError/Code/kmsUnavailable`` with that as its cause, unless it is a ``KeyfoldError``. It
/// is called from any task, and cancelled when the call that needs it is.
public protocol Transport: Sendable {
    /// Sends a request and gets the answer, whatever its status.
    func send(_ request: TransportRequest) async throws -> TransportResponse
}

/// A network of the caller's, as the library calls it.
final class HostTransport: KeyfoldGlue.ForeignTransport {
    private let transport: any Transport

    init(_ transport: any Transport) {
        self.transport = transport
    }

    func send(request: KeyfoldGlue.HttpRequest) async throws -> KeyfoldGlue.HttpResponse {
        let transport = self.transport
        return try await Call.host {
            let headers = request.headers.map { (name: $0.name, value: $0.value) }
            let answer = try await transport.send(
                TransportRequest(
                    method: request.method, url: request.url, headers: headers,
                    body: request.body))
            guard let status = UInt16(exactly: answer.status) else {
                throw KeyfoldError(.kmsProtocol, "the answer has no status of HTTP's")
            }
            return KeyfoldGlue.HttpResponse(
                status: status,
                headers: answer.headers.map {
                    KeyfoldGlue.HttpHeader(name: $0.name, value: $0.value)
                },
                body: answer.body)
        }
    }
}

/// A function that gets credentials, as the library calls it.
final class HostCredentials: KeyfoldGlue.ForeignCredentials {
    private let source: @Sendable () async throws -> KeyfoldGlue.Credential

    init(_ source: @escaping @Sendable () async throws -> KeyfoldGlue.Credential) {
        self.source = source
    }

    func credentials() async throws -> KeyfoldGlue.Credential {
        try await Call.host(source)
    }
}

/// Swift's own timer, as the library calls it.
final class HostTimer: KeyfoldGlue.Timer {
    func sleep(millis: UInt64) async {
        // A year is for ever here, and nanoseconds of it still fit.
        let nanoseconds = min(millis, 31_536_000_000) * 1_000_000
        // It fails where it is cancelled only: what would have come next finds that out.
        try? await Call.host {
            try await Task.sleep(nanoseconds: nanoseconds)
        }
    }
}
