import { suite } from "./suite.js";

const refused = [];
addEventListener("securitypolicyviolation", (event) => {
  refused.push(`${event.violatedDirective} ${event.blockedURI}`);
});

/** Performs a function of the suite; an error crosses over as its text. */
export async function answer({ name, args }, post) {
  try {
    const answer = await suite[name](args);
    // A worker has a policy of its own.
    if (refused.length > 0) throw new Error(`the policy refused: ${refused.join(", ")}`);
    post({ answer });
  } catch (error) {
    post({ error: String(error?.stack ?? error) });
  }
}
