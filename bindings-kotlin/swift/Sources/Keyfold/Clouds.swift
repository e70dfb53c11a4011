import Foundation
internal import KeyfoldGlue

/// What is configured of a cloud's place: a private cloud, another site of the vendor, a test
/// server. Everything has a default. Nothing of it is ever read from an envelope.
public struct Place: Hashable, Sendable {
    /// The region that requests name, where it is not the place's own name.
    public var region: String?
    /// The address of the KMS: `https://HOST[:PORT]`, or `http` for this machine.
    public var keys: String?
    /// The address of the password safe.
    public var secrets: String?
    /// What else the provider's configuration has, by name: docs/providers.md lists it.
    public var settings: [String: String]

    /// A place of these parts.
    public init(
        region: String? = nil, keys: String? = nil, secrets: String? = nil,
        settings: [String: String] = [:]
    ) {
        self.region = region
        self.keys = keys
        self.secrets = secrets
        self.settings = settings
    }

    var glue: KeyfoldGlue.Place {
        KeyfoldGlue.Place(region: region, keys: keys, secrets: secrets, settings: settings)
    }
}

/// What a cloud's KMS and password safe can, and within which limits.
public struct Capabilities: Sendable, CustomStringConvertible {
    /// How a service offers something.
    public enum Support: Sendable {
        /// The service has it.
        case native
        /// keyfold makes it of what the service has.
        case composed
        /// Not at all: it is ``KeyfoldError/isUnsupported``, and nothing is sent.
        case absent
    }

    /// How a service binds the encryption context, beside the envelope, which binds it in any
    /// case.
    public enum ContextBinding: Hashable, Sendable {
        /// As pairs of text.
        case pairs
        /// As one text of at most so many bytes; what is longer goes as its digest.
        case text(max: UInt64)
        /// As bytes, whole.
        case bytes
        /// Not at all.
        case never
    }

    /// The scheme of its URIs.
    public let scheme: String
    /// The service's name, for people.
    public let title: String
    /// Every operation there is at any cloud, such as `generate data key`, `rewrap` or
    /// `set rotation`, and how this one offers it.
    public let operations: [String: Support]
    /// How the context is bound.
    public let context: ContextBinding
    /// The longest small plaintext, in bytes.
    public let maxPlaintext: UInt64
    /// The longest value of a secret, in bytes; 0 where there is no safe.
    public let maxSecret: UInt64
    /// The bounds of the waiting period before a key is gone, in days.
    public let keyDeletionDays: ClosedRange<UInt32>
    /// Whether a key can be asked for by its alias.
    public let aliasIsName: Bool
    /// Calls for one new envelope without a data-key cache.
    public let callsToSeal: UInt32
    /// Calls for opening one.
    public let callsToOpen: UInt32

    init(_ about: KeyfoldGlue.CloudCapabilities) {
        scheme = about.scheme
        title = about.title
        operations = about.operations.mapValues { offer in
            switch offer {
            case .native: return .native
            case .composed: return .composed
            case .absent: return .absent
            }
        }
        switch about.context {
        case .pairs: context = .pairs
        case .text(let max): context = .text(max: max)
        case .bytes: context = .bytes
        case .never: context = .never
        }
        maxPlaintext = about.maxPlaintext
        maxSecret = about.maxSecret
        keyDeletionDays = about.minDeletionDays...about.maxDeletionDays
        aliasIsName = about.aliasIsName
        callsToSeal = about.sealCalls
        callsToOpen = about.openCalls
    }

    /// The schemes of all clouds, such as `tencent`.
    public static var schemes: [String] {
        KeyfoldGlue.cloudSchemes()
    }

    /// What the cloud of a scheme can, before anything of it is configured; nothing for a scheme
    /// that is no cloud's. Where a place's settings change what there is,
    /// ``RemoteKms/capabilities()`` tells it.
    public static func of(_ scheme: String) -> Capabilities? {
        guard let about = KeyfoldGlue.cloudCapabilities(scheme: scheme) else { return nil }
        return Capabilities(about)
    }

    /// Whether there is this operation, by its name in ``operations``.
    public func has(_ operation: String) -> Bool {
        operations[operation].map { $0 != .absent } ?? false
    }

    /// The service's name.
    public var description: String { "Capabilities(\(title))" }
}

/// Several KMSs behind one, so that one keyring names keys of several clouds.
///
/// Each request goes to the KMS whose keys it names, by how the key's URI begins, such as
/// `tencent://ap-guangzhou/` or `keyfold:`. The longest beginning that fits counts. An envelope
/// chooses among these, and brings in no other. Keys are managed at the KMSs themselves.
public final class RouterKms: Kms, CustomStringConvertible {
    let service: KeyfoldGlue.KeyService
    private let beginnings: [String]

    /// A router.
    ///
    /// - Parameters:
    ///   - routes: The KMSs, by how the URIs of their keys begin.
    ///   - otherwise: For all other keys, and for what names none: secrets, small data without a
    ///     key.
    public init(_ routes: [String: any Kms], otherwise: (any Kms)? = nil) throws {
        beginnings = routes.keys.sorted()
        service = try Call.plain {
            try KeyfoldGlue.KeyService.router(
                routes: routes.map { prefix, kms in
                    KeyfoldGlue.Route(prefix: prefix, kms: glueService(of: kms))
                },
                otherwise: otherwise.map { glueService(of: $0) })
        }
    }

    /// Performs a request.
    public func call(_ request: KmsRequest) async throws -> KmsResponse {
        try await Call.run {
            KmsResponse(try await service.call(request: try request.glue()))
        }
    }

    /// How the URIs of the keys begin.
    public var description: String { "RouterKms(\(beginnings.joined(separator: ", ")))" }
}
