/** What an envelope is made of: nothing of it is secret, and no key is needed to see it. */

import { useEffect, useState } from "preact/hooks";

import { FormError } from "../errors";
import { AreaField, FileField } from "../form";
import { count, fromBase64, size, toBase64 } from "../format";
import { MAX_HEADER, inspect, type EnvelopeInfo } from "../keyfold";
import { useTask } from "../load";
import { Empty, Facts, Failure, Table, View, say } from "../ui";

/** Body of suite 1 and 2 (docs/spec/envelope.md): salt and commitment, then segments. */
const SALT = 24;
const COMMITMENT = 32;
const SEGMENT = 16_384 + 16;
/** How many segments are drawn one by one. */
const DRAWN = 64;

interface Piece {
  name: string;
  offset: number;
  length: number;
  kind: "stable" | "recipients" | "salt" | "commitment" | "segment" | "signature";
  note: string;
}

interface Found {
  name: string;
  size: number;
  info: EnvelopeInfo;
}

export function Inspect() {
  const [text, setText] = useState("");
  const [found, setFound] = useState<Found>();
  const task = useTask();
  const look = (name: string, size: number, head: () => Promise<BufferSource> | BufferSource) =>
    task.run(async () => {
      setFound(undefined);
      setFound({ name, size, info: await inspect((await head()) as ArrayBuffer, { size }) });
      say("The envelope is shown below");
    });
  useEffect(() => {
    if (text.trim() === "") return;
    const bytes = fromBase64(text);
    void look("The pasted envelope", bytes?.length ?? 0, () => {
      if (!bytes) throw new FormError("this is not base64");
      return bytes;
    });
  }, [text]);
  return (
    <View
      title="Inspect"
      lead="Shows what an envelope says of itself. Nothing of that is proven before it is opened."
    >
      <div class="columns">
        <FileField
          label="An envelope in a file"
          hint="Only its first 64 KiB are read."
          required={false}
          set={(file) => {
            if (!file) return;
            void look(file.name, file.size, () => file.slice(0, MAX_HEADER).arrayBuffer());
          }}
        />
        <AreaField label="Or in base64" code rows={3} value={text} set={setText} />
      </div>
      <Failure of={task.error} />
      {found ? <Picture found={found} /> : <Empty title="No envelope yet" />}
    </View>
  );
}

/** The pieces of the whole, in their order; without a whole body, of the header alone. */
function pieces(info: EnvelopeInfo): Piece[] {
  const recipients = info.headerLength - info.stableLength;
  const keys = info.recipients.length === 1 ? "1 key" : `${info.recipients.length} keys`;
  const parts: Omit<Piece, "offset">[] = [
    {
      name: "Stable part",
      length: info.stableLength,
      kind: "stable",
      note: "version, cipher, context, signer: everything is bound to it",
    },
    {
      name: "Recipients",
      length: recipients,
      kind: "recipients",
      note: `the data key, wrapped by ${keys}: can be rewritten at any time`,
    },
  ];
  if (info.bodyLength !== undefined && info.segments !== undefined) {
    const signature = info.signature?.length ?? 0;
    const segments = info.bodyLength - SALT - COMMITMENT - signature;
    parts.push(
      { name: "Salt", length: SALT, kind: "salt", note: "makes the message key" },
      {
        name: "Commitment",
        length: COMMITMENT,
        kind: "commitment",
        note: "proves that only one key opens it",
      },
    );
    for (let index = 0; index < Math.min(info.segments, DRAWN); index += 1) {
      const last = index === info.segments - 1;
      const rest = info.segments > DRAWN && index === DRAWN - 1;
      const length = last || rest ? segments - index * SEGMENT : SEGMENT;
      parts.push({
        name: rest ? `Segments ${index + 1} to ${info.segments}` : `Segment ${index + 1}`,
        length,
        kind: "segment",
        note: last
          ? `${count(length - 16)} bytes; the short one proves the end`
          : rest
            ? `${count(info.segments - index)} more, the last one short`
            : "16,384 bytes and a tag of 16",
      });
    }
    if (signature > 0) {
      parts.push({
        name: "Signature",
        length: signature,
        kind: "signature",
        note: info.signature?.algorithm ?? "",
      });
    }
  }
  let offset = 0;
  return parts.map((part) => {
    const piece = { ...part, offset };
    offset += part.length;
    return piece;
  });
}

/** The same with whole segments in one line, as long as there are several. */
function grouped(pieces: readonly Piece[]): Piece[] {
  const whole = pieces.filter((piece) => piece.kind === "segment" && piece.length === SEGMENT);
  const [first] = whole;
  if (!first || whole.length < 3) return [...pieces];
  const all: Piece = {
    ...first,
    name: `Segments 1 to ${whole.length}`,
    length: whole.length * SEGMENT,
    note: `each ${first.note}`,
  };
  return pieces.flatMap((piece) => {
    if (piece === first) return [all];
    return whole.includes(piece) ? [] : [piece];
  });
}

