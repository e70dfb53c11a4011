package io.keyfold;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The tasks as futures. */
class AsyncTest {
    private static final byte[] HELLO = "hello".getBytes();

    @Test
    void theTasks(@TempDir Path folder) throws Exception {
        try (EmbeddedKms kms = EmbeddedKms.inMemory()) {
            String docs = BlockingClient.createKey(kms, "alias/docs");
            String backup = BlockingClient.createKey(kms, "alias/backup");
            String release = BlockingClient.createKey(kms, "alias/release", "ECC_NIST_P256");
            try (AsyncClient client = new AsyncClient(kms, docs, Map.of("tenant", "acme"))) {
                byte[] sealed = client.encrypt(HELLO).join();
                assertArrayEquals(HELLO, client.decrypt(sealed).get());
                assertArrayEquals(HELLO, client.encrypt(HELLO).thenCompose(client::decrypt).join());
                assertTrue(client.encrypt(HELLO).isDone(), "nobody is asked");

                ByteBuffer out = ByteBuffer.allocateDirect((int) Client.maxEncryptedLength(5));
                client.encrypt(ByteBuffer.wrap(HELLO), out).join();
                assertEquals(5, client.decrypt(out.flip(), ByteBuffer.allocate(out.remaining())).join());

                ByteArrayOutputStream stream = new ByteArrayOutputStream();
                try (SealingOutputStream writer = client.sealingStream(stream).join()) {
                    writer.write(HELLO);
                    writer.finish();
                }
                var source = new ByteArrayInputStream(stream.toByteArray());
                assertArrayEquals(HELLO, client.openStream(source).join().readAllBytes());

                Path plain = Files.write(folder.resolve("plain"), new byte[100_000]);
                Path file = folder.resolve("sealed");
                assertEquals(100_000L, client.encryptFile(plain, file).join());
                assertEquals(100_000L, client.decryptFile(file, folder.resolve("back")).join());
                try (FileChannel channel = FileChannel.open(file);
                        AsyncReader reader = client.openReader(channel).join()) {
                    assertEquals(100_000L, reader.getPlaintextLength());
                    var parts = IntStream.range(0, 50).mapToObj(at -> reader.read(at * 2000L, 10));
                    for (var part : parts.collect(Collectors.toList())) {
                        assertArrayEquals(new byte[10], part.join());
                    }
                    assertEquals(100_000L, reader.verifyLength().join());
                    KeyfoldException.InvalidArgument refused = failure(reader.read(-1, 5));
                    assertFalse(refused.getRetryable());
                }

                byte[] moved = client.rewrap(sealed, new Keyring(backup)).join();
                Options other = new Options().keys(new Keyring(backup));
                assertArrayEquals(HELLO, client.decrypt(moved, other).join());
                byte[] both = client.addRecipients(moved, new Keyring(docs), new Keyring(backup)).join();
                assertArrayEquals(HELLO, client.decrypt(both).join());

                byte[] signature = client.sign(HELLO, release).join();
                client.verify(HELLO, signature, release).join();
                client.publicKey(release).join().verify(HELLO, signature);
                assertArrayEquals(HELLO, client.encryptSmall(HELLO).thenCompose(client::decryptSmall).join());
                try (Secret value = new Secret("correct horse")) {
                    client.putSecret("db/password", value).join();
                }
                try (Secret value = client.getSecret("db/password").join()) {
                    assertEquals("correct horse", value.exposeText());
                }
            }
        }
    }

    /** What a future failed with, as it has to be wrapped. */
    @SuppressWarnings("unchecked")
    private static <T extends KeyfoldException> T failure(CompletableFuture<?> future) {
        Throwable joined = assertThrows(CompletionException.class, future::join).getCause();
        assertSame(joined, assertThrows(ExecutionException.class, future::get).getCause());
        assertTrue(future.isCompletedExceptionally());
        return (T) assertInstanceOf(KeyfoldException.class, joined);
    }

    @Test
    void failuresAreInTheFuture() throws Exception {
        try (EmbeddedKms kms = EmbeddedKms.inMemory()) {
            String docs = BlockingClient.createKey(kms, "alias/docs");
            AsyncClient client = new AsyncClient(kms, docs);
            byte[] sealed = client.encrypt(HELLO).join();
            Options wrong = new Options().context(Map.of("tenant", "globex"));
            KeyfoldException.ContextMismatch mismatch = failure(client.decrypt(sealed, wrong));
            assertEquals("context_mismatch", mismatch.getCode());
            KeyfoldException.SecretNotFound missing = failure(client.getSecret("nothing"));
            assertEquals("secret_not_found", missing.getCode());
            KeyfoldException.Truncated cut = failure(client.rewrap(new byte[0], new Keyring(docs)));
            assertEquals("truncated", cut.getCode());
            // A stage behind it sees the same.
            var seen = client.decrypt(sealed, wrong).handle((opened, failed) -> failed).join();
            assertInstanceOf(KeyfoldException.ContextMismatch.class, seen);
            client.close();
            KeyfoldException.InvalidArgument closed = failure(client.encrypt(HELLO));
            assertEquals("invalid_argument", closed.getCode());
        }
    }

    @Test
    void cancellingReachesTheKms() throws Exception {
        try (EmbeddedKms inner = EmbeddedKms.inMemory();
                AsyncClient client = new AsyncClient(new Hanging(inner), "keyfold:alias/docs")) {
            for (boolean interrupt : List.of(true, false)) {
                Hanging kms = (Hanging) client.getClient().getKms();
                var call = client.encrypt(HELLO);
                kms.getBegun().take();
                assertFalse(call.isDone());
                assertTrue(call.cancel(interrupt));
                assertTrue(kms.getCancelled().poll(60, TimeUnit.SECONDS), "the KMS goes on");
                assertThrows(CancellationException.class, call::join);
            }
        }
    }

    @Test
    void manyAtOnceAskOnce() throws Exception {
        try (EmbeddedKms kms = EmbeddedKms.inMemory()) {
            String docs = BlockingClient.createKey(kms, "alias/docs");
            try (AsyncClient client = new AsyncClient(kms, docs)) {
                List<CompletableFuture<byte[]>> calls = IntStream.range(0, 200)
                        .mapToObj(number -> client.encrypt(new byte[number]))
                        .collect(Collectors.toList());
                CompletableFuture.allOf(calls.toArray(new CompletableFuture[0])).join();
                assertEquals(1, client.getClient().getCacheStats().getMisses());
            }
        }
    }
}
