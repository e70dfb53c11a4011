package bench.peers;

import com.amazonaws.encryptionsdk.AwsCrypto;
import com.amazonaws.encryptionsdk.CryptoMaterialsManager;
import com.google.crypto.tink.StreamingAead;
import com.google.crypto.tink.subtle.AesGcmHkdfStreaming;
import io.keyfold.BlockingClient;
import io.keyfold.Client;
import io.keyfold.SealingOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** From file to file, in memory that does not grow with the file. */
public interface Streams {
    /** What copies, and nothing else. */
    String COPY = "copy";

    /** Who is measured. */
    List<String> NAMES = List.of("keyfold", "tink (segments of 1 MiB)", "aws sdk", COPY);

    /** What is read and written at a time. */
    int PIECE = 1 << 20;

    /** Encrypts a file. */
    void encrypt(Path source, Path target) throws Exception;

    /** Decrypts a file. */
    void decrypt(Path source, Path target) throws Exception;

    /**
     * Sets a peer up.
     *
     * @param paths whether it is given paths, where it takes those, and not streams.
     * @param store the folder of keyfold's KMS.
     */
    static Streams of(String name, boolean paths, Path store) throws Exception {
        return switch (name) {
            case "keyfold" -> paths ? keyfoldPaths(store) : keyfoldStreams(store);
            case "aws sdk" -> aws();
            case COPY -> between((in, out) -> copy(in, out), (in, out) -> copy(in, out));
            default -> tink();
        };
    }

    private static BlockingClient keyfold(Path store) throws InterruptedException {
        return new BlockingClient(
                new Client(
                        BlockingClient.openOrCreateKms(store), "keyfold:alias/bench", Peer.CONTEXT));
    }

    private static Streams keyfoldPaths(Path store) throws InterruptedException {
        BlockingClient client = keyfold(store);
        return new Streams() {
            @Override
            public void encrypt(Path source, Path target) throws InterruptedException {
                client.encryptFile(source, target);
            }

            @Override
            public void decrypt(Path source, Path target) throws InterruptedException {
                client.decryptFile(source, target);
            }
        };
    }

    private static Streams keyfoldStreams(Path store) throws InterruptedException {
        BlockingClient client = keyfold(store);
        return between(
                (in, out) -> {
                    try (SealingOutputStream sealed = client.sealingStream(out)) {
                        copy(in, sealed);
                        sealed.finish();
                    }
                },
                (in, out) -> {
                    try (InputStream plain = client.openStream(in)) {
                        copy(plain, out);
                    }
                });
    }

    private static Streams tink() throws Exception {
        byte[] context = "tenant=acme".getBytes(java.nio.charset.StandardCharsets.UTF_8);
        StreamingAead aead = new AesGcmHkdfStreaming(new byte[32], "HmacSha256", 32, 1 << 20, 0);
        return between(
                (in, out) -> {
                    try (OutputStream sealed = aead.newEncryptingStream(out, context)) {
                        copy(in, sealed);
                    }
                },
                (in, out) -> {
                    try (InputStream plain = aead.newDecryptingStream(in, context)) {
                        copy(plain, out);
                    }
                });
    }

    private static Streams aws() {
        AwsCrypto sdk = Aws.sdk(Aws.FRAME);
        CryptoMaterialsManager manager = Aws.manager();
        return between(
                (in, out) -> {
                    try (OutputStream sealed =
                            sdk.createEncryptingStream(manager, out, Peer.CONTEXT)) {
                        copy(in, sealed);
                    }
                },
                (in, out) -> {
                    try (InputStream plain =
                            sdk.createUnsignedMessageDecryptingStream(manager, in)) {
                        copy(plain, out);
                    }
                });
    }

    /** What passes one stream on to another. */
    interface Pass {
        /** Reads all of one, and writes the other. */
        void pass(InputStream in, OutputStream out) throws Exception;
    }

    private static Streams between(Pass encrypt, Pass decrypt) {
        return new Streams() {
            @Override
            public void encrypt(Path source, Path target) throws Exception {
                pass(encrypt, source, target);
            }

            @Override
            public void decrypt(Path source, Path target) throws Exception {
                pass(decrypt, source, target);
            }

            private void pass(Pass pass, Path source, Path target) throws Exception {
                try (InputStream in = Files.newInputStream(source);
                        OutputStream out = Files.newOutputStream(target)) {
                    pass.pass(in, out);
                }
            }
        };
    }

    private static void copy(InputStream in, OutputStream out) throws IOException {
        byte[] piece = new byte[PIECE];
        for (int count; (count = in.read(piece)) >= 0; ) {
            out.write(piece, 0, count);
        }
    }
}
