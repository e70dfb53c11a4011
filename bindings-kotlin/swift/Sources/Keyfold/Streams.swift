import Foundation
internal import KeyfoldGlue

extension Client {
    /// Seals a stream: what comes out, in pieces, is the envelope.
    ///
    /// ```swift
    /// for try await piece in client.seal(FileChunks(of: file)) {
    ///     try out.write(contentsOf: piece)
    /// }
    /// ```
    ///
    /// The KMS is asked when the first piece is. A loop that ends by an error leaves an envelope
    /// that does not open.
    ///
    /// - Parameters:
    ///   - plaintext: Pieces of any length. Pieces of 64 KiB and more are sealed fastest.
    ///   - length: How many bytes they are together, where that is known.
    ///   - keys: Who can open it.
    ///   - context: What must be presented to open it.
    ///   - suite: The algorithms.
    ///   - signer: Who signs it; nobody where absent.
    public func seal<Source: AsyncSequence>(
        _ plaintext: Source, length: UInt64? = nil, with keys: Keyring? = nil,
        context: [String: String]? = nil, suite: Suite? = nil, signer: Signer? = nil
    ) -> SealedStream<Source> where Source.Element == Data {
        let spec = sealSpec(keys, context, suite, signer)
        return SealedStream(
            source: plaintext, client: self, spec: spec, length: length, signer: signer)
    }

    /// Opens a stream: what comes out, in pieces, is the plaintext.
    ///
    /// Every piece is proven when it comes, but not that there are more: until the loop has ended
    /// without an error, the plaintext may be cut, and a signature may be wrong. Do not act on it
    /// before, or use ``decrypt(_:with:context:match:signers:header:)``.
    ///
    /// - Parameters:
    ///   - envelope: Pieces of any length.
    ///   - keys: The keys that may open it.
    ///   - context: The context that it must have.
    ///   - match: How that is compared.
    ///   - signers: Whose signature is demanded; none where absent.
    public func open<Source: AsyncSequence>(
        stream envelope: Source, with keys: Keyring? = nil, context: [String: String]? = nil,
        match: ContextMatch = .exact, signers: Signers? = nil
    ) -> OpenedStream<Source> where Source.Element == Data {
        let spec = openSpec(keys, context, match, signers)
        return OpenedStream(source: envelope, client: self, spec: spec)
    }
}

/// The pieces of an envelope that is being sealed:
/// ``Client/seal(_:length:with:context:suite:signer:)``.
public struct SealedStream<Source: AsyncSequence>: AsyncSequence where Source.Element == Data {
    /// Bytes of the envelope, never none.
    public typealias Element = Data

    let source: Source
    let client: Client
    let spec: KeyfoldGlue.Spec
    let length: UInt64?
    let signer: Signer?

    /// Begins a new envelope.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(
            source: source.makeAsyncIterator(), client: client, spec: spec, length: length,
            signer: signer)
    }

    /// Seals as it is asked.
    public struct AsyncIterator: AsyncIteratorProtocol {
        private enum Stage {
            case beginning
            case body(KeyfoldGlue.Sealing)
            case trailer(KeyfoldGlue.Sealing)
            case ended
        }

        private var source: Source.AsyncIterator
        private let client: Client
        private let spec: KeyfoldGlue.Spec
        private let length: UInt64?
        // The library knows a key by its number only, for as long as it lives.
        private let signer: Signer?
        private var stage = Stage.beginning

        init(
            source: Source.AsyncIterator, client: Client, spec: KeyfoldGlue.Spec, length: UInt64?,
            signer: Signer?
        ) {
            self.source = source
            self.client = client
            self.spec = spec
            self.length = length
            self.signer = signer
        }

        /// The next piece; after the last one, and after an error, nothing.
        public mutating func next() async throws -> Data? {
            // Whatever is thrown ends it.
            let stage = self.stage
            self.stage = .ended
            switch stage {
            case .beginning:
                let sealing = try await begin()
                let header = try Call.plain { try sealing.header() }
                self.stage = .body(sealing)
                return header
            case .body(let sealing):
                return try await more(of: sealing)
            case .trailer(let sealing):
                let trailer = try await Call.run { try await sealing.trailer() }
                return trailer.isEmpty ? nil : trailer
            case .ended:
                return nil
            }
        }

        private func begin() async throws -> KeyfoldGlue.Sealing {
            let (glue, call, all) = (client.glue, self.spec, self.length)
            return try await Call.run { try await glue.seal(spec: call, length: all) }
        }

        private mutating func more(of sealing: KeyfoldGlue.Sealing) async throws -> Data? {
            while let piece = try await source.next() {
                try checkWhole(piece)
                let sealed = try Call.plain { try sealing.update(plaintext: piece) }
                if !sealed.isEmpty {
                    stage = .body(sealing)
                    return sealed
                }
            }
            // The last segment is never empty: it has a tag.
            let end = try Call.plain { try sealing.finish() }
            stage = .trailer(sealing)
            return end
        }
    }
}

