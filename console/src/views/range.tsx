/** A part of an envelope, without the rest of it. */

import { useEffect, useState } from "preact/hooks";

import { FormError } from "../errors";
import {
  Choice,
  ContextField,
  FileField,
  Form,
  KeyField,
  Submit,
  TextField,
  contextOf,
  type Pairs,
} from "../form";
import { count, hexDump, size, toText } from "../format";
import { keyfold, opener } from "../keyfold";
import { useTask } from "../load";
import { Failure, View, save, say } from "../ui";

/** How much of a part is shown, in bytes; all of it can be saved. */
const SHOWN = 4096;
/** The longest part, in bytes: it is in memory. */
const LONGEST = 256 * 1024 ** 2;

interface Part {
  start: number;
  bytes: Uint8Array<ArrayBuffer>;
  /** Of the whole plaintext, as the source's size tells. */
  total: number;
}

export function Range() {
  const [from, setFrom] = useState<"file" | "url">("file");
  const [file, setFile] = useState<File>();
  const [url, setUrl] = useState("");
  const [key, setKey] = useState("");
  const [pairs, setPairs] = useState<Pairs>([]);
  const [start, setStart] = useState("0");
  const [end, setEnd] = useState("1024");
  const [as, setAs] = useState<"hex" | "text">("hex");
  const [part, setPart] = useState<Part>();
  const task = useTask();
  // Plaintext does not stay behind.
  useEffect(() => () => void part?.bytes.fill(0), [part]);

  const source = () => {
    if (from === "file") {
      if (!file) throw new FormError("no file is chosen");
      return file;
    }
    const target = new URL(url, document.baseURI);
    if (target.origin !== location.origin) {
      throw new FormError("this page may read from its own server only: choose a file instead");
    }
    return target;
  };
  const submit = () =>
    task.run(async () => {
      setPart(undefined);
      const [first, last] = [Number(start), Number(end)];
      if (!(first < last)) throw new FormError("the part ends before it begins");
      if (last - first > LONGEST) {
        throw new FormError(`a part has at most ${size(LONGEST)}`);
      }
      const kf = await keyfold();
      const options = { keys: opener(key), context: contextOf(pairs), unprovenSignature: true };
      const document = await kf.open(source(), options);
      try {
        const bytes = await document.read({ start: first, end: last });
        setPart({ start: first, bytes, total: document.plaintextLength });
        say(`${count(bytes.length)} bytes are read`);
      } finally {
        document.dispose();
      }
    });
  return (
    <View
      title="Range"
      lead="Reads a part of a large envelope. Only the segments with that part are fetched and opened; each is authentic by itself."
    >
      <Form submit={() => void submit()} class="columns">
        <div class="form">
          <Choice
            label="From"
            value={from}
            set={setFrom}
            options={[
              ["file", "a file"],
              ["url", "an address of this server"],
            ]}
          />
          {from === "file" ? (
            <FileField label="Envelope" set={setFile} />
          ) : (
            <TextField
              label="Address"
              hint="A path such as /files/video.kf; it is read with HTTP range requests."
              required
              value={url}
              set={setUrl}
            />
          )}
          <div class="pair-of-fields">
            <TextField
              label="From byte"
              type="number"
              min={0}
              step={1}
              required
              value={start}
              set={setStart}
            />
            <TextField
              label="Up to byte"
              hint="Not included."
              type="number"
              min={1}
              step={1}
              required
              value={end}
              set={setEnd}
            />
          </div>
          <KeyField
            label="Key (optional)"
            required={false}
            hint="Where only this key may open it."
            value={key}
            set={setKey}
          />
          <Failure of={task.error} />
          <Submit busy={task.busy}>Read</Submit>
        </div>
        <ContextField pairs={pairs} set={setPairs} />
      </Form>
      {part && (
        <section>
          <h2>
            {count(part.bytes.length)} bytes from {count(part.start)} on, of {count(part.total)}
          </h2>
          {part.bytes.length === 0 ? (
            <p class="quiet">The plaintext ends before that.</p>
          ) : (
            <>
              <Choice
                label="Shown as"
                value={as}
                set={setAs}
                options={[
                  ["hex", "bytes"],
                  ["text", "text"],
                ]}
              />
              <pre tabIndex={0} aria-label="The part">
                {shown(part, as)}
              </pre>
              {part.bytes.length > SHOWN && (
                <p class="quiet">The first {count(SHOWN)} bytes are shown.</p>
              )}
              <button
                type="button"
                class="small"
                onClick={() => save(new Blob([part.bytes]), `part-${part.start}.bin`)}
              >
                Save the part
              </button>
            </>
          )}
        </section>
      )}
    </View>
  );
}

function shown(part: Part, as: "hex" | "text"): string {
  const bytes = part.bytes.subarray(0, SHOWN);
  if (as === "hex") return hexDump(bytes, part.start);
  // A part may begin and end within a character.
  return toText(bytes) ?? new TextDecoder().decode(bytes);
}
