package bench;

import bench.peers.Streams;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** From file to file: by paths beside the command line, and by streams. */
final class Documents {
    private static final String COMMAND = "keyfold (command line)";
    private static final String KEYFOLD = "keyfold";

    /** The heap never grows, so what grows is the work's. */
    private static final List<String> JVM =
            List.of("-Xms96m", "-Xmx96m", "-XX:+UseSerialGC", "-XX:+AlwaysPreTouch");

    /** What a process said of itself, and what it took. */
    private record Cost(double first, double seconds, double peak) {}

    private final Setup setup;
    private final Report report;
    private final Path folder;

    private Documents(Setup setup, Report report, Path folder) {
        this.setup = setup;
        this.report = report;
        this.folder = folder;
    }

    static void measure(Setup setup, Report report) throws IOException, InterruptedException {
        long large = setup.quick() ? 64 << 20 : 1 << 30;
        Path folder = Files.createTempDirectory(place(large), "keyfold-bench-");
        try {
            Documents documents = new Documents(setup, report, folder);
            documents.prepare();
            documents.measure("paths", large);
            documents.measure("streams", setup.quick() ? 32 << 20 : 256 << 20);
        } finally {
            try (var files = Files.walk(folder)) {
                for (Path path : files.sorted(Comparator.reverseOrder()).toList()) {
                    Files.delete(path);
                }
            }
        }
    }

    private void prepare() throws IOException, InterruptedException {
        make("small", 16 << 20);
        String keyfold = setup.keyfold().toString();
        Setup.run(List.of(keyfold, "init"), home());
        Setup.run(List.of(keyfold, "key", "create", "--alias", "alias/bench"), home());
    }

    private void measure(String how, long size) throws IOException, InterruptedException {
        System.out.println(how + " of " + Report.human(size) + " in " + folder);
        make("plain", size);
        List<String> subjects = new ArrayList<>(Streams.NAMES);
        if (how.equals("paths")) subjects.add(COMMAND);
        for (String direction : List.of("encrypt", "decrypt")) {
            if (direction.equals("decrypt")) {
                for (String subject : subjects) {
                    run(subject, how, "encrypt", "plain", subject + ".sealed");
                }
            }
            Map<String, List<Cost>> costs = new LinkedHashMap<>();
            int rounds = setup.rounds();
            for (int round = 0; round < rounds; round++) {
                for (String subject : subjects) {
                    boolean encrypt = direction.equals("encrypt");
                    String source = encrypt ? "plain" : subject + ".sealed";
                    costs.computeIfAbsent(subject, unused -> new ArrayList<>())
                            .add(run(subject, how, direction, source, "out"));
                    long written = Files.size(folder.resolve("out"));
                    if (encrypt ? written < size : written != size) {
                        throw new IOException(subject + " has written " + written + " bytes");
                    }
                    Files.delete(folder.resolve("out"));
                }
            }
            // How much memory a small one takes: with one of the same process more or less.
            run(KEYFOLD, how, "encrypt", "small", "little.sealed");
            String little = direction.equals("encrypt") ? "small" : "little.sealed";
            Cost small = run(KEYFOLD, how, direction, little, "out");
            rows(how, size, direction, costs, small);
        }
        for (String subject : subjects) Files.delete(folder.resolve(subject + ".sealed"));
    }