extension SealedStream: Sendable where Source: Sendable {}

/// The pieces of a plaintext that is being opened:
/// ``Client/open(stream:with:context:match:signers:)``.
public struct OpenedStream<Source: AsyncSequence>: AsyncSequence where Source.Element == Data {
    /// Bytes of the plaintext, never none.
    public typealias Element = Data

    let source: Source
    let client: Client
    let spec: KeyfoldGlue.Spec

    /// Begins with the envelope.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(source: source.makeAsyncIterator(), client: client, spec: spec)
    }

    /// Opens as it is asked.
    public struct AsyncIterator: AsyncIteratorProtocol {
        private enum Stage {
            case beginning
            case body(KeyfoldGlue.Opening)
            case ended
        }

        private var source: Source.AsyncIterator
        private let client: Client
        private let spec: KeyfoldGlue.Spec
        private var stage = Stage.beginning
        /// What was read beyond the header.
        private var ahead = Data()

        init(source: Source.AsyncIterator, client: Client, spec: KeyfoldGlue.Spec) {
            self.source = source
            self.client = client
            self.spec = spec
        }

        /// The next piece; after the last one, and after an error, nothing.
        public mutating func next() async throws -> Data? {
            // Whatever is thrown ends it.
            let stage = self.stage
            self.stage = .ended
            switch stage {
            case .beginning:
                let opening = try await begin()
                return try await more(of: opening)
            case .body(let opening):
                return try await more(of: opening)
            case .ended:
                return nil
            }
        }

        /// Reads the header.
        private mutating func begin() async throws -> KeyfoldGlue.Opening {
            var start = Data()
            var header = 0
            var wanted = 1
            while header == 0 {
                guard let piece = try await source.next() else {
                    // What opens it says what is wrong.
                    header = start.count
                    break
                }
                start.append(piece)
                if start.count < wanted { continue }
                switch try Header.find(in: start) {
                case .length(let length):
                    header = length
                case .missing(let more):
                    wanted = start.count + max(more, 1)
                }
            }
            ahead = start.dropFirst(header)
            let (glue, call, detached) = (client.glue, self.spec, start.prefix(header))
            return try await Call.run {
                try await glue.open(
                    spec: call, header: detached, bodyLength: nil, unproven: false)
            }
        }

        private mutating func more(of opening: KeyfoldGlue.Opening) async throws -> Data? {
            while let piece = try await read() {
                try checkWhole(piece)
                let opened = try Call.plain { try opening.update(sealed: piece) }
                if !opened.isEmpty {
                    stage = .body(opening)
                    return opened
                }
            }
            let last = try Call.plain { try opening.finish() }
            return last.isEmpty ? nil : last
        }

        private mutating func read() async throws -> Data? {
            if ahead.isEmpty { return try await source.next() }
            let piece = ahead
            ahead = Data()
            return piece
        }
    }
}

extension OpenedStream: Sendable where Source: Sendable {}

/// The bytes of a file, in pieces.
public struct FileChunks: AsyncSequence, Sendable {
    /// Bytes of the file, never none.
    public typealias Element = Data

    private let file: URL
    private let size: Int

    /// A file, from its beginning to its end.
    ///
    /// - Parameters:
    ///   - file: The file; it is opened when the first piece is asked for.
    ///   - size: Bytes in a piece.
    public init(of file: URL, size: Int = 1 << 20) {
        self.file = file
        self.size = max(size, 1)
    }

    /// Begins with the file.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(file: file, size: size)
    }

    /// Reads as it is asked.
    public struct AsyncIterator: AsyncIteratorProtocol {
        private let file: URL
        private let size: Int
        private var handle: FileHandle?

        init(file: URL, size: Int) {
            self.file = file
            self.size = size
        }

        /// The next piece.
        ///
        /// - Throws: `io`.
        public mutating func next() async throws -> Data? {
            do {
                let handle = try self.handle ?? FileHandle(forReadingFrom: file)
                self.handle = handle
                guard let piece = try handle.read(upToCount: size), !piece.isEmpty else {
                    return nil
                }
                return piece
            } catch {
                throw KeyfoldError(.io, "the file could not be read", cause: error)
            }
        }
    }
}
