/** A worker of the pool. */

import "keyfold/worker";
