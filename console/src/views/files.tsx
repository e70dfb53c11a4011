/** Files of any size: they are encrypted and decrypted in this page, segment by segment. */

import { useRef, useState } from "preact/hooks";

import { ContextField, KeyField, type Pairs } from "../form";
import { size } from "../format";
import {
  MEMORY,
  STREAMS,
  add,
  cancel,
  change,
  jobs,
  nameOf,
  start,
  type Choices,
  type Job,
  type Way,
} from "../jobs";
import { useStore } from "../store";
import { Empty, Failure, View, save } from "../ui";

export function Files() {
  const list = useStore(jobs);
  const [key, setKey] = useState("");
  const [signer, setSigner] = useState("");
  const [pairs, setPairs] = useState<Pairs>([]);
  const [over, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const choices = { key, signer, pairs };
  return (
    <View
      title="Files"
      lead="Files are encrypted and decrypted in this page; their content is never sent anywhere."
    >
      {!STREAMS && (
        <p class="note">
          This browser cannot write to the disk while it encrypts: the result stays in memory until
          it is saved, so files may have up to {size(MEMORY)}. Chromium, Chrome and Edge take any
          size.
        </p>
      )}
      <div
        class={over ? "drop over" : "drop"}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          void add([...(event.dataTransfer?.files ?? [])]);
        }}
      >
        <input
          ref={input}
          type="file"
          multiple
          class="unseen"
          id="files"
          onChange={(event) => {
            void add([...(event.currentTarget.files ?? [])]);
            event.currentTarget.value = "";
          }}
        />
        <label for="files" class="button">
          Choose files
        </label>
        <span>or drop them here. Envelopes are decrypted, everything else is encrypted.</span>
      </div>
      <div class="columns">
        <div class="form">
          <KeyField
            required={false}
            hint="It encrypts; without one nothing is. For decrypting: only this key, or any."
            value={key}
            set={setKey}
          />
          <KeyField
            label="Signer (optional)"
            required={false}
            hint="It signs what is encrypted, and its signature is demanded of what is decrypted."
            value={signer}
            set={setSigner}
          />
        </div>
        <ContextField pairs={pairs} set={setPairs} />
      </div>
      <h2>Chosen files</h2>
      {list.length === 0 ? (
        <Empty title="No file chosen">
          <p>Each file is listed here with what becomes of it.</p>
        </Empty>
      ) : (
        <ul class="jobs">
          {list.map((job) => (
            <JobRow key={job.id} job={job} choices={choices} />
          ))}
        </ul>
      )}
    </View>
  );
}

function JobRow({ job, choices }: { job: Job; choices: Choices }) {
  const { file, state } = job;
  const tooLarge = !STREAMS && file.size > MEMORY;
  const missing = whatIsMissing(job, choices, tooLarge);
  const part = file.size === 0 ? Number(state === "done") : job.done / file.size;
  const verb = job.way === "encrypt" ? "Encrypt" : "Decrypt";
  const set = (way: Way) => change(job.id, { way, name: nameOf(file.name, way) });
  return (
    <li>
      <div class="job-head">
        <strong class="file-name">{file.name}</strong>
        <span class="quiet">{size(file.size)}</span>
      </div>
      <progress max={1} value={part} aria-label={`${verb}ing ${file.name}`} />
      <p class="job-line">
        <span aria-live="polite">{status(job, missing)}</span>
        {state === "running" && (
          <span class="rate">
            {Math.floor(part * 100)} %, {size(job.rate)}/s
          </span>
        )}
      </p>
      {state === "failed" && <Failure of={job.error} />}
      <div class="buttons">
        {state === "running" ? (
          <button type="button" class="small" onClick={() => cancel(job.id)}>
            Cancel
          </button>
        ) : (
          <>
            {state !== "done" && (
              <>
                <select
                  class="small"
                  aria-label={`What to do with ${file.name}`}
                  value={job.way}
                  onChange={(event) => set(event.currentTarget.value as Way)}
                >
                  <option value="encrypt">Encrypt</option>
                  <option value="decrypt">Decrypt</option>
                </select>
                <button
                  type="button"
                  class="small main"
                  disabled={missing !== undefined}
                  onClick={() => void start(job, choices)}
                >
                  {verb} and save{STREAMS ? " as …" : ""}
                </button>
              </>
            )}
            {job.blob && (
              <button
                type="button"
                class="small"
                onClick={() => job.blob && save(job.blob, job.name)}
              >
                Save again
              </button>
            )}
            <button
              type="button"
              class="small"
              aria-label={`Remove ${file.name} from the list`}
              onClick={() => jobs.set(jobs.get().filter((other) => other.id !== job.id))}
            >
              Remove
            </button>
          </>
        )}
      </div>
    </li>
  );
}

/** Why it cannot be done yet. */
function whatIsMissing(job: Job, choices: Choices, tooLarge: boolean): string | undefined {
  if (tooLarge) return "Too large for this browser.";
  if (job.way === "encrypt") {
    return choices.key.trim() === "" ? "Name a key to encrypt it under." : undefined;
  }
  const unnamed = job.signed && choices.signer.trim() === "";
  return unnamed ? "It is signed: name the signer whose signature you demand." : undefined;
}

function status(job: Job, missing: string | undefined): string {
  switch (job.state) {
    case "waiting":
      return missing ?? `Becomes ${job.name}.`;
    case "running":
      return job.way === "encrypt" ? "Encrypting" : "Decrypting";
    case "done":
      return `${job.way === "encrypt" ? "Encrypted" : "Decrypted"} as ${job.name}, at ${size(job.rate)}/s.`;
    case "cancelled":
      return "Cancelled; nothing was saved.";
    case "failed":
      return "Not done; nothing was saved.";
  }
}