function Picture({ found }: { found: Found }) {
  const { info } = found;
  const all = pieces(info);
  const header = all.slice(0, 2);
  const before = all.filter((piece) => piece.kind !== "segment" && piece.kind !== "signature");
  const { signature } = info;
  return (
    <>
      <h2>{found.name}</h2>
      <Facts
        rows={[
          ["Size", `${size(found.size)} (${count(found.size)} bytes)`],
          ["Cipher", `${info.cipher}, suite ${info.suite} of format ${info.version}`],
          [
            "Plaintext",
            info.plaintextLength === undefined
              ? "unknown: this is no whole envelope"
              : `${count(info.plaintextLength)} bytes in ${count(info.segments ?? 0)} segments`,
          ],
          [
            "Context",
            Object.keys(info.context).length === 0 ? (
              <span class="quiet">empty</span>
            ) : (
              <ul class="pairs">
                {Object.entries(info.context).map(([name, value]) => (
                  <li key={name}>
                    <code>{name}</code> = <code>{value}</code>
                  </li>
                ))}
              </ul>
            ),
          ],
          [
            "Signed",
            signature ? (
              <>
                {signature.algorithm}, it says by{" "}
                <code class="long">
                  {typeof signature.signer === "string"
                    ? signature.signer
                    : toBase64(signature.signer)}
                </code>
              </>
            ) : (
              "no"
            ),
          ],
        ]}
      />
      <h2>Layout</h2>
      <figure>
        <figcaption>All of it, to scale</figcaption>
        <Bar pieces={all} label="The whole envelope to scale; the table below has the numbers" />
      </figure>
      <figure>
        <figcaption>
          {before.length > 2 ? "Header, salt and commitment, enlarged" : "Header, enlarged"}
        </figcaption>
        <Bar pieces={before} label="The parts before the segments to scale" />
      </figure>
      <Legend pieces={all} />
      <Table name="Parts of the envelope" head={["Part", "From byte", "Bytes", "What it is"]}>
        {grouped(all).map((piece) => (
          <tr key={piece.name}>
            <td class="name">
              <span class={`swatch ${piece.kind}`} aria-hidden="true" /> {piece.name}
            </td>
            <td class="number">{count(piece.offset)}</td>
            <td class="number">{count(piece.length)}</td>
            <td class="sentence">{piece.note}</td>
          </tr>
        ))}
      </Table>
      <h2>Recipients</h2>
      <Table name="Recipients" head={["Key", "Wrapped data key", "Parameters"]}>
        {info.recipients.map((recipient) => (
          <tr key={recipient.key}>
            <td>
              <code class="long">{recipient.key}</code>
            </td>
            <td class="number">{count(recipient.wrappedKeyLength)} bytes</td>
            <td>{recipient.parameters.join(", ") || <span class="quiet">none</span>}</td>
          </tr>
        ))}
      </Table>
      <p class="quiet">
        The header has {count(info.headerLength)} bytes, {count(header[0]?.length ?? 0)} of them in
        its stable part.
      </p>
    </>
  );
}

/** A bar of boxes whose widths are those of the pieces. */
function Bar(props: { pieces: readonly Piece[]; label: string }) {
  const first = props.pieces[0]?.offset ?? 0;
  const total = props.pieces.reduce((sum, piece) => sum + piece.length, 0);
  const share = (length: number) => (total === 0 ? 0 : (length / total) * 1000);
  return (
    <svg
      class="layout"
      viewBox="0 0 1000 44"
      preserveAspectRatio="none"
      role="img"
      aria-label={props.label}
    >
      {props.pieces.map((piece) => (
        <rect
          key={piece.name}
          class={piece.kind}
          x={share(piece.offset - first)}
          y={0}
          width={share(piece.length)}
          height={44}
        >
          <title>
            {piece.name}: {count(piece.length)} bytes
          </title>
        </rect>
      ))}
    </svg>
  );
}

const KINDS: readonly (readonly [Piece["kind"], string])[] = [
  ["stable", "Stable part"],
  ["recipients", "Recipients"],
  ["salt", "Salt"],
  ["commitment", "Commitment"],
  ["segment", "Segments"],
  ["signature", "Signature"],
];

function Legend({ pieces }: { pieces: readonly Piece[] }) {
  return (
    <ul class="legend">
      {KINDS.filter(([kind]) => pieces.some((piece) => piece.kind === kind)).map(([kind, name]) => (
        <li key={kind}>
          <span class={`swatch ${kind}`} aria-hidden="true" /> {name}
        </li>
      ))}
    </ul>
  );
}
