package bench;

import bench.peers.Peer;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** Whole messages in memory; one peer and one size in each process. */
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
public class Whole {
    /** The system property that says for how many milliseconds. */
    static final String WARM = "bench.warm";

    /** What all threads share. */
    @State(Scope.Benchmark)
    public static class Shared {
        /** A name of {@link Peer#NAMES}. */
        @Param({""})
        public String peer;

        /** Bytes of plaintext. */
        @Param({"0"})
        public int size;

        Peer library;

        /** Sets the peer up, and has what it needs compiled. */
        @Setup
        public void setup() throws Exception {
            library = Peer.of(peer);
            warm(library);
        }
    }

    /** What a thread has for itself. */
    @State(Scope.Thread)
    public static class Own {
        Peer.Message message;

        /** Makes the thread's message. */
        @Setup
        public void setup(Shared shared) throws Exception {
            message = shared.library.message(shared.size);
        }
    }

    /** Encrypts it. */
    @Benchmark
    public Object encrypt(Own own) throws Exception {
        return own.message.encrypt();
    }

    /** Decrypts what came of that. */
    @Benchmark
    public Object decrypt(Own own) throws Exception {
        return own.message.decrypt();
    }

    /**
     * Many small messages, for so long in processor time: others may be at work here. A JVM that has
     * only seen large ones runs its own ciphers at a fiftieth of their speed for many seconds; {@link
     * Cold} shows that.
     */
    static void warm(Peer library) throws Exception {
        Peer.Message small = library.message(1 << 10);
        Peer.Message middle = library.message(1 << 14);
        ThreadMXBean threads = ManagementFactory.getThreadMXBean();
        long end =
                threads.getCurrentThreadCpuTime()
                        + TimeUnit.MILLISECONDS.toNanos(Long.getLong(WARM, 700));
        while (threads.getCurrentThreadCpuTime() < end) {
            for (int i = 0; i < 100; i++) {
                small.encrypt();
                small.decrypt();
                middle.encrypt();
                middle.decrypt();
            }
        }
    }
}
