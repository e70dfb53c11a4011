package bench.peers;

import java.util.List;
import java.util.Map;

/** A library that is measured, set up as it is best. */
public interface Peer {
    /** What is measured, in the order of the table. */
    List<String> NAMES =
            List.of(
                    "keyfold",
                    "keyfold (direct buffers)",
                    "tink envelope",
                    "tink envelope (corretto)",
                    "tink AES256_GCM",
                    "aws sdk",
                    "aws sdk (corretto)",
                    "aws sdk (keyring)",
                    "javax (new)",
                    "javax (kept)",
                    "corretto (new)",
                    "corretto (kept)");

    /** The public context of every message. */
    Map<String, String> CONTEXT = Map.of("tenant", "acme");

    /** A message of so many bytes, for one thread. */
    Message message(int size) throws Exception;

    /** One message, to be encrypted and decrypted again and again. */
    interface Message {
        /** Answers something, so that the work is needed. */
        Object encrypt() throws Exception;

        /** Answers something, so that the work is needed. */
        Object decrypt() throws Exception;
    }

    /** Sets a peer up. Where its name has "corretto", the whole process goes by that provider. */
    static Peer of(String name) throws Exception {
        if (name.contains("corretto")) Bare.installCorretto();
        String library = name.replaceFirst(" \\(.*", "");
        return switch (library) {
            case "keyfold" -> new Keyfold(name.contains("direct"));
            case "tink envelope" -> Tink.envelope();
            case "tink AES256_GCM" -> Tink.bare();
            case "aws sdk" -> name.contains("keyring") ? Aws.keyring() : Aws.caching();
            default -> new Bare(name.contains("kept"));
        };
    }

    /** Bytes that are not all the same. */
    static byte[] plaintext(int size) {
        byte[] bytes = new byte[size];
        new java.util.Random(7).nextBytes(bytes);
        return bytes;
    }
}
