import * as kms from "./suite/kms.js";
import * as long from "./suite/long.js";
import * as pool from "./suite/pool.js";
import * as ranges from "./suite/ranges.js";
import * as streams from "./suite/streams.js";
import * as tasks from "./suite/tasks.js";
import * as vectors from "./suite/vectors.js";

/** What the tests call, by name: asynchronous functions of one object. */
export const suite = { ...vectors, ...tasks, ...streams, ...ranges, ...kms, ...long, ...pool };
