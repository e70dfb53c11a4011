package bench;

import com.google.gson.FieldNamingPolicy;
import com.google.gson.GsonBuilder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** What the suite found out, in the rows of {@code benches/src/report.rs}, and its floors. */
final class Report {
    /**
     * One figure: {@code value} is a median, or the most of all runs where it is memory; {@code
     * ratio} how many times as fast as {@code ratioTo} in the same run.
     */
    record Row(
            String group,
            String subject,
            long size,
            int threads,
            String direction,
            String metric,
            double value,
            String unit,
            Double ratio,
            String ratioTo) {}

    /** What keyfold has to reach. */
    record Floor(
            String what, double value, double limit, String unit, boolean atLeast, boolean met) {}

    private record Json(List<Row> rows, List<Floor> floors, List<String> notes) {}

    private final List<Row> rows = new ArrayList<>();
    private final List<Floor> floors = new ArrayList<>();
    private final List<String> notes = new ArrayList<>();

    void row(Row row) {
        rows.add(row);
    }

    void note(String note) {
        notes.add(note);
    }

    void atLeast(String what, double value, double limit, String unit) {
        floors.add(new Floor(what, value, limit, unit, true, value >= limit));
    }

    void atMost(String what, double value, double limit, String unit) {
        floors.add(new Floor(what, value, limit, unit, false, value <= limit));
    }

    /** Prints the table and writes {@code kotlin.json} to a folder. */
    void publish(Path folder) throws IOException {
        String line = "%-8s %-9s %8s %1s %-28s %-12s %10s %-5s %6s  %s%n";
        System.out.println();
        say(line, "case", "direction", "size", "t", "subject", "metric", "value", "", "ratio", "to");
        for (Row row : rows) {
            say(
                    line,
                    row.group,
                    row.direction,
                    human(row.size),
                    row.threads,
                    row.subject,
                    row.metric,
                    figure(row.value),
                    row.unit,
                    row.ratio == null ? "" : String.format(Locale.ROOT, "%.2f", row.ratio),
                    row.ratioTo == null ? "" : row.ratioTo);
        }
        System.out.println();
        for (Floor floor : floors) {
            say(
                    "%s  %s: %s %s, %s %s %s%n",
                    floor.met ? "met   " : "MISSED",
                    floor.what,
                    figure(floor.value),
                    floor.unit,
                    floor.atLeast ? "at least" : "at most",
                    figure(floor.limit),
                    floor.unit);
        }
        for (String note : notes) System.out.println("note: " + note);

        Files.createDirectories(folder);
        Path path = folder.resolve("kotlin.json");
        String text =
                new GsonBuilder()
                        .setPrettyPrinting()
                        .serializeNulls()
                        .setFieldNamingStrategy(
                                // `case` is no name in Java.
                                field ->
                                        field.getName().equals("group")
                                                ? "case"
                                                : FieldNamingPolicy.LOWER_CASE_WITH_UNDERSCORES
                                                        .translateName(field))
                        .create()
                        .toJson(new Json(rows, floors, notes));
        Files.writeString(path, text + "\n");
        System.out.println("\nwritten: " + path);
    }

    private static void say(String format, Object... cells) {
        String line = String.format(Locale.ROOT, format, cells);
        System.out.println(line.replaceAll(" +(?=[,\n])|\\s+$", ""));
    }

    /** {@code 64 MiB} for 67108864. */
    static String human(long size) {
        for (int shift = 30; shift > 0; shift -= 10) {
            if (size > 0 && size % (1L << shift) == 0) {
                return (size >> shift) + " " + "KMG".charAt(shift / 10 - 1) + "iB";
            }
        }
        return size > 0 ? size + " B" : "";
    }

    /** A number with three digits that count, and thousands set apart. */
    private static String figure(double value) {
        int places = value < 10 ? 2 : value < 100 ? 1 : 0;
        return String.format(Locale.ROOT, "%,." + places + "f", value);
    }
}
