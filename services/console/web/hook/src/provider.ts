// Which console the hooks below talk to: one client, one stream and one set of answers for each provider.
import { createContext, createElement, type ReactNode, useContext, useEffect, useMemo, useRef } from "react";
import { Client, type TokenSource } from "./client.js";
import { Resources } from "./resource.js";
import { Stream } from "./stream.js";

export interface WeirProviderProps {
  /** Where the console is, such as `https://weir.example`. Without: where the page came from. */
  url?: string;
  /** A token, or a function that gives one: asked at first, and again after a 401. */
  token?: TokenSource;
  /** Whose data. Without: the token's own project, `default` for an operator. */
  project?: string;
  children?: ReactNode;
}

interface Weir {
  client: Client;
  stream: Stream;
  resources: Resources;
}

const Context = createContext<Weir | null>(null);

export function WeirProvider({ url = "", token, project, children }: WeirProviderProps): ReactNode {
  // A function may be another one at each render; another token begins anew, as it may be somebody else's.
  const latest = useRef<TokenSource>(token);
  useEffect(() => {
    latest.current = token;
  });
  const key = typeof token === "function" ? null : (token ?? "");
  const weir = useMemo(() => {
    const client = new Client(url, project, () => key ?? latest.current);
    return { client, stream: new Stream(client), resources: new Resources(client) };
  }, [url, project, key]);
  return createElement(Context.Provider, { value: weir }, children);
}

export function useWeir(): Weir {
  const weir = useContext(Context);
  if (!weir) throw new Error("The hooks of @weir/react need a <WeirProvider> above them.");
  return weir;
}
