// Types of what others add: style sheets as modules (Vite), custom properties in `style` (React).
/// <reference types="vite/client" />
import "react";

declare module "react" {
  interface CSSProperties {
    [custom: `--${string}`]: string | number | undefined;
  }
}
