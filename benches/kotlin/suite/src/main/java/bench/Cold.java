package bench;

import bench.peers.Peer;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * A JVM that has only ever seen messages of 1 MiB: how soon it has encrypted the first, and how fast
 * it is in its first two seconds.
 */
final class Cold {
    private static final int SIZE = 1 << 20;
    private static final List<String> SUBJECTS =
            List.of("keyfold", "tink envelope", "javax (new)", "corretto (new)");

    private Cold() {}

    static void measure(Setup setup, Report report) throws IOException, InterruptedException {
        System.out.println("cold start");
        int rounds = setup.rounds();
        String millis = setup.quick() ? "300" : "2000";
        for (String direction : List.of("encrypt", "decrypt")) {
            Map<String, List<double[]>> found = new java.util.LinkedHashMap<>();
            for (int round = 0; round < rounds; round++) {
                for (String subject : SUBJECTS) {
                    List<String> command =
                            Setup.java(
                                    Cold.class,
                                    List.of("-Xms2g", "-Xmx2g"),
                                    subject,
                                    direction,
                                    millis);
                    String[] said = Setup.run(command, Map.of()).split(" ");
                    found.computeIfAbsent(subject, unused -> new ArrayList<>())
                            .add(
                                    new double[] {
                                        Double.parseDouble(said[0]), Double.parseDouble(said[1])
                                    });
                }
            }
            for (int metric = 0; metric < 2; metric++) {
                boolean first = metric == 0;
                double ours = median(found.get("keyfold"), metric);
                for (String subject : SUBJECTS) {
                    double value = median(found.get(subject), metric);
                    boolean self = subject.equals("keyfold");
                    report.row(
                            new Report.Row(
                                    "cold",
                                    subject,
                                    SIZE,
                                    1,
                                    direction,
                                    first ? "first result" : "throughput",
                                    value,
                                    first ? "ms" : "GB/s",
                                    self ? null : first ? ours / value : value / ours,
                                    self ? null : "keyfold"));
                }
            }
        }
    }

    private static double median(List<double[]> found, int metric) {
        return Setup.median(found.stream().map(pair -> pair[metric]).toList());
    }

    /** Prints milliseconds until the first result, and GB/s from then on. */
    public static void main(String[] words) throws Exception {
        boolean encrypt = words[1].equals("encrypt");
        long limit = Long.parseLong(words[2]) * 1_000_000;
        long begun = System.nanoTime();
        Peer.Message message = Peer.of(words[0]).message(SIZE);
        Object last = encrypt ? message.encrypt() : message.decrypt();
        long first = System.nanoTime();
        long count = 0;
        while (System.nanoTime() - first < limit) {
            last = encrypt ? message.encrypt() : message.decrypt();
            count++;
        }
        double seconds = (System.nanoTime() - first) / 1e9;
        if (last == null) throw new IllegalStateException("there is no result");
        System.out.println((first - begun) / 1e6 + " " + count * SIZE / seconds / 1e9);
    }
}
