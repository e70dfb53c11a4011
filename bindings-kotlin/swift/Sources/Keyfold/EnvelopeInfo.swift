import Foundation
internal import KeyfoldGlue

/// What anybody can read in an envelope. Nothing of it is proven: only opening it does that.
public struct EnvelopeInfo: Hashable, Sendable {
    /// One of the KMS keys that can open an envelope.
    public struct Recipient: Hashable, Sendable {
        /// The KMS key, by its full name.
        public let key: String
        /// Length of the wrapped data key in bytes.
        public let wrappedKeyLength: UInt32
        /// Names of what its KMS noted to unwrap it again.
        public let parameters: [String]
    }

    /// What an envelope says of its signature: a hint, never a reason to trust it.
    public struct Signature: Hashable, Sendable {
        /// Such as `ED25519_PH_SHA_512`.
        public let algorithm: String
        /// What kind of key signed, such as `ECC_NIST_P256`.
        public let spec: String
        /// The key URI of the signer, where it is named so.
        public let key: String?
        /// Its public key in DER, where it is named so.
        public let publicKey: Data?
    }

    /// The version of the format.
    public let version: UInt8
    /// The number of the suite.
    public let suite: UInt16
    /// The cipher of the suite, such as `AES-256-GCM`.
    public let cipher: String
    /// The encryption context.
    public let context: [String: String]
    /// Who can open it.
    public let recipients: [Recipient]
    /// Who signed it, as it says; nothing where nobody did.
    public let signature: Signature?
    /// Length of the header in bytes.
    public let headerLength: UInt64
    /// Length of the body in bytes.
    public let bodyLength: UInt64
    /// Length of the plaintext in bytes, where the body is there.
    public let plaintextLength: UInt64?

    /// Looks into an envelope, or a header alone.
    ///
    /// - Throws: the structural codes; `truncated` where not all of the header is there.
    public init(of envelope: Data) throws {
        let length = UInt64(envelope.count)
        self.init(
            try Call.plain {
                try KeyfoldGlue.inspect(start: envelope.prefix(Header.limit), length: length)
            })
    }

    /// Looks into the envelope in a file; reads its header only.
    ///
    /// - Throws: `io`; the structural codes.
    public init(ofFile file: URL) throws {
        self.init(try Call.plain { try KeyfoldGlue.inspectFile(path: file.path) })
    }

    private init(_ info: KeyfoldGlue.Info) {
        version = info.version
        suite = info.suite
        cipher = info.cipher
        context = info.context
        recipients = info.recipients.map {
            Recipient(
                key: $0.key, wrappedKeyLength: $0.wrappedKeyLength, parameters: $0.parameters)
        }
        signature = info.signature.map {
            Signature(algorithm: $0.algorithm, spec: $0.spec, key: $0.key, publicKey: $0.publicKey)
        }
        headerLength = info.headerLength
        bodyLength = info.bodyLength
        plaintextLength = info.plaintextLength
    }
}

/// Finds the header that bytes start with.
enum Header {
    /// No header is longer (docs/spec/envelope.md): more bytes than these tell nothing.
    static let limit = 65_536

    /// Its length, or how many bytes more are wanted at least.
    enum Found {
        case length(Int)
        case missing(Int)
    }

    /// Looks at the start of an envelope.
    static func find(in start: Data) throws -> Found {
        let found = try Call.plain { try KeyfoldGlue.headerLength(start: start.prefix(limit)) }
        guard let length = found.length else { return .missing(Int(found.missing)) }
        return .length(Int(length))
    }

    /// An envelope in two. Where the header does not end, all of it counts as header: what opens it
    /// says what is wrong.
    static func split(_ envelope: Data) throws -> (header: Data, body: Data) {
        // Most headers are much shorter than the limit.
        for start in [envelope.prefix(2048), envelope] {
            if case .length(let length) = try find(in: start) {
                return (envelope.prefix(length), envelope.dropFirst(length))
            }
        }
        return (envelope.prefix(limit), Data())
    }
}
