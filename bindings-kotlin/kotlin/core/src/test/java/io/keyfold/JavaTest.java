package io.keyfold;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
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

                byte[] moved = client.rewrap(sealed, new Keyring(backup));
                KeyfoldException refused =
                        assertThrows(KeyfoldException.NoUsableKey.class, () -> client.decrypt(moved));
                assertEquals("no_usable_key", refused.getCode());
                assertEquals(List.of(backup), List.of(EnvelopeInfo.of(moved).getRecipients().get(0).getKey()));

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
}
