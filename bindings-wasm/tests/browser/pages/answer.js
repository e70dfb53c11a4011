import { suite } from "./suite.js";

/** Performs a function of the suite; an error crosses over as its text. */
export async function answer({ name, args }, post) {
  try {
    post({ answer: await suite[name](args) });
  } catch (error) {
    post({ error: String(error?.stack ?? error) });
  }
}