    private void rows(
            String how, long size, String direction, Map<String, List<Cost>> costs, Cost small) {
        Map<String, Double> seconds = new LinkedHashMap<>();
        costs.forEach(
                (subject, runs) ->
                        seconds.put(
                                subject,
                                Setup.median(runs.stream().map(Cost::seconds).toList())));
        boolean paths = how.equals("paths");
        seconds.forEach(
                (subject, own) -> {
                    boolean ours = subject.equals(KEYFOLD);
                    String to = !ours ? KEYFOLD : paths ? COMMAND : Streams.COPY;
                    report.row(
                            new Report.Row(
                                    how,
                                    subject,
                                    size,
                                    1,
                                    direction,
                                    "throughput",
                                    size / own / 1e9,
                                    "GB/s",
                                    seconds.get(to) / own,
                                    to));
                });
        costs.forEach(
                (subject, runs) -> {
                    if (!paths) {
                        double first = Setup.median(runs.stream().map(Cost::first).toList());
                        row(how, subject, size, direction, "first time", size / first / 1e9, "GB/s");
                    }
                    row(how, subject, size, direction, "peak memory", peak(runs), "MiB");
                });

        String what = Report.human(size) + " " + direction + " by " + how;
        double ours = seconds.get(KEYFOLD);
        seconds.forEach(
                (subject, other) -> {
                    if (subject.equals(KEYFOLD) || subject.equals(Streams.COPY)) return;
                    double floor = subject.equals(COMMAND) ? 0.9 : 1;
                    report.atLeast(what + ", to " + subject, other / ours, floor, "");
                });
        double more = peak(costs.get(KEYFOLD)) - small.peak;
        report.atMost(what + ", more memory than with 16 MiB", more, 16, "MiB");
    }

    private void row(
            String how,
            String subject,
            long size,
            String direction,
            String metric,
            double value,
            String unit) {
        report.row(
                new Report.Row(how, subject, size, 1, direction, metric, value, unit, null, null));
    }

    /** The most of all runs: a limit holds for each. */
    private static double peak(List<Cost> runs) {
        return runs.stream().mapToDouble(Cost::peak).max().orElseThrow();
    }

    /** Runs a process that measures itself, inside one that measures its memory. */
    private Cost run(String subject, String how, String direction, String source, String target)
            throws IOException, InterruptedException {
        String from = folder.resolve(source).toString();
        String to = folder.resolve(target).toString();
        Path said = folder.resolve("said");
        List<String> command =
                new ArrayList<>(List.of(setup.rust().toString(), "measure", "--"));
        boolean java = !subject.equals(COMMAND);
        if (java) {
            command.addAll(
                    Setup.java(
                            Work.class,
                            JVM,
                            subject,
                            how,
                            direction,
                            from,
                            to,
                            folder.resolve("store").toString(),
                            folder.resolve("small").toString(),
                            said.toString()));
        } else {
            command.addAll(List.of(setup.keyfold().toString(), direction, "--threads", "1"));
            if (direction.equals("encrypt")) {
                // The same envelope as the library's.
                command.addAll(List.of("--key", "alias/bench", "--context", "tenant=acme"));
            } else {
                command.addAll(List.of("--context", "tenant=acme"));
            }
            command.addAll(List.of(from, "-o", to));
        }
        JsonObject cost = JsonParser.parseString(Setup.run(command, home())).getAsJsonObject();
        double peak = cost.get("peak_memory").getAsDouble() / (1 << 20);
        if (!java) return new Cost(0, cost.get("seconds").getAsDouble(), peak);
        String[] seconds = Files.readString(said).split(" ");
        return new Cost(Double.parseDouble(seconds[0]), Double.parseDouble(seconds[1]), peak);
    }

    private Map<String, String> home() {
        return Map.of("KEYFOLD_HOME", folder.resolve("store").toString());
    }

    private void make(String name, long size) throws IOException {
        byte[] piece = new byte[1 << 20];
        for (int i = 0; i < piece.length; i++) piece[i] = (byte) i;
        try (OutputStream file = Files.newOutputStream(folder.resolve(name))) {
            for (long written = 0; written < size; written += piece.length) file.write(piece);
        }
    }

    /** A file system in memory with enough room: a disk would be what is measured. */
    private static Path place(long size) throws IOException {
        long needed = size * (Streams.NAMES.size() + 4);
        Path memory = Path.of("/dev/shm");
        if (Files.isDirectory(memory)
                && Math.min(Files.getFileStore(memory).getUsableSpace(), free()) > needed) {
            return memory;
        }
        System.out.println(
                "no "
                        + Report.human(needed)
                        + " in /dev/shm here: these figures contain the disk's speed");
        return Path.of(System.getProperty("java.io.tmpdir"));
    }

    private static long free() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/meminfo"))) {
            if (line.startsWith("MemAvailable:")) {
                return Long.parseLong(line.replaceAll("\\D", "")) << 10;
            }
        }
        return 0;
    }
}
