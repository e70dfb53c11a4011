package bench;

import bench.peers.Peer;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.openjdk.jmh.infra.IterationParams;
import org.openjdk.jmh.results.IterationResult;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;

/**
 * Whole messages in memory, by JMH. A round gives every subject a short process of its own, so that
 * whatever slows the machine for a while slows all of them.
 */
final class Messages {
    private static final String RUST = "rust into a buffer";
    private static final String KEYFOLD = "keyfold";
    private static final String DIRECT = "keyfold (direct buffers)";
    private static final List<String> DIRECTIONS = List.of("encrypt", "decrypt");
    private static final int SMALL = 1 << 10;
    private static final int LARGE = 1 << 20;

    /** Who is measured on two threads too. */
    private static final List<String> SHARED =
            List.of(KEYFOLD, "tink envelope", "aws sdk", "javax (kept)", "corretto (kept)");

    private record Case(String subject, int size, int threads, String direction) {}

    /** Calls a second, of all rounds. */
    private final Map<Case, List<Double>> calls = new LinkedHashMap<>();

    private final Setup setup;
    private final Report report;

    Messages(Setup setup, Report report) {
        this.setup = setup;
        this.report = report;
    }

    void measure() throws IOException, InterruptedException, RunnerException {
        // A third would take as long as all the rest.
        int rounds = Math.min(2, setup.rounds());
        for (int round = 1; round <= rounds; round++) {
            System.out.println("messages, round " + round + " of " + rounds);
            for (int size : new int[] {SMALL, LARGE}) {
                rust(size);
                jmh(Peer.NAMES, size, 1);
            }
            jmh(SHARED, SMALL, 2);
        }
        rows();
        floors();
    }

    private void jmh(List<String> subjects, int size, int threads) throws RunnerException {
        boolean quick = setup.quick();
        for (RunResult result :
                new Runner(
                                new OptionsBuilder()
                                        .include(Whole.class.getName())
                                        .param("peer", subjects.toArray(String[]::new))
                                        .param("size", String.valueOf(size))
                                        .threads(threads)
                                        .forks(1)
                                        .warmupIterations(1)
                                        .warmupTime(TimeValue.milliseconds(quick ? 50 : 500))
                                                // As short and as many as the samples in Rust: then the
                                        // median leaves out the same that was another's.
                                        .measurementIterations(quick ? 5 : 25)
                                        .measurementTime(TimeValue.milliseconds(quick ? 10 : 30))
                                        .jvmArgs(
                                                "-Xms2g",
                                                "-Xmx2g",
                                                "-D" + Whole.WARM + "=" + (quick ? 100 : size > SMALL ? 1500 : 700))
                                        .shouldFailOnError(true)
                                        .verbosity(VerboseMode.SILENT)
                                        .build())
                        .run()) {
            String method = result.getParams().getBenchmark();
            Case about =
                    new Case(
                            result.getParams().getParam("peer"),
                            size,
                            threads,
                            method.substring(method.lastIndexOf('.') + 1));
            for (var fork : result.getBenchmarkResults()) {
                for (IterationResult iteration : fork.getIterationResults()) {
                    found(about, iteration.getPrimaryResult().getScore());
                }
            }
        }
    }

    /** What Rust makes of the same messages, into the caller's buffer, with a cached data key. */
    private void rust(int size) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.addAll(List.of(setup.rust().toString(), "message", String.valueOf(size)));
        if (setup.quick()) command.add("--quick");
        JsonArray rows = JsonParser.parseString(Setup.run(command, Map.of())).getAsJsonArray();
        for (JsonElement element : rows) {
            JsonObject row = element.getAsJsonObject();
            if (!row.get("subject").getAsString().startsWith("Client")) continue;
            double seconds = row.get("value").getAsDouble() / 1e6;
            found(new Case(RUST, size, 1, row.get("direction").getAsString()), 1 / seconds);
        }
    }

    private void found(Case about, double each) {
        calls.computeIfAbsent(about, unused -> new ArrayList<>()).add(each);
    }

    private double value(String subject, int size, int threads, String direction) {
        return Setup.median(calls.get(new Case(subject, size, threads, direction)));
    }

    private void rows() {
        for (int[] about : new int[][] {{SMALL, 1}, {SMALL, 2}, {LARGE, 1}}) {
            int size = about[0];
            int threads = about[1];
            for (String direction : DIRECTIONS) {
                for (Case found : calls.keySet()) {
                    if (!found.equals(new Case(found.subject, size, threads, direction))) continue;
                    double own = value(found.subject, size, threads, direction);
                    boolean ours = found.subject.equals(KEYFOLD);
                    String to = threads > 1 ? "1 thread" : ours ? RUST : KEYFOLD;
                    double other =
                            threads > 1
                                    ? value(found.subject, size, 1, direction)
                                    : value(to, size, 1, direction);
                    boolean large = size > SMALL;
                    report.row(
                            new Report.Row(
                                    "message",
                                    found.subject,
                                    size,
                                    threads,
                                    direction,
                                    large ? "throughput" : "calls",
                                    large ? own * size / 1e9 : own,
                                    large ? "GB/s" : "/s",
                                    own / other,
                                    to));
                }
            }
        }
    }

    private void floors() {
        for (String way : DIRECTIONS) {
            double small = value(KEYFOLD, SMALL, 1, way);
            double two = value(KEYFOLD, SMALL, 2, way);
            double large = value(KEYFOLD, LARGE, 1, way);
            double direct = value(DIRECT, LARGE, 1, way) / value(RUST, LARGE, 1, way);
            report.atLeast("1 KiB " + way, small, 350_000, "/s");
            report.atLeast("1 KiB " + way + ", two threads to one", two / small, 1.7, "");
            for (String peer :
                    List.of("tink envelope", "tink envelope (corretto)", "aws sdk")) {
                double ratio = small / value(peer, SMALL, 1, way);
                report.atLeast("1 KiB " + way + ", to " + peer, ratio, 1, "");
            }
            report.atLeast("1 MiB " + way, large * LARGE / 1e9, 3.5, "GB/s");
            report.atLeast("1 MiB " + way + ", direct buffers, to " + RUST, direct, 0.85, "");
        }
    }
}
