import Foundation
internal import KeyfoldGlue

/// A KMS at the other end of a network: keyfold's own server, AWS, or any other cloud. Nothing is
/// sent until it is used.
///
/// Clouds are for macOS and Linux. An app would carry the cloud's secret key: on iOS they are
/// ``KeyfoldError/isUnsupported``, and `keyfold serve --upstream` stands between.
///
/// `@unchecked Sendable`: as its superclass.
public final class RemoteKms: KeyAdmin, @unchecked Sendable, CustomStringConvertible {
    /// Where it is.
    public let url: String

    /// A KMS by its URL.
    ///
    /// - Parameters:
    ///   - url: `keyfold://HOST[:PORT]` over TLS, `keyfold+http://127.0.0.1:PORT` on this machine
    ///     only, `aws://REGION`, or a cloud's `SCHEME://PLACE`, such as `tencent://ap-guangzhou`:
    ///     ``Capabilities/schemes`` names them.
    ///   - credentials: Who calls.
    ///   - transport: The network.
    ///   - timeout: Seconds for one call with all its repetitions.
    ///   - retries: How often a call that failed for a while is repeated.
    ///   - region: The region that requests are signed for, where it is not that of the URL; for
    ///     AWS and keyfold's own server.
    ///   - places: What is configured of a cloud's places, by their KMS's URI; a region of the
    ///     vendor's own needs none.
    /// - Throws: `invalidArgument` for another form of URL, credentials or places; `kmsDenied`
    ///   where the environment has no credentials.
    public init(
        _ url: String, credentials: Credentials = .fromEnvironment(),
        transport: any Transport = URLSessionTransport(), timeout: TimeInterval = 60,
        retries: UInt32 = 3, region: String? = nil, places: [String: Place] = [:]
    ) throws {
        self.url = url
        let settings = KeyfoldGlue.RemoteSettings(
            timeoutMillis: milliseconds(timeout), retries: retries, region: region,
            places: places.mapValues { $0.glue })
        let service = try Call.plain {
            try KeyfoldGlue.KeyService.remote(
                url: url, transport: HostTransport(transport), caller: credentials.glue,
                timer: HostTimer(), settings: settings)
        }
        super.init(service: service)
    }

    /// What it can, where it is a cloud's; nothing for AWS and keyfold's own server, which lack
    /// nothing.
    public func capabilities() throws -> Capabilities? {
        try Call.plain { try service.capabilities() }.map { Capabilities($0) }
    }

    /// Where it is.
    public var description: String { "RemoteKms(\(url))" }
}

/// An access key, as AWS and most clouds have them.
public struct AccessKey: Sendable, CustomStringConvertible, CustomReflectable {
    /// Its id.
    public let id: String
    private let secret: String
    private let sessionToken: String?
    private let application: Application?

    /// An access key; with the token of its session, where it is short-lived.
    ///
    /// - Parameter application: What Ping An's password safe wants beside it.
    public init(
        id: String, secret: String, sessionToken: String? = nil, application: Application? = nil
    ) {
        self.id = id
        self.secret = secret
        self.sessionToken = sessionToken
        self.application = application
    }

    var glue: KeyfoldGlue.Credential {
        .accessKey(
            id: id, secret: secret, sessionToken: sessionToken, application: application?.glue)
    }

    /// Its id alone.
    public var description: String { "AccessKey(\(id), ..)" }

    /// Its id alone.
    public var customMirror: Mirror { Mirror(self, children: ["id": id]) }
}

/// The credential of an application, which Ping An's password safe gives out for each password.
public struct Application: Sendable, CustomStringConvertible, CustomReflectable {
    /// Its id.
    public let id: String
    private let key: String

    /// The credential of these parts.
    public init(id: String, key: String) {
        self.id = id
        self.key = key
    }

    var glue: KeyfoldGlue.Application {
        KeyfoldGlue.Application(id: id, key: key)
    }

    /// Its id alone.
    public var description: String { "Application(\(id), ..)" }

    /// Its id alone.
    public var customMirror: Mirror { Mirror(self, children: ["id": id]) }
}

/// Who calls a ``RemoteKms``.
public struct Credentials: Sendable, CustomStringConvertible, CustomReflectable {
    let glue: KeyfoldGlue.Caller

    private init(_ glue: KeyfoldGlue.Caller) {
        self.glue = glue
    }

    private init(fixed: KeyfoldGlue.Credential) {
        self.init(.fixed(credential: fixed))
    }

    private init(source: any KeyfoldGlue.ForeignCredentials) {
        self.init(.asked(source: source))
    }

    /// A bearer token, for keyfold's own server and for clouds that take one.
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

    /// From where the service's own tools take them: variables first, then their files, then, at
    /// Google, Azure and AWS, the machine. docs/providers.md names them all. What has to be
    /// exchanged for a token goes over the transport of the KMS. Not on iOS.
    ///
    /// - Parameters:
    ///   - file: Another file than the service's own; it passes over the variables.
    ///   - profile: The profile, or section, in the file; so does this.
    ///   - variables: These instead of those of the process.
    public static func fromEnvironment(
        file: URL? = nil, profile: String? = nil, variables: [String: String]? = nil
    ) -> Credentials {
        Credentials(.environment(variables: variables, file: file?.path, profile: profile))
    }

    /// A service account at Google, by the text of its key file: it is exchanged for tokens.
    public static func googleServiceAccount(_ file: Secret) -> Credentials {
        Credentials(.googleServiceAccount(file: file.glue))
    }

    /// An application at Azure, by a secret of its: it gets tokens.
    ///
    /// - Parameters:
    ///   - tenant: By its id or its domain.
    ///   - client: The application's id.
    ///   - secret: The secret.
    ///   - authority: Who gives out tokens, where that is another than the cloud's own.
    public static func azureClient(
        tenant: String, client: String, secret: Secret, authority: String? = nil
    ) -> Credentials {
        Credentials(
            .azureClient(
                tenant: tenant, client: client,
                proof: KeyfoldGlue.AzureProof.secret(secret: secret.glue), authority: authority))
    }

    /// An application at Azure, by its certificate.
    ///
    /// - Parameters:
    ///   - tenant: By its id or its domain.
    ///   - client: The application's id.
    ///   - pem: The certificate and its RSA key in PKCS#8, both in PEM.
    ///   - authority: Who gives out tokens, where that is another than the cloud's own.
    public static func azureCertificate(
        tenant: String, client: String, pem: Secret, authority: String? = nil
    ) -> Credentials {
        Credentials(
            .azureClient(
                tenant: tenant, client: client,
                proof: KeyfoldGlue.AzureProof.certificate(pem: pem.glue), authority: authority))
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
