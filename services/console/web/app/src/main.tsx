// Mounts the dashboard.
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import { startHistory } from "./router";
import "./styles/tokens.css";
import "./styles/base.css";
import { startTheme } from "./ui/theme";

startTheme();
startHistory();

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
