package io.keyfold;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** All six tasks, from a language without coroutines. */
class JavaTest {
    @Test
    void sixTasks(@TempDir Path folder) throws Exception {
        try (EmbeddedKms kms = BlockingClient.openOrCreateKms(folder.resolve("keys"))) {
            String docs = BlockingClient.createKey(kms, "alias/docs");
            String backup = BlockingClient.createKey(kms, "alias/backup");
            String release = BlockingClient.createKey(kms, "alias/release", "ECC_NIST_P256");
            try (BlockingClient client = new BlockingClient(kms, docs, Map.of("tenant", "acme"))) {
                byte[] hello = "hello".getBytes();
                byte[] sealed = client.encrypt(hello);
                assertArrayEquals(hello, client.decrypt(sealed));
                Options other = new Options().keys(new Keyring(backup)).context(Map.of());
                assertArrayEquals(hello, client.decrypt(client.encrypt(hello, other), other));

                ByteBuffer out = ByteBuffer.allocateDirect((int) Client.maxEncryptedLength(5));
                client.encrypt(ByteBuffer.wrap(hello), out);
                ByteBuffer back = ByteBuffer.allocate(out.flip().remaining());
                assertEquals(5, client.decrypt(out, back));

                ByteArrayOutputStream stream = new ByteArrayOutputStream();
                try (SealingOutputStream writer = client.sealingStream(stream)) {
                    writer.write(hello);
                    writer.finish();
                }
                byte[] read = client.openStream(new ByteArrayInputStream(stream.toByteArray())).readAllBytes();
                assertArrayEquals(hello, read);

                Path plain = Files.write(folder.resolve("plain"), new byte[100_000]);
                List<Long> seen = new ArrayList<>();
                Path target = folder.resolve("sealed");
                client.encryptFile(plain, target, new Options(), true, (done, all) -> seen.add(done));
                assertEquals(100_000L, seen.get(seen.size() - 1));
                assertEquals(100_000L, client.decryptFile(target, folder.resolve("back")));

                try (FileChannel channel = FileChannel.open(target);
                        BlockingReader reader = client.openReader(channel)) {
                    assertArrayEquals(new byte[7], reader.read(50_000L, 7));
                    assertEquals(100_000L, reader.verifyLength());
                    assertEquals(100_000L, reader.getPlaintextLength());
                    assertThrows(KeyfoldException.InvalidArgument.class, () -> reader.read(-1L, 7));
                }

                byte[] moved = client.rewrap(sealed, new Keyring(backup));
                KeyfoldException refused =
                        assertThrows(KeyfoldException.NoUsableKey.class, () -> client.decrypt(moved));
                assertEquals("no_usable_key", refused.getCode());
                assertEquals(List.of(backup), List.of(EnvelopeInfo.of(moved).getRecipients().get(0).getKey()));

                byte[] both = client.addRecipients(moved, new Keyring(docs), new Keyring(backup));
                assertArrayEquals(hello, client.decrypt(client.removeRecipients(both, List.of(backup))));

                byte[] signature = client.sign(hello, release);
                client.verify(hello, signature, release);
                client.publicKey(release).verify(hello, signature);

                assertArrayEquals(hello, client.decryptSmall(client.encryptSmall(hello)));
                try (Secret value = new Secret("correct horse")) {
                    client.putSecret("db/password", value);
                }
                try (Secret value = client.getSecret("db/password")) {
                    assertEquals("correct horse", value.exposeText());
                }
                assertTrue(client.getClient().getCacheStats().getHits() > 0);
            }
        }
    }

    @Test
    void keysAreManaged() throws Exception {
        try (EmbeddedKms kms = EmbeddedKms.inMemory()) {
            BlockingKeyAdmin keys = new BlockingKeyAdmin(kms);
            String docs = keys.createKey("alias/docs");
            keys.disableKey(docs);
            assertFalse(keys.describeKey("keyfold:alias/docs").isEnabled());
            keys.enableKey(docs);
            keys.tagKey(docs, Map.of("team", "a"));
            assertEquals(Map.of("team", "a"), keys.listTags(docs));
            keys.rotateKey(docs);
            keys.setRotation(docs, 90);
            keys.setRotation(docs, null);
            keys.createAlias("alias/more", docs);
            assertEquals(2, keys.listAliases(docs).size());
            assertEquals(keys.scheduleKeyDeletion(docs, 7), keys.describeKey(docs).getDeletion());
            keys.cancelKeyDeletion(docs);
            assertEquals(List.of(docs), keys.listKeys());
            assertThrows(KeyfoldException.VersionConflict.class, () -> keys.createKey("alias/docs"));
        }
    }

    @Test
    void credentialsAreAskedFor() throws Exception {
        var asked = new AtomicInteger();
        HttpTransport none = (request, rest) -> {
            assertTrue(request.getHeaders().stream().anyMatch(header -> header.getSecond().contains("t.o.k")));
            throw new KeyfoldException.KmsThrottled("slowly");
        };
        var token = Credentials.tokenFrom(() -> "t.o.k" + asked.incrementAndGet());
        try (RemoteKms kms = new RemoteKms("keyfold://kms.example.com", none, token)) {
            assertThrows(KeyfoldException.KmsThrottled.class, () -> new BlockingKeyAdmin(kms).listKeys());
            assertEquals(1, asked.get());
        }
        var key = Credentials.accessKeyFrom(() -> { throw new IllegalStateException("the vault is away"); });
        try (RemoteKms kms = new RemoteKms("aws://eu-west-1", none, key)) {
            var denied = assertThrows(
                    KeyfoldException.KmsDenied.class, () -> new BlockingKeyAdmin(kms).listKeys());
            assertEquals("the vault is away", denied.getCause().getMessage());
        }
    }

    @Test
    void aThreadThatIsInterruptedGivesUp() throws Exception {
        try (EmbeddedKms inner = EmbeddedKms.inMemory()) {
            Hanging kms = new Hanging(inner);
            try (BlockingClient client = new BlockingClient(kms, "keyfold:alias/docs")) {
                var ended = new CompletableFuture<Throwable>();
                Thread thread = new Thread(() -> {
                    try {
                        client.encrypt("hello".getBytes());
                        ended.complete(null);
                    } catch (Throwable failed) {
                        ended.complete(failed);
                    }
                });
                thread.start();
                kms.getBegun().take();
                thread.interrupt();
                assertInstanceOf(InterruptedException.class, ended.get(60, TimeUnit.SECONDS));
                assertTrue(kms.getCancelled().poll(60, TimeUnit.SECONDS), "the KMS goes on");
            }
        }
    }
}
