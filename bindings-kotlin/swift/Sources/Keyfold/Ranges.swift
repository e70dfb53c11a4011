import Foundation
internal import KeyfoldGlue

/// What can be read at any place: a file, bytes in memory, an object in a store.
///
/// What it throws passes through as it is. It is called from any task, several at once.
public protocol RangedSource: Sendable {
    /// How many bytes there are.
    func length() async throws -> UInt64

    /// The bytes of a range; fewer only at the end.
    func read(_ range: Range<UInt64>) async throws -> Data
}

/// A file as a source. It stays open until the last reference is gone.
public actor FileSource: RangedSource {
    private let handle: FileHandle

    /// Opens a file.
    ///
    /// - Throws: `io`.
    public init(_ file: URL) throws {
        do {
            handle = try FileHandle(forReadingFrom: file)
        } catch {
            throw KeyfoldError(.io, "the file could not be opened", cause: error)
        }
    }

    /// How many bytes it has.
    public func length() throws -> UInt64 {
        do {
            return try handle.seekToEnd()
        } catch {
            throw KeyfoldError(.io, "the file could not be read", cause: error)
        }
    }

    /// The bytes of a range.
    public func read(_ range: Range<UInt64>) throws -> Data {
        do {
            try handle.seek(toOffset: range.lowerBound)
            return try handle.read(upToCount: range.count) ?? Data()
        } catch {
            throw KeyfoldError(.io, "the file could not be read", cause: error)
        }
    }
}

/// Bytes in memory as a source.
public struct DataSource: RangedSource {
    private let data: Data

    /// These bytes.
    public init(_ data: Data) {
        self.data = data
    }

    /// How many bytes there are.
    public func length() -> UInt64 {
        UInt64(data.count)
    }

    /// The bytes of a range.
    public func read(_ range: Range<UInt64>) -> Data {
        let all = UInt64(data.count)
        let start = Int(min(range.lowerBound, all))
        let end = Int(min(range.upperBound, all))
        return data.dropFirst(start).prefix(end - start)
    }
}

extension Client {
    /// Opens an envelope of which parts are read.
    ///
    /// ```swift
    /// let reader = try await client.open(try FileSource(file))
    /// let part = try await reader.read(1_000_000..<1_004_096)
    /// ```
    ///
    /// - Parameters:
    ///   - source: Where the envelope is. Its header is read now, and a few bytes more.
    ///   - keys: The keys that may open it.
    ///   - context: The context that it must have.
    ///   - match: How that is compared.
    ///   - unprovenSignature: Whether a signed envelope is read although no part of it proves the
    ///     signature.
    /// - Throws: `invalidArgument` for a signed envelope without that.
    public func open(
        _ source: any RangedSource, with keys: Keyring? = nil, context: [String: String]? = nil,
        match: ContextMatch = .exact, unprovenSignature: Bool = false
    ) async throws -> EnvelopeReader {
        let spec = openSpec(keys, context, match)
        let size = try await source.length()
        // Most headers are much shorter than the limit. Where it does not end, all of it counts as
        // header: what opens it says what is wrong.
        var start = try await source.read(0..<min(size, 2048))
        if case .missing = try Header.find(in: start), size > 2048 {
            start = try await source.read(0..<min(size, UInt64(Header.limit)))
        }
        var header = start.count
        if case .length(let length) = try Header.find(in: start) {
            header = length
        }
        let detached = start.prefix(header)
        let begin = UInt64(header)
        let bodyLength = size > begin ? size - begin : 0
        let opening = try await Call.run {
            try await glue.open(
                spec: spec, header: detached, bodyLength: bodyLength, unproven: unprovenSignature)
        }
        // What the body begins with; what is there of it, where it is less.
        let end = begin + UInt64(KeyfoldGlue.streamSizes().prefix)
        let prefix = try await source.read(begin..<min(max(size, begin), end))
        let ranges = try Call.plain {
            try opening.ranges(start: prefix, bodyLength: bodyLength)
        }
        return EnvelopeReader(source: source, body: begin, ranges: ranges)
    }

    /// Opens the envelope in a file, of which parts are read.
    ///
    /// - Throws: as ``open(_:with:context:match:unprovenSignature:)``; `io`.
    public func openFile(
        at file: URL, with keys: Keyring? = nil, context: [String: String]? = nil,
        match: ContextMatch = .exact, unprovenSignature: Bool = false
    ) async throws -> EnvelopeReader {
        try await open(
            try FileSource(file), with: keys, context: context, match: match,
            unprovenSignature: unprovenSignature)
    }
}

/// An envelope of which parts are read: by any number of tasks at once.
///
/// What is read is authentic. Reading at one place says nothing of the rest: the end is proven by
/// ``verifyLength()``. The data key is forgotten with the last reference.
public final class EnvelopeReader: Sendable {
    private let source: any RangedSource
    /// Where the body starts in the source.
    private let body: UInt64
    private let ranges: KeyfoldGlue.Ranges

    init(source: any RangedSource, body: UInt64, ranges: KeyfoldGlue.Ranges) {
        self.source = source
        self.body = body
        self.ranges = ranges
    }

    /// Bytes of plaintext, as the length of the source tells it: proven by ``verifyLength()`` only.
    public var plaintextLength: UInt64 {
        ranges.plaintextLength()
    }

    /// The plaintext of a range; less of it at the end, and nothing behind it.
    ///
    /// Whole segments of 16 KiB are fetched and proven: ranges of that size and more cost least.
    ///
    /// - Parameter range: Bytes, at most 1 GB.
    /// - Throws: `authenticationFailed`; `truncated` where the source ends early; what the source
    ///   throws.
    public func read(_ range: Range<UInt64>) async throws -> Data {
        let end = min(range.upperBound, max(plaintextLength, range.lowerBound))
        if end - range.lowerBound > 1_000_000_000 {
            throw KeyfoldError(.limitExceeded, "a range that is read has at most 1 GB")
        }
        let fetch = try Call.plain {
            try ranges.fetch(start: range.lowerBound, end: range.upperBound)
        }
        return try await open(range.lowerBound, range.upperBound, fetch)
    }

    /// Proves the end, and so the length of the plaintext, which is answered.
    ///
    /// - Throws: `authenticationFailed`; `truncated`; what the source throws.
    @discardableResult
    public func verifyLength() async throws -> UInt64 {
        let length = plaintextLength
        _ = try await open(length, UInt64.max, ranges.fetchEnd())
        return length
    }

    private func open(
        _ start: UInt64, _ end: UInt64, _ fetch: KeyfoldGlue.Fetch
    ) async throws -> Data {
        let sealed = try await source.read(body + fetch.start..<body + fetch.end)
        return try Call.plain {
            try ranges.open(start: start, end: end, sealed: sealed)
        }
    }
}
