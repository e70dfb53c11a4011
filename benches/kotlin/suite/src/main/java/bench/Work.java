package bench;

import bench.peers.Peer;
import bench.peers.Streams;
import java.nio.file.Files;
import java.nio.file.Path;

/** What a program in Java does with a file, in a process of its own. */
final class Work {
    private Work() {}

    /**
     * Words: peer, `paths` or `streams`, direction, source, target, store, small file, answer.
     *
     * <p>Writes seconds to a file: of the work as such a program begins it, counted from the start
     * of `main`, and when all that it needs of the JVM has been compiled.
     */
    public static void main(String[] words) throws Exception {
        long begun = System.nanoTime();
        boolean paths = words[1].equals("paths");
        boolean encrypt = words[2].equals("encrypt");
        Path source = Path.of(words[3]);
        Path target = Path.of(words[4]);
        Streams streams = Streams.of(words[0], paths, Path.of(words[5]));
        double first = paths ? 0 : work(streams, encrypt, source, target, begun);
        warm(streams, Path.of(words[6]), target);
        double then = work(streams, encrypt, source, target, System.nanoTime());
        Files.writeString(Path.of(words[7]), first + " " + then);
    }

    private static double work(
            Streams streams, boolean encrypt, Path source, Path target, long since)
            throws Exception {
        if (encrypt) streams.encrypt(source, target);
        else streams.decrypt(source, target);
        return (System.nanoTime() - since) / 1e9;
    }

    private static void warm(Streams streams, Path small, Path target) throws Exception {
        Whole.warm(Peer.of("javax (kept)"));
        Path sealed = target.resolveSibling("small.sealed");
        for (int i = 0; i < 4; i++) {
            streams.encrypt(small, sealed);
            streams.decrypt(sealed, target);
        }
        Files.delete(sealed);
        Files.delete(target);
    }
}
