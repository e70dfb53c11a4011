/** The one thing that cannot be undone: it says so, waits days, and wants a word typed. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

import { Form, TextField } from "./form";
import { useTask } from "./load";
import { Dialog, Failure, say } from "./ui";

export function Deletion(props: {
  of: "key" | "secret";
  title: string;
  /** What has to be typed. */
  word: string;
  schedule: (days: number) => Promise<unknown>;
  close: () => void;
  done: () => void;
  /** What happens, at once and at the end. */
  children: ComponentChildren;
}) {
  const { word } = props;
  const [days, setDays] = useState("30");
  const [typed, setTyped] = useState("");
  const task = useTask();
  const submit = async () => {
    const done = await task.run(async () => {
      await props.schedule(Number(days));
    });
    if (!done) return;
    say("The deletion is scheduled");
    props.close();
    props.done();
  };
  return (
    <Dialog title={props.title} close={props.close} danger>
      <p>{props.children}</p>
      <Form submit={() => void submit()}>
        <TextField
          label={`Days until the ${props.of} is destroyed`}
          hint="7 to 30."
          type="number"
          min={7}
          max={30}
          required
          value={days}
          set={setDays}
        />
        <TextField
          label={`Type ${word} to confirm`}
          required
          pattern={word.replaceAll(/[^\w]/g, "\\$&")}
          title={word}
          value={typed}
          set={setTyped}
        />
        <Failure of={task.error} />
        <div class="buttons">
          <button type="button" onClick={props.close}>
            Keep the {props.of}
          </button>
          <button type="submit" class="main danger" disabled={typed !== word}>
            Schedule the deletion
          </button>
        </div>
      </Form>
    </Dialog>
  );
}
