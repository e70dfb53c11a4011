/** Text and other small data, encrypted here or by the server. */

import { useState } from "preact/hooks";

import { FormError } from "../errors";
import {
  AreaField,
  Choice,
  ContextField,
  Form,
  KeyField,
  Submit,
  contextOf,
  type Pairs,
} from "../form";
import { fromBase64, toBase64, toText } from "../format";
import { keyUri, keyfold, opener, signers } from "../keyfold";
import { useTask } from "../load";
import { Copy, Failure, View, say } from "../ui";

type Way = "envelope" | "server";

export function Data() {
  const [way, setWay] = useState<"encrypt" | "decrypt">("encrypt");
  return (
    <View
      title="Small data"
      lead="A text that fits on this page. Larger things are better encrypted as files."
    >
      <Choice
        label="What to do"
        value={way}
        set={setWay}
        options={[
          ["encrypt", "Encrypt"],
          ["decrypt", "Decrypt"],
        ]}
      />
      {way === "encrypt" ? <Encrypt /> : <Decrypt />}
    </View>
  );
}

function Encrypt() {
  const [text, setText] = useState("");
  const [key, setKey] = useState("");
  const [by, setBy] = useState<Way>("envelope");
  const [pairs, setPairs] = useState<Pairs>([]);
  const [sealed, setSealed] = useState<string>();
  const task = useTask();
  const submit = () =>
    task.run(async () => {
      setSealed(undefined);
      const data = new TextEncoder().encode(text);
      const context = contextOf(pairs);
      const kf = await keyfold();
      const made =
        by === "envelope"
          ? await kf.encrypt(data, { keys: keyUri(key), context })
          : await kf.encryptSmall(data, { key: keyUri(key), context });
      setSealed(toBase64(made));
      say("Encrypted");
    });
  return (
    <div class="columns">
      <Form submit={() => void submit()}>
        <AreaField label="Text" required value={text} set={setText} />
        <KeyField value={key} set={setKey} />
        <Choice
          label="Encrypted by"
          value={by}
          set={setBy}
          options={[
            ["envelope", "this page, as an envelope"],
            ["server", "the server (up to 4096 bytes)"],
          ]}
        />
        <ContextField pairs={pairs} set={setPairs} />
        <Failure of={task.error} />
        <Submit busy={task.busy}>Encrypt</Submit>
      </Form>
      <section class="result" aria-label="Result">
        <AreaField
          label="Encrypted, in base64"
          value={sealed ?? ""}
          code
          rows={9}
          hint="Not secret: keep it wherever you like."
        />
        {sealed !== undefined && <Copy text={sealed} />}
      </section>
    </div>
  );
}

function Decrypt() {
  const [sealed, setSealed] = useState("");
  const [key, setKey] = useState("");
  const [signer, setSigner] = useState("");
  const [pairs, setPairs] = useState<Pairs>([]);
  const [plain, setPlain] = useState<Uint8Array>();
  const task = useTask();
  const bytes = fromBase64(sealed);
  const envelope = bytes !== undefined && String.fromCharCode(...bytes.subarray(0, 3)) === "KFE";
  const submit = () =>
    task.run(async () => {
      setPlain(undefined);
      if (!bytes) throw new FormError("this is not base64");
      const context = contextOf(pairs);
      const kf = await keyfold();
      setPlain(
        envelope
          ? await kf.decrypt(bytes, { keys: opener(key), context, ...(await signers(signer)) })
          : await kf.decryptSmall(bytes, { context, ...(key.trim() && { key: keyUri(key) }) }),
      );
      say("Decrypted");
    });
  const text = plain && toText(plain);
  return (
    <div class="columns">
      <Form submit={() => void submit()}>
        <AreaField
          label="Encrypted, in base64"
          hint={
            sealed.trim() === ""
              ? "An envelope, or a ciphertext of the server."
              : envelope
                ? "This is an envelope: it is opened in this page."
                : "This is no envelope: the server is asked to decrypt it."
          }
          required
          code
          value={sealed}
          set={setSealed}
        />
        <KeyField
          label="Key (optional)"
          hint="Where only this key may open it. Without one, any that you may use."
          required={false}
          value={key}
          set={setKey}
        />
        {envelope && (
          <KeyField
            label="Signed by (optional)"
            hint="The key whose signature is demanded. A signed envelope does not open without."
            required={false}
            value={signer}
            set={setSigner}
          />
        )}
        <ContextField pairs={pairs} set={setPairs} />
        <Failure of={task.error} />
        <Submit busy={task.busy}>Decrypt</Submit>
      </Form>
      <section class="result" aria-label="Result">
        <AreaField
          label={plain && text === undefined ? "Decrypted, in base64 (it is no text)" : "Decrypted"}
          value={plain ? (text ?? toBase64(plain)) : ""}
          code
          rows={9}
        />
        {plain && (
          <div class="buttons">
            <Copy text={text ?? toBase64(plain)} />
            <button
              type="button"
              class="small"
              onClick={() => {
                plain.fill(0);
                setPlain(undefined);
              }}
            >
              Clear
            </button>
          </div>
        )}
      </section>
    </div>
  );
}
