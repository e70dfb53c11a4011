import { render } from "preact";

import { Shell } from "./shell";
import "./styles.css";
import { apply } from "./theme";

apply();
const root = document.getElementById("app");
if (root) render(<Shell />, root);
