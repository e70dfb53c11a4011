/** Signatures: made by the server, verified in this page. */

import { useEffect, useState } from "preact/hooks";
import { isKeyfoldError } from "keyfold";

import { describeKey } from "../api";
import { FormError } from "../errors";
import { AreaField, Choice, FileField, Form, KeyField, SelectField, Submit } from "../form";
import { fromBase64, size, toBase64 } from "../format";
import { keyName, keyUri, keyfold } from "../keyfold";
import { useTask } from "../load";
import { Copy, Failure, View, say } from "../ui";

/** The longest file, in bytes: it is read into memory. */
const LONGEST = 256 * 1024 ** 2;

type Algorithm = NonNullable<
  Parameters<Awaited<ReturnType<typeof keyfold>>["sign"]>[1]["algorithm"]
>;

export function Sign() {
  const [way, setWay] = useState<"sign" | "verify">("sign");
  const [from, setFrom] = useState<"text" | "file">("text");
  const [text, setText] = useState("");
  const [file, setFile] = useState<File>();
  const [key, setKey] = useState("");
  const [algorithms, setAlgorithms] = useState<string[]>([]);
  const [algorithm, setAlgorithm] = useState("");
  const [signature, setSignature] = useState("");
  const [verdict, setVerdict] = useState<boolean>();
  const task = useTask();

  // What was found out holds for what it was found out of.
  useEffect(() => setVerdict(undefined), [way, from, text, file, key, algorithm, signature]);
  useEffect(() => {
    setAlgorithms([]);
    setAlgorithm("");
    if (key.trim() === "") return;
    const end = new AbortController();
    const timer = setTimeout(() => {
      describeKey(keyName(key), end.signal).then(
        (found) => setAlgorithms(found.SigningAlgorithms ?? []),
        () => {},
      );
    }, 400);
    return () => {
      clearTimeout(timer);
      end.abort();
    };
  }, [key]);

  const message = async () => {
    if (from === "text") return new TextEncoder().encode(text);
    if (!file) throw new FormError("no file is chosen");
    if (file.size > LONGEST) {
      throw new FormError(`a file to sign here has at most ${size(LONGEST)}`);
    }
    return new Uint8Array(await file.arrayBuffer());
  };
  const submit = () =>
    task.run(async () => {
      setVerdict(undefined);
      const kf = await keyfold();
      const options = { key: keyUri(key), ...(algorithm && { algorithm: algorithm as Algorithm }) };
      if (way === "sign") {
        setSignature("");
        setSignature(toBase64(await kf.sign(await message(), options)));
        say("Signed");
        return;
      }
      const given = fromBase64(signature);
      if (!given) throw new FormError("the signature is not base64");
      try {
        await kf.verify(await message(), given, options);
        setVerdict(true);
      } catch (error) {
        // A signature that does not hold is an answer.
        if (!isKeyfoldError(error) || error.code !== "signature_invalid") throw error;
        setVerdict(false);
      }
    });
  const choose = (way: "sign" | "verify") => {
    setWay(way);
    task.clear();
  };
  return (
    <View
      title="Sign and verify"
      lead="The private key stays in the server. A signature is verified in this page, under the public key."
    >
      <Choice
        label="What to do"
        value={way}
        set={choose}
        options={[
          ["sign", "Sign"],
          ["verify", "Verify"],
        ]}
      />
      <Form submit={() => void submit()} class="columns">
        <div class="form">
          <Choice
            label="Message"
            value={from}
            set={setFrom}
            options={[
              ["text", "a text"],
              ["file", "a file"],
            ]}
          />
          {from === "text" ? (
            <AreaField label="Text" value={text} set={setText} />
          ) : (
            <FileField label="File" set={setFile} />
          )}
          <KeyField value={key} set={setKey} hint="A key that signs." />
          <SelectField
            label="Algorithm"
            value={algorithm}
            set={setAlgorithm}
            options={[
              ["", "The usual one of the key"],
              ...algorithms.map((name) => [name, name] as const),
            ]}
          />
          {way === "verify" && (
            <AreaField
              label="Signature, in base64"
              required
              code
              rows={3}
              value={signature}
              set={setSignature}
            />
          )}
          <Failure of={task.error} />
          <Submit busy={task.busy}>{way === "sign" ? "Sign" : "Verify"}</Submit>
        </div>
        <section class="result" aria-label="Result">
          {way === "sign" ? (
            <>
              <AreaField label="Signature, in base64" code rows={5} value={signature} />
              {signature !== "" && <Copy text={signature} />}
            </>
          ) : (
            <p
              class={verdict === undefined ? "verdict" : verdict ? "verdict good" : "verdict bad"}
              role="status"
            >
              {verdict === undefined
                ? "The answer appears here."
                : verdict
                  ? "The signature holds: this message was signed with that key."
                  : "The signature does not hold: another message, another key, or none."}
            </p>
          )}
        </section>
      </Form>
    </View>
  );
}
