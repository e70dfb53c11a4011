import Foundation
internal import KeyfoldGlue

/// Bytes that do not show themselves, overwritten in memory when the last reference is gone.
///
/// Neither `print` nor `dump` shows the value; two are compared in constant time.
public final class Secret: Sendable {
    let glue: KeyfoldGlue.Secret

    init(glue: KeyfoldGlue.Secret) {
        self.glue = glue
    }

    /// A copy of these bytes. What was given is the caller's, and not wiped.
    public convenience init(_ bytes: Data) {
        self.init(glue: KeyfoldGlue.Secret(value: bytes))
    }

    /// A copy of this text, in UTF-8.
    public convenience init(_ text: String) {
        self.init(Data(text.utf8))
    }

    /// The value itself. The copy is the caller's: it is not wiped.
    ///
    /// - Throws: `invalidArgument` once it is wiped.
    public func expose() throws -> Data {
        try Call.plain { try glue.expose() }
    }

    /// The value as text.
    ///
    /// - Throws: `invalidArgument` once it is wiped, and where it is no text in UTF-8.
    public func exposeText() throws -> String {
        guard let text = String(data: try expose(), encoding: .utf8) else {
            throw KeyfoldError(.invalidArgument, "the secret is not text in UTF-8")
        }
        return text
    }

    /// How many bytes it has; 0 once it is wiped.
    public var count: Int {
        Int((try? glue.size()) ?? 0)
    }

    /// The id of its version, where it came from ``Secrets``.
    public var version: String? {
        glue.version()
    }

    /// Overwrites the value in memory now. A second time does nothing.
    public func wipe() {
        glue.wipe()
    }
}

extension Secret: Equatable {
    /// Whether both have the same bytes; one that is wiped equals nothing else.
    public static func == (left: Secret, right: Secret) -> Bool {
        left === right || ((try? left.glue.isSame(other: right.glue)) ?? false)
    }
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Never the value.
    public var description: String { "Secret(..)" }

    /// Never the value.
    public var debugDescription: String { "Secret(..)" }

    /// Without children: `dump` shows nothing.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}
