/** A dedicated worker. */

import { answer } from "./answer.js";

onmessage = ({ data }) => answer(data, (settled) => postMessage(settled));
